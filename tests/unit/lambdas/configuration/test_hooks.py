"""The file that says who may ask for what over HTTP, hooks among them: everything that is wrong with it at once."""

import json
from pathlib import Path
from typing import Any

import pytest

from dbrestore.contract.errors import AccessConfigurationInvalid
from lambdas.configuration import expressions
from lambdas.configuration.access import DEPLOYED, AccessConfiguration, deployed, read
from lambdas.configuration.expressions import NoValue

EXAMPLE = DEPLOYED.parents[1] / "examples" / "configuration" / "access.json"
ARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:jira-Ab12Cd"
OTHER = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:jira-Ef34Gh"
HOOK: dict[str, Any] = {
    "name": "jira",
    "scheme": "jira",
    "secrets": [ARN],
    "when": "webhookEvent == 'jira:issue_updated'",
    "request": {"target": {"dbInstance": "orders-test"}, "databases": [{"name": "{% issue.key %}"}]},
}


def written(folder: Path, *hooks: dict[str, Any], **more: Any) -> Path:
    path = folder / "access.json"
    path.write_text(json.dumps({"hooks": hooks, **more}))
    return path


def refused(folder: Path, *hooks: dict[str, Any], **more: Any) -> list[str]:
    with pytest.raises(AccessConfigurationInvalid) as told:
        read(written(folder, *hooks, **more))
    return str(told.value).splitlines()


def test_the_shipped_file_lets_nobody_in() -> None:
    assert (deployed().callers, deployed().hooks, deployed().rules) == ((), (), ())


def test_the_example_can_be_deployed_and_shows_a_hook_of_each_scheme() -> None:
    example = read(EXAMPLE)

    assert {hook.scheme for hook in example.hooks} == {"github", "jira", "pagerduty", "zendesk", "standard-webhooks"}
    assert len(example.hook_secrets) >= len(example.hooks)


def test_a_hook_is_found_by_its_name_and_is_a_caller_to_rules(tmp_path: Path) -> None:
    rule = {"callers": ["ji*"], "may": ["restore"], "targets": ["*"]}

    access = read(written(tmp_path, HOOK, rules=[rule]))

    assert access.hook("jira") == AccessConfiguration.model_validate({"hooks": [HOOK]}).hooks[0]
    assert (access.hook("nobody"), access.named("jira")) == (None, None)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"name": "Jira"}, "/hooks/0/name (Jira): must be 1 to 32 lower-case letters, digits and -, a letter first, like jira"),
        ({"scheme": "gitlab"}, "/hooks/0/scheme (jira): must be github, jira, pagerduty, zendesk or standard-webhooks, not"),
        ({"secrets": []}, "/hooks/0/secrets (jira): is empty"),
        ({"secrets": [ARN, OTHER, OTHER[:-1] + "x"]}, "/hooks/0/secrets (jira): has too many: 2 at most"),
        ({"secrets": [ARN[:-7]]}, "/hooks/0/secrets/0 (jira): must be the whole ARN of a secret"),
        ({"secrets": [ARN, ARN]}, "/hooks/0/secrets/1 (jira): stands in this file twice"),
        ({"secrets": [ARN, OTHER.replace("central", "west")]}, "/hooks/0/secrets/1 (jira): is of another account or Region"),
        ({"when": "a ="}, "/hooks/0/when (jira): is no JMESPath expression"),
        ({"when": 'action == "labeled"'}, "/hooks/0/when (jira): compares with the key 'labeled'"),
        ({"when": "{% a %}"}, "/hooks/0/when (jira): is always an expression: write it without"),
        ({"when": "size(a) > `1`"}, "/hooks/0/when (jira): calls size(), which JMESPath doesn't have: it has abs, avg"),
        ({"idempotencyKey": "join('-')"}, "/hooks/0/idempotencyKey (jira): calls join() with 1 arguments instead of 2"),
        ({"idempotencyKey": ""}, "/hooks/0/idempotencyKey (jira): must be a JMESPath expression"),
        ({"request": {"databases": ["orders"]}}, "/hooks/0/request/target (jira): is missing"),
        ({"request": {"target": {"dbInstance": "x"}}}, "/hooks/0/request/databases (jira): is missing"),
        ({"request": []}, "/hooks/0/request (jira): must be a request"),
        ({"sceme": "jira"}, "/hooks/0/sceme (jira): isn't a known key: did you mean scheme?"),
    ],
)
def test_what_is_wrong_with_a_hook_is_told_with_its_place(tmp_path: Path, change: dict[str, Any], told: str) -> None:
    lines = refused(tmp_path, {**HOOK, **change})

    assert any(line.startswith(f"access.json#{told}") for line in lines), lines


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"databases": ["orders-{% a %}"]}, "/databases/0 (jira): is text and expression in one"),
        ({"databases": "{% a[ %}"}, "/databases (jira): is no JMESPath expression"),
        ({"databases": [{"name": "{%  %}"}]}, "/databases/0/name (jira): is empty"),
        ({"databases": [{"name": "{% a %}", "As": "b"}]}, "/databases/0/As (jira): isn't a known key: did you mean as?"),
        ({"target": "{% target %}"}, "/target (jira): can't come from the sender"),
        ({"worker": {"instanceType": "{% a %}"}}, "/worker/instanceType (jira): can't come from the sender"),
        ({"checks": [{"name": "n", "sql": "{% a %}", "expect": 1}]}, "/checks/0/sql (jira): can't come from the sender"),
        ({"target": {"dbInstance": "x", "credentials": {"secretArn": "{% a %}"}}}, "/target/credentials/secretArn (jira): can't come"),
        ({"target": {"dbInstance": "-x"}}, "/target/dbInstance (jira): "),
        ({"mode": "plan"}, "/mode (jira): must be restore, or be left out"),
        ({"mode": "{% a %}"}, "/mode (jira): must be restore, or be left out"),
        ({"permittedBy": "me"}, "/permittedBy (jira): is for the API to say"),
        ({"swap": {"sessions": "end"}}, "/swap (jira): "),
        ({"sqlserver": {"stopAt": "yesterday"}}, "/sqlserver/stopAt (jira): "),
    ],
)
def test_the_mapping_is_held_to_what_a_request_is(tmp_path: Path, change: dict[str, Any], told: str) -> None:
    lines = refused(tmp_path, {**HOOK, "request": {**HOOK["request"], **change}})

    assert any(line.startswith(f"access.json#/hooks/0/request{told}") for line in lines), lines


