"""The HTTP API over the real flow: what it starts, whom it lets, what it tells, and that a repeated call starts nothing."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from dbrestore.contract.errors import RestoreRequestInvalid
from lambdas.approval import decisions
from lambdas.configuration import access as access_configuration
from lambdas.entrances.api import starting
from lambdas.entrances.api.callers import Caller
from lambdas.entrances.api.starting import Call
from tests.statemachine.api_calls import ACCESS, Answer, call, configure, location
from tests.statemachine.world import World

REQUEST = {"target": {"dbInstance": "orders-prod"}, "databases": [{"name": "orders", "as": "orders_restored"}], "reason": "INC-7"}


@pytest.fixture
def world(world: World, tmp_path: Path) -> Iterator[World]:
    configure(world, tmp_path)
    yield world
    for arn in executions():
        world.wait(arn)


@pytest.fixture
def refusing(world: World) -> World:
    """The same, in which what is started is refused by its plan: for those who don't ask what becomes of it."""

    def refuse() -> None:
        raise RestoreRequestInvalid("/target: nothing is restored here")

    world.before["PlanRestore"] = refuse
    return world


def executions() -> list[str]:
    steps = boto3.client("stepfunctions")
    machine = steps.list_state_machines()["stateMachines"][0]["stateMachineArn"]
    return [one["executionArn"] for one in steps.list_executions(stateMachineArn=machine)["executions"]]


def test_a_ticket_starts_a_restore_and_sees_how_it_ends(world: World) -> None:
    accepted = call(world, "POST", "/v1/restores", REQUEST, key="INC-7")
    assert accepted.status == 202, accepted.text
    assert accepted.headers["location"] == f"/live/v1/restores/{accepted.json['id']}"
    assert accepted.headers["retry-after"] == "30"

    (arn,) = executions()
    world.wait(arn)
    shown = call(world, "GET", location(accepted)).json

    assert (shown["status"], shown["requestedBy"], shown["reason"]) == ("SUCCEEDED", "tickets", "INC-7")
    assert shown["permittedBy"] == "rule 1 of access.json lets tickets restore orders, orders_restored of orders-prod into orders-prod"
    assert world.report(arn.rpartition(":")[2])["permittedBy"] == shown["permittedBy"]
    assert [one["id"] for one in call(world, "GET", "/v1/restores").json["restores"]] == [accepted.json["id"]]
    report = call(world, "GET", shown["links"]["report"])
    assert report.status == 303
    assert f"restores/{shown['id']}/report.html" in report.headers["location"]


def test_the_same_call_again_is_the_same_restore_also_when_it_is_long_over(world: World) -> None:
    first = call(world, "POST", "/v1/restores", REQUEST, key="INC-7")
    world.wait(executions()[0])

    again = call(world, "POST", "/v1/restores", REQUEST, key="INC-7")

    assert (again.status, again.json["id"], again.json["status"]) == (202, first.json["id"], "SUCCEEDED")
    assert len(executions()) == 1


def test_a_key_that_stood_for_another_request_is_refused(refusing: World) -> None:
    call(refusing, "POST", "/v1/restores", REQUEST, key="INC-7")

    other = call(refusing, "POST", "/v1/restores", {**REQUEST, "reason": "INC-8"}, key="INC-7")

    assert (other.status, other.json["type"]) == (422, "urn:dbrestore:problem:IdempotencyKeyReused")
    assert len(executions()) == 1


def test_fifty_equal_calls_at_once_start_one_restore(refusing: World) -> None:
    """Each Lambda answers one call at a time, so what is at once is what lies below the routes."""
    surroundings = refusing.surroundings()
    access = access_configuration.deployed(surroundings.settings.access_configuration)
    call_ = Call(Caller("tickets", "tickets"), "INC-7", access, surroundings)

    with ThreadPoolExecutor(10) as pool:
        accepted = list(pool.map(lambda _: starting.restore(call_, REQUEST), range(50)))

    assert len({one.execution_arn for one in accepted}) == 1
    assert executions() == [accepted[0].execution_arn]
    refusing.wait(executions()[0])


def test_a_restore_that_the_plan_refuses_is_told_as_refused(world: World) -> None:
    accepted = call(world, "POST", "/v1/restores", {**REQUEST, "databases": ["orders_missing"]}, key="INC-7")
    world.wait(executions()[0])

    shown = call(world, "GET", location(accepted)).json

    assert (shown["status"], shown["error"]["name"]) == ("REFUSED", "DatabaseNotInRestorePoint")


