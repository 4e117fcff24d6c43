"""A ticket becomes a restore over the deployed API, and gets its answer over HTTP, where a server stands for the products.

The whole local cloud: API Gateway, functions as processes, Step Functions, the bus with its rules, connections and API destinations.
"""

import base64
import json
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from localcloud import cloud as local
from localcloud.cloud import Cloud
from localcloud.flow import told_view
from localcloud.flow.api_destinations import RECORD
from localcloud.stacks import application
from tests.native.chains import FULL, another
from tests.native.ticket_systems import TicketSystems
from tests.native.whole_cloud import WholeCloud, wait_for
from tests.statemachine.hook_senders import HOOKS, NEW, SENDERS, Sender
from tests.statemachine.plain_moto import know_images

pytestmark = [pytest.mark.xdist_group("answers"), pytest.mark.timeout(600), pytest.mark.slow]

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "configuration"
REQUESTS = Path(__file__).resolve().parents[1] / "infrastructure" / "answers"
BY_NAME = {sender.name: sender for sender in SENDERS}
SYS_ID = "4f2a1b7c87a3" + "0" * 20
# Where each sender's ticket is answered: host, and the ticket's id in its event.
TICKETS = {
    "github": ("api.github.com", "42"),
    "jira": ("example.atlassian.net", "DB-42"),
    "pagerduty": ("api.pagerduty.com", "PGR0VU2"),
    "zendesk": ("example.zendesk.com", "35436"),
    "standard-webhooks": ("changes.example.com", ""),
}


def secret(name: str) -> str:
    return f"secret-of-{name}-0123456789"


def stored(cloud: Cloud, name: str, text: str) -> str:
    return str(cloud.client("secretsmanager").create_secret(Name=name, SecretString=text)["ARN"])


def access(cloud: Cloud) -> dict[str, Any]:
    """Every sender of webhooks as it is in the other tests of them, and ServiceNow with a key."""
    hooks = []
    for name, hook in HOOKS.items():
        sender = BY_NAME[name]
        hooks.append({"name": name, "scheme": name, "secrets": [stored(cloud, f"hook-{name}", _hook_secret(sender))], **hook})
    everything = {"may": ["restore", "read", "approve"], "targets": ["*"]}
    return {
        "callers": [{"name": name, "by": "apiKey"} for name in ("servicenow", "colleague", "virtual-agent")],
        "hooks": hooks,
        "rules": [{"callers": ["servicenow"], **everything, "approval": "second-person"}, {"callers": ["*"], **everything}],
    }


def _hook_secret(sender: Sender) -> str:
    return f"whsec_{base64.b64encode(NEW.encode()).decode()}" if sender.name == "standard-webhooks" else NEW


def answers(cloud: Cloud) -> dict[str, Any]:
    """The example, with secrets that are there, and the hook that has another name here."""
    configuration = json.loads((EXAMPLES / "answers.json").read_text())
    for one in configuration["connections"]:
        one["secret"] = stored(cloud, f"answer-{one['name']}", secret(one["name"]))
    for one in configuration["answers"]:
        if one["name"] == "changes":
            one["callers"] = ["standard-webhooks"]
    return dict(configuration)


