"""The file of answers: everything that is wrong with it at once, and nothing in it that could tell somebody else."""

import json
from pathlib import Path
from typing import Any

import pytest

from dbrestore.contract.errors import AnswerConfigurationInvalid
from lambdas.configuration import access, answers

EXAMPLES = Path(__file__).resolve().parents[4] / "examples" / "configuration"
CALLERS = access.read(EXAMPLES / "access.json").names
SECRET = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:jira-Ab12Cd"


def connection(**more: Any) -> dict[str, Any]:
    return {"name": "jira", "by": "basic", "user": "bot@example.com", "secret": SECRET, **more}


def answer(**more: Any) -> dict[str, Any]:
    told = {"name": "jira", "to": "jira", "connection": "jira", "callers": ["jira"]}
    return {**told, "url": "https://example.atlassian.net/rest/api/2/issue/*/comment", **more}


def problems(folder: Path, *, hosts: list[str] | None = None, **values: Any) -> list[str]:
    """Without the file's name."""
    path = folder / "answers.json"
    content = {"hosts": hosts or ["example.atlassian.net"], "connections": [connection()], "answers": [answer()], **values}
    path.write_text(json.dumps(content))
    try:
        answers.read(path, CALLERS)
    except AnswerConfigurationInvalid as error:
        return [line.removeprefix("answers.json#") for line in str(error).splitlines()]
    return []


def test_the_example_and_the_shipped_file_are_right() -> None:
    assert len(answers.read(EXAMPLES / "answers.json", CALLERS).answers) == 9
    assert answers.read(answers.DEPLOYED).answers == ()


def test_a_right_one_has_no_problem(tmp_path: Path) -> None:
    assert problems(tmp_path) == []


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a host that isn't allowed": (
        {"url": "https://evil.example.com/rest/api/2/issue/*/comment"},
        "'evil.example.com' isn't among this file's hosts",
    ),
    "a host in the user's place": (
        {"url": "https://example.atlassian.net@evil.example.com/rest/api/2/issue/*/comment"},
        "must be an address like",
    ),
    "no encryption": ({"url": "http://example.atlassian.net/rest/api/2/issue/*/comment"}, "must be an address like"),
    "a port": ({"url": "https://example.atlassian.net:8443/rest/api/2/issue/*/comment"}, "must be an address like"),
    "a query": ({"url": "https://example.atlassian.net/rest/api/2/issue/*/comment?x=1"}, "must be an address like"),
    "another place of the same host": (
        {"url": "https://example.atlassian.net/rest/api/2/user"},
        "isn't where jira takes answers: write one like",
    ),
    "two tickets": ({"url": "https://example.atlassian.net/*/rest/api/2/issue/*/comment"}, "isn't where jira takes answers"),
    "an unknown kind": ({"to": "teams"}, "must be servicenow, jira, jira-service-management"),
    "an unknown connection": ({"connection": "other"}, "there is no connection 'other' in this file"),
    "everybody's tickets": ({"callers": []}, "is missing: say whose tickets they are"),
    "a caller that isn't": ({"callers": ["jirra"]}, "'jirra' fits no caller or hook of the access configuration"),
    "a key of another kind": ({"channel": "C024BE91L"}, "is of no use with jira: leave it out"),
    "phases and one of them": ({"when": ["phases", "approval"]}, "is told by phases already"),
    "too many retries": ({"retries": 186}, "must be a number from 0 to 185"),
    "an unknown moment": ({"when": ["ended"]}, "must be started, approval,"),
    "a name that a role can't bear": ({"name": "a" * 25}, "must be 1 to 24 lower-case letters"),
    "an unknown key": ({"template": "x"}, "template"),
}


@pytest.mark.parametrize("name", WRONG)
def test_an_answer_that_is_wrong_is_told_with_its_place(tmp_path: Path, name: str) -> None:
    change, sentence = WRONG[name]
    found = problems(tmp_path, answers=[answer(**change)])

    assert any(line.startswith("/answers/0") and sentence in line for line in found), found


def test_everything_is_told_at_once(tmp_path: Path) -> None:
    slack = {"name": "chat", "to": "slack", "connection": "chat", "url": "https://hooks.slack.com/services/T/B/x"}
    token = connection(
        name="chat", by="oauth", user=None, clientId="x", tokenUrl="https://elsewhere.example.com/token", parameters={"grant_type": "x"}
    )

    found = problems(
        tmp_path, connections=[connection(by="header"), token, connection(name="idle")], answers=[answer(), slack], hosts=["Bad Host"]
    )

    assert [line.partition(":")[0] for line in found] == [
        "/hosts/0",
        "/connections/0/header (jira)",
        "/connections/0/user (jira)",
        "/connections/1/parameters/grant_type (chat)",
        "/connections/1/tokenUrl (chat)",
        "/connections/2/name (idle)",
        "/answers/0/url (jira)",
        "/answers/1/channel (chat)",
        "/answers/1/url (chat)",
        "/answers/1/url (chat)",
    ]
    assert any("is a secret by itself" in line for line in found)


def test_incidents_are_opened_by_what_went_wrong_alone(tmp_path: Path) -> None:
    event = {"name": "pager", "to": "pagerduty-event", "connection": "jira", "url": "https://events.pagerduty.com/v2/enqueue"}
    hosts = ["example.atlassian.net", "events.pagerduty.com"]

    by_default = problems(tmp_path, hosts=hosts, answers=[answer(), event])
    good = problems(tmp_path, hosts=hosts, answers=[answer(), {**event, "when": ["failed", "succeeded"]}])

    assert any("/answers/1/when (pager): is missing" in line for line in by_default)
    assert any("/answers/1/when/1 (pager): 'succeeded' would open an incident for what went well" in line for line in good)
    assert any('asks for a connection with "by": "bodyKey" and "key": "routing_key"' in line for line in good)


def test_secrets_are_of_one_account_and_names_are_given_once(tmp_path: Path) -> None:
    elsewhere = SECRET.replace("eu-central-1", "us-east-1")
    both = [connection(), connection(secret=elsewhere)]

    found = problems(tmp_path, connections=both, answers=[answer(), answer()])

    assert [line.partition(": ")[0] for line in found] == [
        "/connections/1/name (jira)",
        "/answers/1/name (jira)",
        "/connections/1/secret (jira)",
    ]


def test_a_password_is_no_reference(tmp_path: Path) -> None:
    assert any("must be the whole ARN of a secret" in line for line in problems(tmp_path, connections=[connection(secret="hunter2")]))
