"""What the functions write into their logs: lines that name their restore, and metrics. Over the world in moto."""

import io
import json
from typing import Any

import pytest

from dbrestore.contract.errors import NotReady, RestoreRequestInvalid
from lambdas.planning.plan_restore import plan_restore
from lambdas.runtime import telemetry
from lambdas.runtime.telemetry import log
from tests.statemachine.world import REQUEST, World, execution_arn
from tests.unit.lambdas.planning.test_plan_restore import with_status


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """The JSON lines that were written so far, in two kinds: log lines and metrics."""
    stream = io.StringIO()
    monkeypatch.setattr(log.registered_handler, "stream", stream)

    def written() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        metrics = [json.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith('{"_aws"')]
        return [json.loads(line) for line in stream.getvalue().splitlines()], metrics

    return written


class Context:
    aws_request_id = "8f507cfc-0000-0000-0000-000000000000"


def test_the_lines_of_a_state_name_its_restore_execution_and_target(world: World, lines: Any) -> None:
    world.run()

    told, _ = lines()
    removed = [line for line in told if line["state"] == "RemoveWorker" and "restoreId" in line]
    assert removed
    for line in removed:
        assert line["restoreId"] == world.ledger().restore_id
        assert line["executionArn"] == line["correlation_id"] == execution_arn("restore-1")
        assert line["target"] == REQUEST["target"]["dbInstance"]
    assert not any("restoreId" in line for line in told if line["state"] == "PlanRestore")


def test_nothing_of_an_earlier_invocation_stands_in_the_lines_of_the_next(lines: Any) -> None:
    telemetry.begin("RemoveWorker", Context())
    telemetry.concerns("r-1", "arn", "shop")
    telemetry.begin("SweepLedger", None)
    log.info("next")

    [line] = lines()[0]
    assert not {"restoreId", "executionArn", "target", "correlation_id", "function_request_id"} & line.keys()


def metric(found: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    assert all(one["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "dbrestore" for one in found)
    return [one for one in found if name in one]


def test_a_restore_is_counted_once_with_its_outcome_and_each_state_with_its_time(world: World, lines: Any) -> None:
    world.run()

    _, metrics = lines()
    [restore] = metric(metrics, "Restores")
    assert (restore["outcome"], restore["engine"], restore["mode"]) == ("SUCCEEDED", "postgres", "restore")
    assert len(metric(metrics, "RestoreSeconds")) == len(metric(metrics, "RestoredBytes")) == 1
    states = {one["state"]: one["outcome"] for one in metric(metrics, "StateSeconds")}
    assert states["ReplayDumps"] == states["RemoveWorker"] == states["CloseRestore"] == "SUCCEEDED"
    assert not metric(metrics, "Leftovers")


def test_a_refusal_is_counted_by_its_error(world: World, lines: Any) -> None:
    request = {**REQUEST, "target": {"dbInstance": "nowhere"}}
    with pytest.raises(RestoreRequestInvalid):
        plan_restore({"request": request, "executionArn": execution_arn("restore-1")}, None)

    [refused] = metric(lines()[1], "Refusals")
    assert refused["error"] == "RestoreRequestInvalid"


def test_waiting_is_no_refusal(world: World, lines: Any) -> None:
    with_status(world, "modifying")
    with pytest.raises(NotReady):
        plan_restore({"request": REQUEST, "executionArn": execution_arn("restore-1")}, None)

    assert metric(lines()[1], "Refusals") == []
