"""A restore that is stopped from outside: aborted, which no Catch sees, or cancelled, which its next step sees."""

from typing import Any

import boto3

from dbrestore.contract.errors import AwsRefused
from lambdas.runtime.open_restores import request_cancel
from lambdas.runtime.state import Surroundings
from tests.statemachine import plain_moto
from tests.statemachine.engines import REMOVERS, Engine, in_each_state, of_both_engines
from tests.statemachine.fake_worker import leave_unfinished
from tests.statemachine.plain_moto import Died
from tests.statemachine.world import World, execution_arn


def cancel_in_call(world: World, state: str, number: int) -> None:
    """Ask the restore to stop when a state is called for the n-th time."""
    if world.calls.count(state) == number:
        request_cancel(Surroundings().table, world.ledger().restore_id)


@in_each_state
def test_a_stopped_execution_is_cleared_up_by_the_sweeper(world: World, engine: Engine, state: str) -> None:
    before = world.use(engine).inventory()

    def stop() -> None:
        boto3.client("stepfunctions").stop_execution(executionArn=execution_arn("restore-1"))
        raise AwsRefused("nobody hears this any more")

    world.before[state] = stop
    ended = world.run()
    world.before.clear()
    swept = world.sweep()

    assert ended["status"] == "ABORTED"
    assert [clean_up["status"] for clean_up in swept] == ["SUCCEEDED"]
    kept = ["orders"] if state in REMOVERS else []
    assert world.inventory() == before | {"databases": kept}
    assert world.sweep() == []


@of_both_engines
def test_a_database_that_was_promoted_just_before_the_stop_is_kept(world: World, engine: Engine) -> None:
    before = world.use(engine).inventory()

    def die_after_the_work(worker: Any, job: Any, command: Any) -> None:
        worker.do(job, command)
        boto3.client("stepfunctions").stop_execution(executionArn=execution_arn("restore-1"))
        raise Died("nobody saw the result")

    world.worker.behaviour["verify"] = die_after_the_work
    world.run()

    world.sweep()

    assert world.inventory() == before | {"databases": ["orders"]}
    rows = {row["kind"]: row for row in world.report()["resources"]}
    assert (rows["database"]["state"], rows["database"]["physicalId"]) == ("KEPT", "orders")
    assert world.report()["databases"][0]["status"] == "PROMOTED"


@of_both_engines
def test_a_cancelled_restore_stops_at_its_next_step_and_clears_up(world: World, engine: Engine) -> None:
    before = world.use(engine).inventory()
    world.worker.behaviour[engine.job] = leave_unfinished
    world.before[engine.restoring] = lambda: cancel_in_call(world, engine.restoring, 3)

    ended = world.run()

    assert (ended["status"], ended["error"]) == ("FAILED", "RestoreCancelled")
    assert world.inventory() == before
    phases = {phase["state"]: phase["status"] for phase in world.report()["phases"]}
    assert phases[engine.restoring] == "FAILED"
    assert [command.status for command in world.worker.commands] == ["Cancelled", "Success"]


def test_a_restore_cancelled_in_its_last_wait_shows_that_state_as_ended(world: World) -> None:
    world.worker.behaviour["verify"] = leave_unfinished

    def cancel_and_break_off() -> None:
        if world.calls.count("VerifyDatabases") > 1:
            request_cancel(Surroundings().table, world.ledger().restore_id)
            raise Died("nobody saw the result")

    world.before["VerifyDatabases"] = cancel_and_break_off

    world.run()

    phases = {phase["state"]: phase for phase in world.report()["phases"]}
    assert phases["VerifyDatabases"]["status"] == "FAILED"
    assert phases["VerifyDatabases"]["error"]["name"] == "RestoreCancelled"
    assert phases["VerifyDatabases"]["endedAt"] == phases["DiscardUnfinishedDatabases"]["startedAt"]


@of_both_engines
def test_a_restore_that_is_stopped_while_it_is_planned_keeps_no_lock(world: World, engine: Engine) -> None:
    before = world.use(engine).inventory()

    def stop_and_go_on() -> None:
        # Nobody hears the function any more, and nothing stops it; the event of the stop woke a sweeper that finds nothing.
        boto3.client("stepfunctions").stop_execution(executionArn=execution_arn("restore-1"))
        assert world.sweep() == []

    world.before["PlanRestore"] = stop_and_go_on
    ended = world.run()
    plain_moto.wait_for_executions()
    world.before.clear()

    assert ended["status"] == "ABORTED"
    assert world.inventory() == before
    assert world.sweep() == []
    assert world.run(name="restore-2")["status"] == "SUCCEEDED"
