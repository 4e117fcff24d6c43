"""Signed webhooks over the real flow: six senders, each in six ways, and whatever else may come to an address that anybody can reach."""

import ast
import json
from base64 import b64encode
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import boto3
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dbrestore.contract.errors import RestoreRequestInvalid
from lambdas.entrances.hooks import secrets
from tests.statemachine.api_calls import Answer, answered, event
from tests.statemachine.hook_senders import NEW, OLD, SENDERS, WRONG, Sender, declare
from tests.statemachine.world import World

SIGNED = tuple(sender for sender in SENDERS if sender.is_signed)
GITHUB, JIRA, PAGERDUTY, ZENDESK, STANDARD, SERVICENOW = SENDERS


@pytest.fixture
def world(world: World, tmp_path: Path) -> World:
    """What a webhook starts is refused by its plan: a restore takes a hundred times as long as the answer."""
    secrets.provider.cache_clear()
    declare(world, tmp_path)
    world.before["PlanRestore"] = refuse
    return world


def refuse() -> None:
    raise RestoreRequestInvalid("/target: nothing is restored here")


@pytest.fixture
def restoring(world: World) -> World:
    """The same, in which what is started is restored."""
    del world.before["PlanRestore"]
    return world


def executions() -> list[str]:
    steps = boto3.client("stepfunctions")
    machine = steps.list_state_machines()["stateMachines"][0]["stateMachineArn"]
    return [one["executionArn"] for one in steps.list_executions(stateMachineArn=machine)["executions"]]


def right(sender: Sender, world: World) -> list[Answer]:
    return [sender.sent(world, sender.body())]


def wrong_key(sender: Sender, world: World) -> list[Answer]:
    return [sender.sent(world, sender.body(), WRONG)]


def old_key(sender: Sender, world: World) -> list[Answer]:
    return [sender.sent(world, sender.body(), OLD)]


def changed_body(sender: Sender, world: World) -> list[Answer]:
    """Where nothing is signed a change can be seen only on a request that came before."""
    changed = sender.body().replace(b"orders", b"orderz", 1)
    assert changed != sender.body()
    if sender.is_signed:
        return [sender.sent(world, changed, signed_body=sender.body())]
    return [sender.sent(world, sender.body()), sender.sent(world, sender.body().replace(b"of May", b"of June"))]


def repeated(sender: Sender, world: World) -> list[Answer]:
    return [sender.sent(world, sender.body()), sender.sent(world, sender.body())]


def unknown_event(sender: Sender, world: World) -> list[Answer]:
    return [sender.sent(world, sender.body(".other"))]


WAYS: dict[Callable[[Sender, World], list[Answer]], tuple[list[int], list[int]]] = {
    # What happens: the answers to a signed webhook, and to a call with an API key.
    right: ([202], [202]),
    wrong_key: ([401], [403]),
    old_key: ([202], [202]),
    changed_body: ([401], [202, 422]),
    repeated: ([202, 200], [202, 202]),
    unknown_event: ([204], [422]),
}


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("sender", SENDERS, ids=lambda sender: sender.name)
def test_every_sender_in_every_way(
    world: World, sender: Sender, way: Callable[[Sender, World], list[Answer]], caplog: pytest.LogCaptureFixture
) -> None:
    expected = WAYS[way][0 if sender.is_signed else 1]

    answers = way(sender, world)

    assert [answer.status for answer in answers] == expected, [answer.text for answer in answers]
    assert len(executions()) == (1 if 202 in expected else 0)
    good = [answer.json["id"] for answer in answers if answer.status in (200, 202)]
    assert len(set(good)) <= 1
    for answer in answers:
        assert not [secret for secret in (NEW, OLD, WRONG) if secret in answer.text + caplog.text]
        assert answer.headers.get("content-type") == _type_of(answer)


def _type_of(answer: Answer) -> str | None:
    return None if answer.status == 204 else "application/json" if answer.status < 400 else "application/problem+json"