def test_a_plan_is_the_answer_and_makes_nothing(world: World) -> None:
    before = world.inventory()

    answer = call(world, "POST", "/v1/plans", REQUEST, key="plan-1")

    assert answer.status == 200, answer.text
    assert [one["askedName"] for one in answer.json["databases"]] == ["orders_restored"]
    assert world.inventory() == before


def test_a_plan_tells_all_that_speaks_against_it_with_its_places(world: World) -> None:
    answer = call(world, "POST", "/v1/plans", {**REQUEST, "databases": ["orders_a", "orders_b"]}, key="plan-1")

    assert (answer.status, answer.json["type"]) == (422, "urn:dbrestore:problem:DatabaseNotInRestorePoint")
    assert [flaw["pointer"] for flaw in answer.json["errors"]] == ["/databases/0/name", "/databases/1/name"]


@pytest.mark.parametrize(
    ("caller", "path", "status"),
    [
        ("tickets", "/v1/restores", 202),
        ("agent", "/oauth/v1/restores", 202),
        ("arn:aws:sts::123456789012:assumed-role/dba/jane", "/iam/v1/restores", 202),
        ("reader", "/v1/restores", 403),
        ("stranger", "/v1/restores", 403),
        ("arn:aws:sts::123456789012:assumed-role/dba-other/jane", "/iam/v1/restores", 403),
        ("arn:aws:sts::210987654321:assumed-role/dba/jane", "/iam/v1/restores", 403),
    ],
)
def test_who_is_let_in_and_who_is_not(refusing: World, caller: str, path: str, status: int) -> None:
    answer = call(refusing, "POST", path, REQUEST, key="INC-7", caller=caller)

    assert answer.status == status, answer.text
    assert len(executions()) == (1 if status == 202 else 0)


def test_a_refusal_says_what_no_rule_is_for(world: World) -> None:
    answer = call(world, "POST", "/v1/restores", {**REQUEST, "databases": ["crm"], "worker": {"streams": 4}}, key="INC-7")

    assert answer.status == 403
    told = "No rule of access.json that lets tickets restore is for the database crm, the key worker: ask the operator of this installation"
    assert answer.json["detail"] == told
    assert executions() == []


def test_what_somebody_may_not_see_is_not_there(world: World) -> None:
    accepted = call(world, "POST", "/v1/restores", REQUEST, key="INC-7").json
    path = f"/v1/restores/{accepted['id']}"

    assert call(world, "GET", path, caller="reader").status == 200
    unseen = call(world, "GET", f"/oauth{path}", caller="agent")
    assert unseen.status == 404
    assert unseen.json == call(world, "GET", "/oauth/v1/restores/r-000000000000", caller="agent").json | {"detail": unseen.json["detail"]}
    assert call(world, "POST", f"{path}/cancel", caller="reader").status == 403


def test_a_restore_is_stopped_by_who_started_it(world: World) -> None:
    reached, goes_on = threading.Event(), threading.Event()
    world.before["DeployWorker"] = lambda: bool(reached.set()) or goes_on.wait(30)
    accepted = call(world, "POST", "/v1/restores", REQUEST, key="INC-7").json
    assert reached.wait(30)

    stopped = call(world, "POST", f"/v1/restores/{accepted['id']}/cancel")
    goes_on.set()

    assert (stopped.status, stopped.json["cancelRequested"]) == (202, True)
    assert world.wait(executions()[0])["error"] == "RestoreCancelled"
    assert call(world, "POST", f"/v1/restores/{accepted['id']}/cancel").json["type"] == "urn:dbrestore:problem:RestoreClosed"


