"""What the functions write into their logs: lines that name their restore, and metrics. Over the world in moto."""

import io
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dbrestore.contract.errors import AwsRefused, NotReady, ReplayFailed, RestoreRequestInvalid
from lambdas.planning.plan_restore import plan_restore
from lambdas.runtime import telemetry
from lambdas.runtime.inputs import RemoverInput
from lambdas.runtime.open_restores import request_cancel
from lambdas.runtime.state import Surroundings, handler
from lambdas.runtime.telemetry import log
from tests.statemachine.fake_worker import end_without_result, lose_worker
from tests.statemachine.test_failures import failing
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
    removed = [line for line in told if line["state"] == "RemoveWorker"]
    assert {line["restoreId"] for line in removed} == {world.ledger().restore_id}
    # Before the ledger was read, only the id is known.
    known = [line for line in removed if "executionArn" in line]
    assert known
    for line in known:
        assert line["restoreId"] == world.ledger().restore_id
        assert line["executionArn"] == line["correlation_id"] == execution_arn("restore-1")
        assert line["target"] == REQUEST["target"]["dbInstance"]
    planned = [line for line in told if line["state"] == "PlanRestore"]
    assert planned[-1]["restoreId"] == world.ledger().restore_id


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
    assert not metric(metrics, "Leftovers") + metric(metrics, "FailedRestores") + metric(metrics, "UnexpectedErrors")


def test_what_is_left_behind_is_counted_and_so_is_the_clean_up_that_removes_it(world: World, lines: Any) -> None:
    world.before["RemoveWorker"] = failing(AwsRefused("denied on purpose"))
    world.run()
    assert {one["Leftovers"][0] for one in metric(lines()[1], "Leftovers")} == {len(world.report()["leftovers"])}
    assert world.report()["leftovers"]

    world.before.clear()
    world.sweep()

    _, metrics = lines()
    assert [one["CleanUps"] for one in metric(metrics, "CleanUps")] == [[1]]
    assert not metric(metrics, "Leftovers")
    [restore] = metric(metrics, "Restores")
    assert restore["outcome"] == "FAILED"


def test_a_state_that_fails_and_the_bytes_of_a_restore_are_measured(world: World, lines: Any) -> None:
    world.worker.behaviour["verify"] = end_without_result
    world.run()

    _, metrics = lines()
    states = {one["state"]: one["outcome"] for one in metric(metrics, "StateSeconds")}
    assert (states["ReplayDumps"], states["VerifyDatabases"]) == ("SUCCEEDED", "FAILED")
    del world.worker.behaviour["verify"]
    world.run(name="restore-2")
    [size] = metric(lines()[1], "RestoredBytes")
    assert size["RestoredBytes"] == [sum(one["bytes"] for one in world.report("restore-2")["databases"])] != [0]


def test_a_restore_that_fails_rings_and_one_that_somebody_cancelled_does_not(world: World, lines: Any) -> None:
    world.before["ReplayDumps"] = lambda: request_cancel(world.ledger().table, world.ledger().restore_id)
    world.run()
    assert world.report()["error"]["name"] == "RestoreCancelled"
    assert not metric(lines()[1], "FailedRestores")

    del world.before["ReplayDumps"]
    world.worker.behaviour["replay"] = lose_worker
    world.run(name="restore-2")

    [failed] = metric(lines()[1], "FailedRestores")
    assert failed["FailedRestores"] == [1]
    assert failed["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [[]]


def test_an_error_without_a_name_is_counted_and_a_named_one_is_not(world: World, lines: Any) -> None:
    def broken(error: Exception) -> Any:
        @handler("CheckWorkerConfiguration", RemoverInput)
        def work(section: RemoverInput, surroundings: Surroundings) -> None:
            raise error

        return work

    event = {"plan": {"restoreId": "r-0123456789ab"}}
    for error, counted in [(NotReady("waiting"), []), (ReplayFailed("no"), []), (ZeroDivisionError("a bug"), [[1]])]:
        with pytest.raises(type(error)):
            broken(error)(event, None)
        assert [one["UnexpectedErrors"] for one in metric(lines()[1], "UnexpectedErrors")] == counted


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


OF_DRILLS = ("PassedDrills", "FailedDrills", "SkippedDrills", "DrillsSkippedInARow")


def test_the_dimensions_of_every_metric_are_those_that_operations_md_names(world: World, lines: Any) -> None:
    page = (Path(__file__).parents[4] / "docs" / "operations.md").read_text()
    table = dict(re.findall(r"^\| `(\w+)` \| (?:count|seconds|bytes) \|([^|]*)\|", page, flags=re.M))
    documented = {name: sorted(re.findall(r"`(\w+)`", dimensions)) for name, dimensions in table.items()}
    telemetry.count("Leftovers", 2)
    telemetry.count("CleanUps")
    telemetry.count("Strays", 0)
    for name in ("FailedRestores", "UnexpectedErrors", "EvidenceFailures", "UnsentEvents", *OF_DRILLS):
        telemetry.count(name)
    telemetry.count("Refusals", error="X")
    world.run()

    written = {one["Metrics"][0]["Name"]: one["Dimensions"] for line in lines()[1] for one in line["_aws"]["CloudWatchMetrics"]}
    assert {name: sorted(found[0]) if found else [] for name, found in written.items()} == documented


def test_what_can_not_be_measured_is_logged_and_fails_nothing(lines: Any) -> None:
    telemetry.duration("StateSeconds", datetime(2026, 1, 1), datetime.now(UTC), state="X", outcome="FAILED")
    telemetry.size("RestoredBytes", None)  # type: ignore[arg-type]

    told, metrics = lines()
    assert [line["message"] for line in told] == ["not measured: StateSeconds", "not measured: RestoredBytes"]
    assert metrics == []
