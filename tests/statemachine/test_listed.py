"""`dbrestore list` over the whole definition with the real functions: what it says of a restore in each part of its life."""

import json
import time
from collections.abc import Callable
from typing import Any

import boto3
import pytest

from dbrestore.cli import main
from dbrestore.contract import names
from dbrestore.contract.errors import AwsRefused
from tests.statemachine.engines import Engine, in_each_state, of_both_engines
from tests.statemachine.world import MACHINE_ARN, REGION, World, execution_arn

Lines = Callable[..., list[dict[str, Any]]]
JO = "arn:aws:iam::123456789012:user/jo"


@pytest.fixture
def listed(world: World, capsys: pytest.CaptureFixture[str]) -> Lines:
    parts = {
        "stateMachineArn": MACHINE_ARN,
        "ledgerTable": "ledger",
        "repositoryBucket": "repository",
        "evidenceBucket": "evidence",
    }
    boto3.client("ssm").put_parameter(Name="/dbrestore/control", Value=json.dumps(parts), Type="String")

    def lines(*arguments: str) -> list[dict[str, Any]]:
        assert main.run([*arguments, "--json"]) == 0
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return lines


@of_both_engines
def test_a_restore_is_listed_while_it_runs_and_when_it_is_over(world: World, engine: Engine, listed: Lines) -> None:
    seen: list[dict[str, Any]] = []
    world.use(engine).before[engine.restoring] = lambda: seen.extend(listed("list", "--running"))
    asked = {**engine.request(), "requestedBy": JO, "reason": "OPS-7", "ticket": {"id": "INC-7"}}

    world.run(asked)

    [over] = listed("list")
    report = world.report()
    assert listed("list", "--running") == listed("status") == []
    assert {(line["status"], line["endedAt"]) for line in seen} == {("RUNNING", None)}
    assert (over["status"], over["error"], over["leftovers"], over["unread"]) == ("SUCCEEDED", None, 0, [])
    for key in ("restoreId", "executionArn", "startedAt", "endedAt", "requestedBy", "reason", "ticket"):
        assert over[key] == report[key], key
    assert over["target"] == {"dbInstance": engine.instance, "account": "123456789012", "region": REGION}
    assert [one["askedName"] for one in over["databases"]] == [one["askedName"] for one in report["databases"]]
    assert over["mode"] == "restore"


def test_of_several_restores_the_newest_comes_first_with_its_own_error(world: World, listed: Lines) -> None:
    world.run(name="first")
    world.before["ReplayDumps"] = _refuse
    world.run({**world.engine.request(), "databases": [{"name": "orders", "as": "again"}]}, name="second")
    world.run({"target": {"dbInstance": "no-such-instance"}, "databases": ["orders"]}, name="refused")
    world.run({**world.engine.request(), "mode": "plan"}, name="planned")

    lines = listed("list")

    assert [line["restoreId"] for line in lines] == [names.restore_id(execution_arn(name)) for name in ("second", "first")]
    assert [line["status"] for line in lines] == ["FAILED", "SUCCEEDED"]
    assert lines[0]["error"] == world.report("second")["error"]
    assert lines[0]["error"]["name"] == "AwsRefused"
    assert lines[0]["databases"] == [{"name": "orders", "askedName": "again"}]


def _refuse() -> None:
    raise AwsRefused("no")


@in_each_state
def test_a_stopped_restore_is_listed_as_stopped_until_the_sweeper_cleared_it_up(
    world: World, engine: Engine, state: str, listed: Lines
) -> None:
    def stop() -> None:
        boto3.client("stepfunctions").stop_execution(executionArn=execution_arn("restore-1"))
        raise AwsRefused("nobody hears this any more")

    world.use(engine).before[state] = stop
    world.run()
    world.before.clear()
    stopped = listed("status")
    world.sweep()

    [over] = listed("list")
    assert [line["status"] for line in stopped] == ["STOPPED"]
    assert over["status"] == "FAILED"
    assert over["error"]["name"] == "RestoreFailed"
    assert listed("status") == []


def test_a_restore_that_was_stopped_while_it_was_planned_is_over_at_once(world: World, listed: Lines) -> None:
    def stop() -> None:
        boto3.client("stepfunctions").stop_execution(executionArn=execution_arn("restore-1"))

    world.before["PlanRestore"] = stop
    world.run()
    # The function outlives its execution.
    until = time.monotonic() + 30
    while not (world.ledger().exists() and world.meta().status == "CLOSED") and time.monotonic() < until:
        time.sleep(0.1)

    [over] = listed("list")

    assert (over["status"], over["error"]["name"]) == ("FAILED", "RestoreCancelled")
    assert listed("status") == []


def test_two_ends_of_one_restore_are_one_line_and_the_last_counts(world: World, listed: Lines) -> None:
    world.repeats = 2
    world.run()

    assert [line["status"] for line in listed("list")] == ["SUCCEEDED"]
