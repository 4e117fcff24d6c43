"""Whatever fails: every remover runs, the execution ends FAILED with the first error, and the account is as it was."""

from collections.abc import Callable
from typing import Any

import boto3
import pytest

from lambdas import limits
from lambdas.ledger import request_cancel
from lambdas.state import Surroundings
from repository.errors import AwsRefused, ReplayFailed
from tests.statemachine.fake_worker import Behaviour, end_without_result, leave_unfinished, lose_worker
from tests.statemachine.plain_moto import Died
from tests.statemachine.world import INSTANCE, REQUEST, World, execution_arn
from worker.job import ErrorNote, Result

REMOVERS = [
    "DiscardUnfinishedDatabases", "RemoveWorker", "UnpairSecurityGroups", "RemoveStagingBucket", "CloseRestore",
]  # fmt: skip
CREATORS = ["DeployWorker", "PairSecurityGroups", "ReplayDumps", "VerifyDatabases"]


def failing(error: Exception) -> Callable[[], None]:
    """A hook that fails."""

    def fail() -> None:
        raise error

    return fail


def in_order(world: World) -> list[str]:
    """The states as they were first entered."""
    return list(dict.fromkeys(world.calls))


@pytest.mark.parametrize("state", CREATORS)
@pytest.mark.parametrize("when", ["before", "after"])
def test_any_failure_runs_every_remover_and_keeps_the_first_error(world: World, state: str, when: str) -> None:
    before = world.inventory()
    getattr(world, when)[state] = failing(ReplayFailed("broken on purpose"))

    ended = world.run()

    assert (ended["status"], ended["error"]) == ("FAILED", "ReplayFailed")
    assert "broken on purpose" in ended["cause"]
    assert in_order(world)[-5:] == REMOVERS
    kept = ["orders"] if (state, when) == ("VerifyDatabases", "after") else []
    assert world.inventory() == before | {"databases": kept}
    report = world.report()
    assert report["status"] == "FAILED"
    assert report["error"] == {"name": "ReplayFailed", "message": "broken on purpose"}
    assert {row["state"] for row in report["resources"]} <= {"DELETED", "KEPT"}


def test_a_failing_plan_makes_nothing_and_runs_nothing_else(world: World) -> None:
    before = world.inventory()

    ended = world.run({"target": {"dbInstance": "orders-prd"}, "databases": ["orders"]})

    assert (ended["status"], ended["error"]) == ("FAILED", "RestoreRequestInvalid")
    assert world.calls == ["PlanRestore"]
    assert world.inventory() == before


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [(lose_worker, "WorkerLost"), (end_without_result, "WorkerFailed")],
)
@pytest.mark.parametrize("job", ["replay", "verify"])
def test_a_worker_that_dies_leaves_no_database_behind(world: World, job: str, behaviour: Behaviour, error: str) -> None:
    before = world.inventory()
    world.worker.behaviour[job] = behaviour

    ended = world.run()

    assert (ended["status"], ended["error"]) == ("FAILED", error)
    assert world.inventory() == before
    assert [job.kind for job in world.worker.jobs][-1] == "discard"


def test_the_last_words_of_a_crashed_worker_are_in_the_error(world: World) -> None:
    world.worker.behaviour["replay"] = end_without_result

    ended = world.run()

    assert "MemoryError" in ended["cause"]
    assert "exit code 137" in ended["cause"]


def test_a_job_that_never_ends_is_stopped_in_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    before = world.inventory()
    world.worker.behaviour["replay"] = leave_unfinished
    monkeypatch.setattr("lambdas.worker_jobs.datetime", FarFuture)

    ended = world.run()

    assert (ended["status"], ended["error"]) == ("FAILED", "WorkerTimedOut")
    assert world.inventory() == before
    assert world.worker.commands[0].status == "Cancelled"