def test_an_approved_issue_of_jira_becomes_a_restore_that_says_where_it_comes_from(restoring: World) -> None:
    accepted = JIRA.sent(restoring, JIRA.body())
    (arn,) = executions()
    restoring.wait(arn)

    report = restoring.report(arn.rpartition(":")[2])

    assert accepted.headers["location"] == f"/live/v1/restores/{accepted.json['id']}"
    assert (report["requestedBy"], report["reason"], report["ticket"]["id"]) == (
        "jira for Jane Doe",
        "Restore orders of yesterday",
        "DB-42",
    )
    assert report["permittedBy"] == "rule 4 of access.json lets jira restore orders, orders_restored of orders-prod into orders-prod"
    assert [database["askedName"] for database in report["databases"]] == ["orders_restored"]


def test_a_captured_body_starts_nothing_more_under_another_id_of_a_delivery(world: World) -> None:
    """GitHub doesn't sign its id, so it is nobody's proof of anything."""
    first = GITHUB.sent(world, GITHUB.body())
    headers = {**GITHUB.headers(), **GITHUB.sign(NEW, GITHUB.body(), world.clock()), "X-GitHub-Delivery": "another"}

    again = answered(world, event("POST", GITHUB.path, GITHUB.body().decode(), headers=headers))

    assert (again.status, again.json["id"]) == (200, first.json["id"])
    assert len(executions()) == 1


def test_a_signed_id_with_another_body_is_refused(world: World) -> None:
    STANDARD.sent(world, STANDARD.body())

    other = STANDARD.sent(world, STANDARD.body().replace(b"CHG-7", b"CHG-8"))

    assert (other.status, other.json["type"]) == (422, "urn:dbrestore:problem:IdempotencyKeyReused")


def test_a_repetition_is_known_after_the_mapping_was_changed(world: World, tmp_path: Path) -> None:
    first = GITHUB.sent(world, GITHUB.body())
    (tmp_path / "later").mkdir()
    request = {"target": {"dbInstance": "orders-prod"}, "databases": ["orders"]}
    declare(world, tmp_path / "later", github={"request": request})

    again = GITHUB.sent(world, GITHUB.body())

    assert (again.status, again.json["id"]) == (200, first.json["id"])


@pytest.mark.parametrize("sender", [ZENDESK, STANDARD], ids=lambda sender: sender.name)
@pytest.mark.parametrize(("seconds", "status"), [(-301, 401), (-299, 202), (299, 202), (302, 401)])
def test_a_signed_time_counts_for_five_minutes(world: World, sender: Sender, seconds: int, status: int) -> None:
    signed = sender.sign(NEW, sender.body(), world.clock() + timedelta(seconds=seconds))
    answer = answered(world, event("POST", sender.path, sender.body().decode(), headers={**sender.headers(), **signed}))

    assert answer.status == status, answer.text


def test_a_form_of_github_is_told_how_to_send_json(world: World) -> None:
    body = "payload=%7B%7D"
    headers = {**GITHUB.sign(NEW, body.encode(), world.clock()), "Content-Type": "application/x-www-form-urlencoded"}

    answer = answered(world, event("POST", GITHUB.path, body, headers=headers))

    assert answer.status == 415
    assert "content type application/json" in answer.json["detail"]


def test_bytes_that_came_as_base64_are_the_body(world: World) -> None:
    headers = {**GITHUB.headers(), **GITHUB.sign(NEW, GITHUB.body(), world.clock())}
    sent = {**event("POST", GITHUB.path, "", headers=headers), "body": b64encode(GITHUB.body()).decode(), "isBase64Encoded": True}

    assert answered(world, sent).status == 202


def test_a_hook_that_nobody_declared_is_not_there(world: World) -> None:
    answer = answered(world, event("POST", "/hooks/gitlab", "{}"))

    assert (answer.status, answer.json["type"]) == (404, "urn:dbrestore:problem:HookNotFound")


@pytest.mark.parametrize("sender", SIGNED, ids=lambda sender: sender.name)
def test_without_a_signature_nothing_is_read(world: World, sender: Sender) -> None:
    answer = answered(world, event("POST", sender.path, "{", headers=sender.headers()))

    assert (answer.status, answer.json["type"]) == (401, "urn:dbrestore:problem:SignatureInvalid")
    assert "is missing" in answer.json["detail"]


def test_a_database_that_no_rule_is_for_is_refused(world: World) -> None:
    body = ZENDESK.body().replace(b'"orders"', b'"crm"')

    answer = ZENDESK.sent(world, body)

    assert (answer.status, answer.json["type"]) == (403, "urn:dbrestore:problem:NotPermitted")
    assert "database crm" in answer.json["detail"]
    assert executions() == []