@dataclass
class Desk:
    """The installation, and whom it tells."""

    whole: WholeCloud
    systems: TicketSystems
    url: str
    keys: dict[str, str]

    def hook(self, sender: Sender, body: bytes | None = None) -> tuple[int, Any]:
        """One delivery, over HTTP."""
        sent = sender.body() if body is None else body
        headers = {**sender.headers(), **sender.sign(NEW, sent, datetime.now(UTC))}
        return self.call("POST", sender.path, sent, headers)

    def call(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> tuple[int, Any]:
        request = urllib.request.Request(self.url + path, body, headers, method=method)  # noqa: S310 - the local cloud's own address
        try:
            with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310 - the same
                text = response.read()
                return response.status, json.loads(text) if text else None
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def api(self, method: str, path: str, caller: str, body: Any = None) -> tuple[int, Any]:
        headers = {"x-api-key": self.keys[caller], "Content-Type": "application/json"}
        return self.call(method, path, json.dumps(body).encode() if body is not None else None, headers)

    def attempts(self, name: str) -> list[dict[str, Any]]:
        """What the local cloud notes of calls of a destination."""
        lines = map(json.loads, (self.whole.cloud.directory / RECORD).read_text().splitlines())
        return [line for line in lines if f"/dbrestore-{name}/" in line["target"]]


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    systems = TicketSystems(secret)
    with tempfile.TemporaryDirectory(prefix="answers-") as folder, pytest.MonkeyPatch.context() as patch:
        running = local.start(Path(folder, "cloud"), time_scale=100.0, schedules=False)
        try:
            know_images()
            for variable, content in ((application.ACCESS, access(running)), (application.ANSWERS, answers(running))):
                path = Path(folder, f"{variable}.json")
                path.write_text(json.dumps(content))
                patch.setenv(variable, str(path))
            for host in systems.hosts:
                running.stand_in(host, systems.url)
            whole = WholeCloud(running, Path(folder), instances=("orders-prod",)).build()
            whole.point("orders-prod", [another(FULL, database="orders")])
            known = json.loads((running.directory / application.API_FILE).read_text())
            yield Desk(whole, systems, known["url"], known["keys"])
        finally:
            running.stop()
            systems.stop()


@pytest.mark.parametrize("name", TICKETS)
def test_a_webhook_becomes_a_restore_and_its_ticket_is_told_how_it_ended(desk: Desk, name: str) -> None:
    host, ticket = TICKETS[name]

    status, accepted = desk.hook(BY_NAME[name])

    assert status == 202, accepted
    [text] = desk.systems.about(host, ticket)
    assert text.startswith(f"[dbrestore {accepted['id']} ")
    assert desk.systems.refused == []


def test_a_ticket_of_servicenow_waits_is_approved_and_is_told_of_both(desk: Desk) -> None:
    desk.systems.busy["example.service-now.com"] = 1
    request = {
        "target": {"dbInstance": "orders-prod"},
        "databases": [{"name": "orders", "as": "orders_of_a_ticket"}],
        "ticket": {"system": "servicenow", "id": SYS_ID},
        "requestedBy": "jane.doe",
    }

    status, accepted = desk.api("POST", "/v1/restores", "servicenow", request)
    assert status == 202, accepted
    [waits] = desk.systems.about("example.service-now.com", SYS_ID)
    status, decided = desk.api("POST", f"/v1/restores/{accepted['id']}/approval", "colleague", {"decision": "approve", "reason": "seen"})
    assert status == 200, decided
    ends = _two(desk, SYS_ID)

    assert waits.splitlines()[0].endswith(f"waits for a second person: dbrestore approve {accepted['id']}")
    assert ends.startswith(f"[dbrestore {accepted['id']} SUCCEEDED] The restore into orders-prod succeeded: 1 of 1 databases, verified.")
    assert "orders_of_a_ticket (from orders): " in ends
    # The first call found the product busy, and was made again. The line is written after the answer.
    wait_for(lambda: [line["kind"] for line in desk.attempts("servicenow")] == ["failed", "delivered", "delivered"])
    assert desk.systems.refused == []


def _two(desk: Desk, ticket: str) -> str:
    deadline = time.monotonic() + 120
    while len(found := desk.systems.about("example.service-now.com", ticket)) < 2:
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    return found[1]


def test_the_same_event_again_is_the_same_restore_and_no_second_answer(desk: Desk) -> None:
    before = len(desk.systems.written)

    status, again = desk.hook(BY_NAME["jira"])

    assert status == 200, again
    assert len(desk.systems.written) == before


def test_our_own_comment_comes_back_over_the_gateway_and_starts_nothing(desk: Desk) -> None:
    event = json.loads(BY_NAME["jira"].body())
    [text] = desk.systems.about("example.atlassian.net", "DB-42")
    event["comment"] = {"body": text}
    event["changelog"]["id"] = "99999"

    assert desk.hook(BY_NAME["jira"], json.dumps(event).encode()) == (204, None)


def test_a_wrong_signature_is_refused_at_the_gateway_s_address(desk: Desk) -> None:
    sender = BY_NAME["github"]
    headers = {**sender.headers(), **sender.sign("another-secret-0123456789", sender.body(), datetime.now(UTC))}

    status, problem = desk.call("POST", sender.path, sender.body(), headers)

    assert (status, problem["type"]) == (401, "urn:dbrestore:problem:SignatureInvalid")


def test_a_refused_restore_is_told_in_the_ticket_the_chat_and_not_on_call(desk: Desk) -> None:
    request: dict[str, Any] = {"target": {"dbInstance": "no-such-instance"}, "databases": ["orders"], "ticket": {"id": "DB-77"}}
    request["source"] = {"dbInstance": "orders-prod"}

    _, accepted = desk.api("POST", "/v1/restores", "virtual-agent", request)

    deadline = time.monotonic() + 60
    while not (found := [one.text for one in desk.systems.written if one.host == "slack.com" and accepted["id"] in one.text]):
        assert time.monotonic() < deadline, desk.systems.refused
        time.sleep(0.1)
    assert found == [
        f"[dbrestore {accepted['id']} REFUSED] The restore into no-such-instance was refused before anything was made: TargetNotFound. "
        f"To read more: dbrestore report {accepted['id']}"
    ]
    assert accepted["id"] not in desk.systems.incidents


def test_what_a_product_will_not_take_is_kept_with_the_reason(desk: Desk) -> None:
    """The service desk's request goes to the same host as Jira's comments, which has no such call here: 404, which isn't tried again."""
    sqs = desk.whole.cloud.client("sqs")
    url = sqs.get_queue_url(QueueName="dbrestore-undelivered-answers")["QueueUrl"]

    [letter] = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"], WaitTimeSeconds=20)["Messages"]

    attributes = {name: value["StringValue"] for name, value in letter["MessageAttributes"].items()}
    assert attributes["RULE_ARN"].endswith(":rule/dbrestore-answer-service-desk")
    assert "answered 404" in attributes["ERROR_MESSAGE"]
    assert json.loads(letter["Body"])["detail"]["notice"]["ticket"] == "DB-77"
    assert all(secret(one) not in json.dumps(letter) for one in ("jira", "slack", "changes"))


def test_no_secret_is_in_what_the_bus_was_told(desk: Desk) -> None:
    told = (desk.whole.cloud.directory / told_view.RECORD).read_text()

    assert "Restore Succeeded" in told
    assert not [one for one in ("jira", "slack", "servicenow", "github") if secret(one) in told]
    assert NEW not in told