def test_a_job_that_does_not_stop_costs_the_worker_its_life(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    before = world.inventory()
    world.worker.behaviour["replay"] = leave_unfinished
    world.before["DiscardUnfinishedDatabases"] = lambda: (
        [setattr(c, "status", "InProgress") for c in world.worker.commands[:1]] and None
    )
    monkeypatch.setattr(limits, "JOB_STOPPED_WITHIN", 0)
    monkeypatch.setattr("lambdas.worker_jobs.datetime", FarFuture)

    ended = world.run()

    assert ended["error"] == "WorkerTimedOut"
    assert world.inventory() == before
    # From the report, because moto hands a command to every instance of the Region.
    workers = {row["role"]: row["physicalId"] for row in world.report()["resources"] if row["kind"] == "instance"}
    assert workers.keys() == {"worker", "discard-worker"}
    assert workers["worker"] != workers["discard-worker"]


@pytest.mark.parametrize("when", ["REPLAYED", "PROMOTED"])
def test_the_error_of_the_only_database_is_the_error_of_the_restore(world: World, when: str) -> None:
    before = world.inventory()
    world.worker.failing[f"{when} orders"] = ErrorNote(name="BackupDamaged", message="member 7 is cut")

    ended = world.run()

    assert (ended["status"], ended["error"]) == ("FAILED", "BackupDamaged")
    assert "member 7 is cut" in ended["cause"]
    assert world.inventory() == before


@pytest.mark.parametrize("when", ["REPLAYED", "PROMOTED"])
def test_one_of_two_databases_that_fails_takes_nothing_from_the_other(world: World, when: str) -> None:
    before = world.inventory()
    world.worker.failing[f"{when} crm"] = ErrorNote(name="BackupDamaged", message="member 7 is cut")

    ended = world.run({**REQUEST, "databases": ["orders", "crm"]})

    assert (ended["status"], ended["error"]) == ("FAILED", "SomeDatabasesFailed")
    assert "crm: BackupDamaged: member 7 is cut" in ended["cause"]
    assert world.inventory() == before | {"databases": ["orders"]}
    outcomes = {d["name"]: d["status"] for d in world.report()["databases"]}
    assert outcomes == {"orders": "PROMOTED", "crm": "FAILED"}


def test_a_job_that_could_not_begin_fails_with_its_own_error(world: World) -> None:
    before = world.inventory()

    def refuse(worker: Any, job: Any, command: Any) -> None:
        error = ErrorNote(name="DatabaseExists", message="orders exists already: choose another name")
        worker.write(job, command, Result(kind=job.kind, restore_id=job.restore_id, error=error))

    world.worker.behaviour["replay"] = refuse

    ended = world.run()

    assert (ended["status"], ended["error"]) == ("FAILED", "DatabaseExists")
    assert world.inventory() == before


@pytest.mark.parametrize("remover", [remover for remover in REMOVERS if remover != "RemoveStagingBucket"])
def test_a_remover_that_cannot_finish_stops_no_other_and_the_sweeper_finishes_it(world: World, remover: str) -> None:
    before = world.inventory()
    world.worker.behaviour["verify"] = end_without_result
    world.before[remover] = failing(AwsRefused("denied on purpose"))

    ended = world.run()
    unfinished = world.inventory()
    world.before.clear()
    swept = world.sweep()

    assert ended["error"] == "WorkerFailed", "the first error wins over the leftovers"
    assert in_order(world)[5:10] == REMOVERS
    assert unfinished["unclosed"], "the ledger stays open until everything was seen absent"
    assert [clean_up["status"] for clean_up in swept] == ["SUCCEEDED"]
    assert world.inventory() == before
    assert world.report()["error"]["name"] == "WorkerFailed"


@pytest.mark.parametrize("remover", ["RemoveWorker", "UnpairSecurityGroups", "CloseRestore"])
def test_leftovers_after_a_good_restore_are_a_failure(world: World, remover: str) -> None:
    before = world.inventory()
    world.before[remover] = failing(AwsRefused("denied on purpose"))

    ended = world.run()

    assert (ended["status"], ended["error"]) == ("FAILED", "LeftoversRemain")
    assert "denied on purpose" in ended["cause"]
    world.before.clear()
    world.sweep()
    assert world.inventory() == before | {"databases": ["orders"]}


def test_a_remover_that_could_not_look_is_a_failure_even_if_the_ledger_is_clean(world: World) -> None:
    before = world.inventory()
    world.before["RemoveStagingBucket"] = failing(AwsRefused("denied on purpose"))

    ended = world.run()

    assert (ended["status"], ended["error"]) == ("FAILED", "LeftoversRemain")
    assert world.report()["error"]["name"] == "LeftoversRemain"
    assert world.inventory() == before | {"databases": ["orders"]}


def test_incomplete_clean_up_is_told_and_then_the_end(world: World) -> None:
    world.before["UnpairSecurityGroups"] = failing(AwsRefused("denied on purpose"))
    world.run()

    first = world.events()
    world.before.clear()
    world.sweep()
    last = world.events()

    assert [event["detail-type"] for event in first] == ["Cleanup Incomplete"] * len(first)
    assert first[0]["detail"]["leftovers"]
    assert [event["detail-type"] for event in last] == ["Restore Failed"]


@pytest.mark.parametrize("state", CREATORS + REMOVERS)
def test_a_stopped_execution_is_cleared_up_by_the_sweeper(world: World, state: str) -> None:
    before = world.inventory()

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


def test_a_database_that_was_promoted_just_before_the_stop_is_kept(world: World) -> None:
    before = world.inventory()

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


def test_a_cancelled_restore_stops_at_its_next_step_and_clears_up(world: World) -> None:
    before = world.inventory()
    world.worker.behaviour["replay"] = leave_unfinished
    waited: list[str] = []

    def cancel() -> None:
        waited.append("ReplayDumps")
        if len(waited) == 3:
            request_cancel(Surroundings().table, world.ledger().restore_id)

    world.before["ReplayDumps"] = cancel

    ended = world.run()

    assert (ended["status"], ended["error"]) == ("FAILED", "RestoreCancelled")
    assert world.inventory() == before
    phases = {phase["state"]: phase["status"] for phase in world.report()["phases"]}
    assert phases["ReplayDumps"] == "FAILED"


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


def test_leftovers_after_a_failure_are_told_beside_its_error(world: World) -> None:
    world.worker.behaviour["verify"] = end_without_result
    world.before["UnpairSecurityGroups"] = failing(AwsRefused("denied on purpose"))

    ended = world.run()

    assert ended["error"] == "WorkerFailed"
    report, events = world.report(), world.events()
    assert report["error"]["name"] == "WorkerFailed"
    assert any(leftover.startswith("security-group ") for leftover in report["leftovers"])
    assert {event["detail-type"] for event in events} == {"Cleanup Incomplete"}
    assert events[0]["detail"]["leftovers"] == report["leftovers"]
    assert events[0]["detail"]["error"] == report["error"]


def test_a_deleted_instance_takes_its_unfinished_databases_with_it(world: World) -> None:
    world.worker.behaviour["replay"] = end_without_result

    def delete() -> None:
        if "RemoveWorker" not in world.calls:
            boto3.client("rds").delete_db_instance(DBInstanceIdentifier=INSTANCE, SkipFinalSnapshot=True)

    world.before["DiscardUnfinishedDatabases"] = delete

    ended = world.run()

    assert ended["error"] == "WorkerFailed"
    rows = {row["kind"]: row for row in world.report()["resources"]}
    assert rows["database"]["state"] == "DELETED"
    assert rows["database"]["note"] == "the DB instance itself is gone"
    assert world.meta().status == "CLOSED"


class FarFuture:
    """`datetime` for which every job began long ago."""

    @staticmethod
    def now(zone: Any) -> Any:
        from datetime import datetime, timedelta

        FarFuture.calls += 1
        return datetime.now(zone) + timedelta(days=40 * FarFuture.calls)

    calls = 0