def test_what_is_wrong_with_a_mapped_request_is_told_with_its_places(world: World) -> None:
    answer = ZENDESK.sent(world, ZENDESK.body().replace(b'"orders-prod"', b'["x"]'))

    assert answer.status == 422
    assert [flaw["pointer"] for flaw in answer.json["errors"]] == ["/target/dbInstance"]


def test_however_deep_an_event_is_it_is_no_fault_of_ours(world: World) -> None:
    for depth in (*range(100, 1000, 50), 5_000):
        for place in (b'"orders: Zeilen fehlen"', b'"orders"', b'"35436"'):
            assert ZENDESK.sent(world, ZENDESK.body().replace(place, b"[" * depth + b"]" * depth)).status in (204, 400, 422)
        called = SERVICENOW.sent(world, SERVICENOW.body().replace(b'"RITM0010023"', b"[" * depth + b"]" * depth))
        assert called.status in (400, 422), called.text


@pytest.mark.parametrize("nothing", [b"null", b'""'])
def test_an_event_that_lacks_what_a_restore_needs_is_not_for_us(world: World, nothing: bytes) -> None:
    assert ZENDESK.sent(world, ZENDESK.body().replace(b'"orders"', nothing)).status == 204
    assert executions() == []


def test_what_a_sender_writes_is_data(world: World) -> None:
    body = ZENDESK.body().replace(b'"orders: Zeilen fehlen"', b'"{% target %}"')
    assert ZENDESK.sent(world, body).status == 202
    (arn,) = executions()

    described = boto3.client("stepfunctions").describe_execution(executionArn=arn)

    assert json.loads(described["input"])["reason"] == "{% target %}"


@pytest.mark.parametrize(
    ("title", "status"),
    [
        ('"\\ud800"', 422),
        ('"' + "x" * 17_000 + '"', 422),
        ("7", 422),
        ("[" * 300 + "]" * 300, 422),
        ('"\\u0000\\u0007\\u202e <script>"', 202),
        ('"' + "\N{DROMEDARY CAMEL}" * 4000 + '"', 202),
        ("null", 202),
    ],
    ids=["half", "long", "number", "deep", "unprintable", "camels", "none"],
)
def test_a_reason_may_be_any_text(restoring: World, title: str, status: int) -> None:
    answer = ZENDESK.sent(restoring, ZENDESK.body().replace(b'"orders: Zeilen fehlen"', title.encode()))

    assert answer.status == status, answer.text
    assert len(executions()) == (1 if status == 202 else 0)
    for arn in executions():
        assert restoring.wait(arn)["status"] == "SUCCEEDED"