@pytest.mark.parametrize(
    ("body", "status", "kind", "told"),
    [
        ("", 400, "BodyMalformed", "is empty"),
        ("[]", 400, "BodyMalformed", "no object"),
        ('{"a": 1', 400, "BodyMalformed", "is no JSON"),
        ('{"target": 1, "target": 2}', 400, "BodyMalformed", "'target' appears twice"),
        ("[" * 16000, 400, "BodyMalformed", "nested too deeply"),
        ('{"a": NaN}', 400, "BodyMalformed", "NaN"),
        ('{"a": 1e999}', 400, "BodyMalformed", "too large a number"),
        ('{"a": ' + "1" * 5000 + "}", 400, "BodyMalformed", "is no JSON"),
        ('{"a": "' + "x" * 16400 + '"}', 413, "BodyTooLarge", "16,384 at most"),
        ("{}", 422, "RestoreRequestInvalid", "/target: is missing"),
        ('{"target": {"dbInstance": "orders-prod"}, "databases": ["orders"], "mode": "drill"}', 422, "RestoreRequestInvalid", "/mode"),
        (
            '{"target": {"dbInstance": "orders-prod"}, "databases": ["orders"], "permittedBy": "me"}',
            422,
            "RestoreRequestInvalid",
            "/permittedBy",
        ),
    ],
)
def test_a_body_that_can_not_be_meant_is_refused_with_its_place(world: World, body: str, status: int, kind: str, told: str) -> None:
    answer = call(world, "POST", "/v1/restores", body, key="INC-7")

    assert (answer.status, answer.json["type"]) == (status, f"urn:dbrestore:problem:{kind}")
    assert told in answer.json["detail"]
    assert answer.headers["content-type"] == "application/problem+json"
    assert executions() == []


@pytest.mark.parametrize("key", [None, " ", "a b", "x" * 256, "\u00e4"])
def test_a_call_that_starts_something_needs_a_key(world: World, key: str | None) -> None:
    answer = call(world, "POST", "/v1/restores", REQUEST, headers={"Idempotency-Key": key} if key else {})

    assert (answer.status, answer.json["type"]) == (400, "urn:dbrestore:problem:ParameterInvalid")
    assert executions() == []


def test_a_body_of_exactly_the_limit_is_read(refusing: World) -> None:
    text = '{"target": {"dbInstance": "orders-prod"}, "databases": ["orders"]}'

    assert call(refusing, "POST", "/v1/restores", text + " " * (16384 - len(text)), key="INC-7").status == 202


def test_an_answer_without_a_route_is_a_problem_too(world: World) -> None:
    assert call(world, "GET", "/v1/nothing").json["type"] == "urn:dbrestore:problem:RouteNotFound"


def test_pages_follow_each_other(world: World) -> None:
    for n in range(3):
        call(world, "POST", "/v1/restores", {**REQUEST, "databases": [{"name": "orders", "as": f"orders_{n}"}]}, key=f"INC-{n}")
    for arn in executions():
        world.wait(arn)

    first = call(world, "GET", "/v1/restores?limit=2").json
    second = call(world, "GET", f"/v1/restores?limit=2&nextToken={first['nextToken']}").json

    assert [len(first["restores"]), len(second["restores"])] == [2, 1]
    assert second["nextToken"] is None
    assert len({one["id"] for one in (*first["restores"], *second["restores"])}) == 3
    assert call(world, "GET", "/v1/restores?nextToken=abc").status == 400


def test_restore_points_are_listed_for_those_who_may(world: World) -> None:
    assert [one["id"] for one in call(world, "GET", "/v1/points?dbInstance=orders-prod", caller="reader").json["points"]]
    assert call(world, "GET", "/v1/points?dbInstance=orders-prod").status == 403
    assert call(world, "GET", "/v1/points", caller="reader").status == 400


# A second person


@pytest.fixture
def approved_world(world: World, tmp_path: Path) -> World:
    rules = [{**ACCESS["rules"][0], "approval": "second-person", "approvalHours": 8}, *ACCESS["rules"][1:]]
    configure(world, tmp_path, {**ACCESS, "rules": rules})
    return world


DBA_SESSION = "arn:aws:sts::123456789012:assumed-role/dba/jane"


def waiting(world: World, **request: Any) -> Answer:
    """A restore that has begun to wait for a second person."""
    accepted = call(world, "POST", "/v1/restores", {**REQUEST, **request}, key="INC-7")
    path = location(accepted)
    until = time.monotonic() + 30
    while (shown := call(world, "GET", path)).json["status"] != "WAITING_FOR_APPROVAL":
        assert time.monotonic() < until, shown.text
        time.sleep(0.05)
    return shown


def decide(world: World, shown: Answer, decision: str, caller: str = DBA_SESSION, **more: Any) -> Answer:
    return call(world, "POST", f"/iam{shown.json['links']['self']}/approval", {"decision": decision, **more}, caller=caller)