@pytest.mark.parametrize(
    "change",
    [
        {"databases": "{% a.b %}"},
        {"databases": ["{% a %}", "{% b %}"]},
        {"target": {"dbInstance": "{% a %}", "account": "{% b %}", "region": "{% c %}"}, "source": "{% d %}"},
        {"source": {"dbInstance": "{% a %}", "restorePoint": "{% b %}"}, "sqlserver": {"stopAt": "{% c %}"}, "ticket": "{% d %}"},
        {"mode": "restore", "reason": "{% a %}", "requestedBy": "{% b %}", "ticket": {"id": "{% to_string(c) %}"}},
        {"verify": "content", "checks": [{"name": "n", "sql": "SELECT 1", "expect": 1}]},
    ],
)
def test_expressions_may_stand_where_it_says_what_is_restored(tmp_path: Path, change: dict[str, Any]) -> None:
    assert read(written(tmp_path, {**HOOK, "request": {**HOOK["request"], **change}})).hooks


def test_all_problems_are_told_at_once_and_no_secret(tmp_path: Path) -> None:
    hooks = ({**HOOK, "secrets": ["hunter2 hunter2"], "when": "("}, {**HOOK, "request": {"target": {"dbInstance": "x"}}})
    rules = [{"callers": ["github"], "may": ["restore"], "targets": ["*"]}]

    lines = refused(tmp_path, *hooks, callers=[{"name": "jira", "by": "apiKey"}], rules=rules)

    assert [line.partition(" ")[0] for line in lines] == [
        "access.json#/hooks/0/secrets/0",
        "access.json#/hooks/0/name",
        "access.json#/hooks/1/name",
        "access.json#/hooks/0/when",
        "access.json#/hooks/1/request/databases",
        "access.json#/rules/0/callers/0:",
    ]
    assert not any("hunter2" in line for line in lines)


@pytest.mark.parametrize(
    ("expression", "event", "value"),
    [
        ("a.b", {"a": {"b": 1}}, 1),
        ("a.b", {"a": 5}, None),
        ("join('-', [a, to_string(b)])", {"a": "x", "b": 7}, "x-7"),
        ("length(a[?b == 'c']) > `0`", {"a": [{"b": "c"}]}, True),
    ],
)
def test_an_expression_has_the_value_that_the_event_has_there(expression: str, event: Any, value: Any) -> None:
    assert expressions.flaw(expression) is None
    assert expressions.value_of(expression, event) == value


def _deep() -> Any:
    value: Any = 1
    for _ in range(20_000):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("expression", "event"),
    [
        ("length(a)", {}),
        ("a[::b]", {}),
        ("join('-', a)", {"a": [1]}),
        ("sort(a)", {"a": [1, "x"]}),
        ("a == b", {"a": _deep(), "b": _deep()}),
    ],
)
def test_what_an_expression_can_not_be_asked_for_an_event_is_no_value(expression: str, event: Any) -> None:
    with pytest.raises(NoValue):
        expressions.value_of(expression, event)