@pytest.mark.parametrize(
    "text",
    ["dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ==", "  ", "fifteen bytes..", "It's a Secret to Everybody\n"],
)
def test_a_secret_that_anybody_could_know_opens_nothing(
    world: World, tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    arn = boto3.client("secretsmanager").create_secret(Name="weak", SecretString=text)["ARN"]
    (tmp_path / "weak").mkdir()
    declare(world, tmp_path / "weak", zendesk={"secrets": [arn]})
    signed = ZENDESK.sign(text.strip(), ZENDESK.body(), world.clock())

    answer = answered(world, event("POST", ZENDESK.path, ZENDESK.body().decode(), headers={**ZENDESK.headers(), **signed}))

    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    assert executions() == []
    told = answer.text + caplog.text + "".join(capsys.readouterr())
    assert "the secret weak" in caplog.text
    assert not text.strip() or text.strip() not in told


def test_a_secret_that_is_gone_is_our_trouble_unless_the_other_one_fits(world: World) -> None:
    manager = boto3.client("secretsmanager")
    gone = json.loads(Path(world.surroundings().settings.access_configuration or "").read_text())["hooks"][0]["secrets"][1]
    manager.delete_secret(SecretId=gone, ForceDeleteWithoutRecovery=True)

    assert GITHUB.sent(world, GITHUB.body(), OLD).status == 503
    assert GITHUB.sent(world, GITHUB.body(), NEW).status == 202


def test_secrets_are_read_once_in_some_minutes(world: World) -> None:
    GITHUB.sent(world, GITHUB.body(".other"))
    for secret in boto3.client("secretsmanager").list_secrets(MaxResults=100)["SecretList"]:
        boto3.client("secretsmanager").delete_secret(SecretId=secret["ARN"], ForceDeleteWithoutRecovery=True)

    assert GITHUB.sent(world, GITHUB.body(".other")).status == 204


def test_trouble_with_aws_is_answered_so_that_the_sender_comes_again(world: World) -> None:
    world.patch.setenv("LEDGER_TABLE", "no-such-table")

    answer = PAGERDUTY.sent(world, PAGERDUTY.body())

    assert (answer.status, answer.headers["retry-after"]) == (503, "5")


def test_a_body_as_large_as_senders_have_is_read_and_no_larger_one(world: World) -> None:
    body = GITHUB.body(".other")

    assert GITHUB.sent(world, body + b" " * ((256 << 10) - len(body))).status == 204
    assert GITHUB.sent(world, body + b" " * ((256 << 10) - len(body) + 1)).status == 413


def test_signatures_are_compared_in_constant_time() -> None:
    """By the one function for it: nothing in the module that knows signatures compares with == or != but lengths, kinds and forms."""
    tree = ast.parse(Path(secrets.signatures.__file__).read_text())
    (checked,) = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "is_signed"]

    called = {ast.unparse(node.func) for node in ast.walk(checked) if isinstance(node, ast.Call)}

    assert "hmac.compare_digest" in called
    assert [ast.unparse(node) for node in ast.walk(checked) if isinstance(node, ast.Compare)] == []
    # No early end tells which of the signatures, or of the secrets, it was.
    assert len([node for node in ast.walk(checked) if isinstance(node, ast.Return)]) == 1
    assert not [node for node in ast.walk(checked) if isinstance(node, ast.Break)]
    assert called & {"any", "all"} == set()


HEADERS = (
    *("X-Hub-Signature-256", "X-Hub-Signature", "X-PagerDuty-Signature", "X-Zendesk-Webhook-Signature", "webhook-signature"),
    *("X-Zendesk-Webhook-Signature-Timestamp", "webhook-timestamp", "webhook-id", "Content-Type", "X-GitHub-Event", "x-hub-signature"),
)
SIGNATURES = st.one_of(
    st.text(max_size=80),
    st.sampled_from(["sha256=", "v1=", "v1,", "sha1=00", ","]).flatmap(
        lambda mark: st.text("0123456789abcdef=, ", max_size=70).map(mark.__add__)
    ),
)
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=20), st.just("restore"))
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4), max_leaves=8
)
# What a hook of Zendesk's would look at, with anything in its place.
EVENTS = st.fixed_dictionaries(
    {"type": st.just("restore")},
    optional={
        "ticket": st.one_of(VALUES, st.fixed_dictionaries({"id": VALUES, "title": VALUES})),
        "target": VALUES,
        "database": VALUES,
        "name": VALUES,
    },
)
GENERATED = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], derandomize=True
)


@GENERATED
@given(
    sender=st.sampled_from(SIGNED),
    body=st.one_of(st.binary(max_size=200), st.sampled_from(SIGNED).map(lambda sender: sender.body())),
    encoded=st.booleans(),
    headers=st.dictionaries(st.sampled_from(HEADERS), SIGNATURES, max_size=6),
)
def test_nothing_is_started_without_a_right_signature_whatever_comes(
    world: World, sender: Sender, body: bytes, encoded: bool, headers: dict[str, str]
) -> None:
    text = b64encode(body).decode() if encoded else body.decode("utf-8", "surrogateescape")
    sent = {**event("POST", sender.path, "", headers=headers), "body": text, "isBase64Encoded": encoded}

    answer = answered(world, sent)

    assert 400 <= answer.status < 500, answer.text
    assert answer.json["status"] == answer.status
    assert world.calls == []


@GENERATED
@given(value=st.one_of(EVENTS, VALUES), text=st.none() | st.text(max_size=60))
def test_a_signed_event_is_never_a_fault_of_ours_whatever_it_holds(world: World, value: object, text: str | None) -> None:
    """Half characters and all that JSON can hold. Its target is never an instance of this world, so that nothing is restored."""
    body = (json.dumps(value) if text is None else text).encode("utf-8", "replace")

    answer = ZENDESK.sent(world, body)

    assert answer.status in (204, 400, 403, 422), answer.text
