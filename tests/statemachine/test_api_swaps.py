"""Replacing databases over HTTP: who may, who needs a second person, and exchanges afterwards."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.statemachine.api_calls import ACCESS, Answer, call, configure, location
from tests.statemachine.world import World

REPLACE = {"target": {"dbInstance": "orders-prod"}, "databases": ["orders"], "onConflict": "replace"}
PATTERN: dict[str, Any] = {"callers": ["tickets"], "may": ["plan", "restore", "cancel", "read"], "targets": ["orders-prod"]}


@pytest.fixture
def world(world: World, tmp_path: Path) -> Iterator[World]:
    world.worker.databases.add("orders")
    world.worker.identity("orders")
    yield world
    for arn in executions():
        world.wait(arn)


def executions() -> list[str]:
    steps = boto3.client("stepfunctions")
    machine = steps.list_state_machines()["stateMachines"][0]["stateMachineArn"]
    return [one["executionArn"] for one in steps.list_executions(stateMachineArn=machine)["executions"]]


def allow(world: World, folder: Path, protected: tuple[str, ...] = (), **rule: Any) -> None:
    others = [one for one in ACCESS["rules"] if "dba" in one["callers"]]
    configure(world, folder, {**ACCESS, "rules": [{**PATTERN, **rule}, *others], "protected": list(protected)})


def ended(world: World, answer: Answer) -> dict[str, Any]:
    assert answer.status == 202, answer.text
    for arn in executions():
        world.wait(arn)
    shown: dict[str, Any] = call(world, "GET", location(answer)).json
    return shown


def test_a_rule_that_says_nothing_of_replacing_lets_nobody_replace(world: World, tmp_path: Path) -> None:
    allow(world, tmp_path)

    refused = call(world, "POST", "/v1/restores", REPLACE, key="1")

    assert refused.status == 403
    assert "the key replace" in refused.text
    assert executions() == []


def test_a_restore_replaces_and_an_exchange_turns_it_back_and_drops_nothing(world: World, tmp_path: Path) -> None:
    allow(world, tmp_path, wishes=["replace"])
    was = world.worker.identity("orders")

    first = ended(world, call(world, "POST", "/v1/restores", REPLACE, key="1"))
    assert (first["status"], first["databases"]) == ("SUCCEEDED", [{"name": "orders", "askedName": "orders"}])
    assert world.worker.identity("orders") != was
    undone = ended(world, call(world, "POST", f"{first['links']['self']}/swaps", {"action": "undo", "sessions": "end"}, key="2"))

    assert undone["status"] == "SUCCEEDED"
    assert world.worker.identity("orders") == was
    assert (world.worker.jobs[-1].swaps[0].sessions, undone["requestedBy"]) == ("end", "tickets")
    again = call(world, "POST", f"{first['links']['self']}/swaps", {"action": "undo", "sessions": "end"}, key="2")
    assert again.json["id"] == undone["id"]
    assert len(executions()) == 2


@pytest.mark.parametrize(
    ("rule", "protected", "waits"),
    [
        ({}, (), False),
        ({"approval": "second-person-to-replace"}, (), True),
        ({}, ("orders",), True),
        ({}, ("crm*",), False),
    ],
)
def test_a_second_person_is_asked_where_the_rule_or_a_protected_name_wants_it(
    world: World, tmp_path: Path, rule: dict[str, Any], protected: tuple[str, ...], waits: bool
) -> None:
    allow(world, tmp_path, protected, wishes=["replace"], **rule)
    world.before["AwaitApproval"] = lambda: world.clock.let_pass(hours=25)

    shown = ended(world, call(world, "POST", "/v1/restores", REPLACE, key="1"))

    assert ("AwaitApproval" in world.calls) is waits
    assert shown["status"] == ("FAILED" if waits else "SUCCEEDED")
    copy = {**REPLACE, "onConflict": "fail", "databases": [{"name": "orders", "as": "orders_copy"}]}
    assert ended(world, call(world, "POST", "/v1/restores", copy, key="2"))["status"] == "SUCCEEDED"


def test_an_exchange_of_a_protected_name_waits_too(world: World, tmp_path: Path) -> None:
    allow(world, tmp_path, wishes=["replace"])
    first = ended(world, call(world, "POST", "/v1/restores", REPLACE, key="1"))
    # A file is read once per process.
    (tmp_path / "later").mkdir()
    allow(world, tmp_path / "later", ("orders",), wishes=["replace"])
    world.before["AwaitApproval"] = lambda: world.clock.let_pass(hours=25)

    dropped = ended(world, call(world, "POST", f"{first['links']['self']}/swaps", {"action": "drop"}, key="2"))

    assert dropped["error"]["name"] == "ApprovalExpired"
    assert len(world.worker.databases) == 2


def test_what_is_wrong_with_an_exchange_is_told_with_its_places(world: World, tmp_path: Path) -> None:
    allow(world, tmp_path, wishes=["replace"])
    first = ended(world, call(world, "POST", "/v1/restores", REPLACE, key="1"))

    refused = call(world, "POST", f"{first['links']['self']}/swaps", {"action": "burn", "minutes": 0, "force": True}, key="2")

    assert refused.status == 422
    assert {flaw["pointer"] for flaw in refused.json["errors"]} == {"/action", "/minutes", "/force"}
    assert call(world, "POST", "/v1/restores/r-000000000000/swaps", {"action": "undo"}, key="3").status == 404


def test_a_plan_shows_what_becomes_what(world: World, tmp_path: Path) -> None:
    allow(world, tmp_path, wishes=["replace"])

    shown = call(world, "POST", "/v1/plans", REPLACE, key="1").json

    (one,) = shown["exchanges"]
    assert one["name"] == "orders"
    assert one["keptAs"].startswith("orders_old_")
    assert shown["databases"][0]["askedName"] == one["restoredAs"]