def test_nothing_is_made_before_somebody_else_has_approved_it(approved_world: World) -> None:
    world, before = approved_world, approved_world.inventory()["instances"]
    shown = waiting(world)
    assert "DeployWorker" not in world.calls
    assert world.inventory()["instances"] == before

    answer = decide(world, shown, "approve", reason="seen in INC-7")

    assert answer.status == 200, answer.text
    ended = world.wait(executions()[0])
    assert ended["status"] == "SUCCEEDED"
    told = call(world, "GET", shown.json["links"]["self"]).json["approval"]
    assert (told["decision"], told["by"], told["reason"]) == ("approved", DBA_SESSION.rpartition("/")[0], "seen in INC-7")
    assert world.report(executions()[0].rpartition(":")[2])["approval"]["decision"] == "approved"


def test_a_rejected_restore_ends_with_the_reason_and_leaves_nothing(approved_world: World) -> None:
    shown = waiting(approved_world)

    decide(approved_world, shown, "reject", reason="wrong database")

    ended = approved_world.wait(executions()[0])
    assert ended["error"] == "ApprovalRefused"
    assert "wrong database" in ended["cause"]
    assert "DeployWorker" not in approved_world.calls
    assert decide(approved_world, shown, "approve").json["type"] == "urn:dbrestore:problem:NotWaitingForApproval"


def test_nobody_approves_what_he_asked_for(approved_world: World, tmp_path: Path) -> None:
    everybody = {**ACCESS["rules"][0], "may": ["restore", "approve", "read"], "callers": ["*"], "approval": "second-person"}
    configure(approved_world, tmp_path, {**ACCESS, "rules": [everybody]})
    shown = waiting(approved_world)

    own = call(approved_world, "POST", f"{shown.json['links']['self']}/approval", {"decision": "approve"})

    assert (own.status, own.json["type"]) == (403, "urn:dbrestore:problem:OwnRestore")
    assert call(approved_world, "GET", shown.json["links"]["self"]).json["status"] == "WAITING_FOR_APPROVAL"
    assert decide(approved_world, shown, "reject").status == 200
    approved_world.wait(executions()[0])


def test_two_sessions_of_one_role_are_one_person(approved_world: World, tmp_path: Path) -> None:
    own = {"callers": ["dba"], "may": ["restore", "approve", "read"], "targets": ["*"], "approval": "second-person"}
    configure(approved_world, tmp_path, {**ACCESS, "rules": [own]})
    accepted = call(approved_world, "POST", "/iam/v1/restores", REQUEST, key="INC-7", caller=DBA_SESSION)

    answer = call(
        approved_world,
        "POST",
        f"/iam/v1/restores/{accepted.json['id']}/approval",
        {"decision": "approve"},
        caller=DBA_SESSION.replace("jane", "john"),
    )

    assert (answer.status, answer.json["type"]) == (403, "urn:dbrestore:problem:OwnRestore")
    call(approved_world, "POST", f"/iam/v1/restores/{accepted.json['id']}/cancel", caller=DBA_SESSION)
    approved_world.wait(executions()[0])


def test_who_may_not_approve_can_not(approved_world: World) -> None:
    shown = waiting(approved_world)

    answer = call(approved_world, "POST", f"{shown.json['links']['self']}/approval", {"decision": "approve"}, caller="reader")

    assert (answer.status, answer.json["type"]) == (403, "urn:dbrestore:problem:NotPermitted")
    decide(approved_world, shown, "reject")
    approved_world.wait(executions()[0])


def test_a_restore_that_waits_can_be_stopped(approved_world: World) -> None:
    shown = waiting(approved_world)

    assert call(approved_world, "POST", f"{shown.json['links']['self']}/cancel").status == 202

    assert approved_world.wait(executions()[0])["error"] == "RestoreCancelled"
    assert call(approved_world, "GET", shown.json["links"]["self"]).json["approval"]["decision"] == "withdrawn"


def test_what_nobody_approves_expires(approved_world: World) -> None:
    shown = waiting(approved_world)
    approved_world.clock.let_pass(hours=9)
    late = decide(approved_world, shown, "approve")
    assert late.status == 409

    decisions.wake(boto3.client("stepfunctions"), approved_world.surroundings().table, shown.json["id"])

    assert approved_world.wait(executions()[0])["error"] == "ApprovalExpired"


def test_a_caller_can_not_ask_for_less_than_the_rule_does(approved_world: World) -> None:
    shown = waiting(approved_world, approval={"hours": 100})

    until = datetime.fromisoformat(shown.json["approval"]["until"]) - datetime.fromisoformat(shown.json["beganAt"])

    assert until <= timedelta(hours=8, minutes=5)
    decide(approved_world, shown, "reject")
    approved_world.wait(executions()[0])
