"""Whatever fails: every remover runs, the execution ends FAILED with the first error, and the account is as it was."""

import re
from collections.abc import Callable
from typing import Any

import boto3
import pytest

from dbrestore.contract import limits
from dbrestore.contract.errors import AwsRefused, ReplayFailed
from dbrestore.contract.job import ErrorNote, Job, Result
from lambdas.databases.job_rows import job_row, save
from tests.statemachine.engines import POSTGRES, REMOVERS, SQLSERVER, Engine, in_each_creator, of, of_both_engines
from tests.statemachine.fake_worker import Behaviour, FakeWorker, end_without_result, find_no_program, leave_unfinished, lose_worker
from tests.statemachine.world import World


def failing(error: Exception) -> Callable[[], None]:
    """A hook that fails."""

    def fail() -> None:
        raise error

    return fail


def status(engine: Engine, when: str) -> str:
    """What a database would be after that step if it did not fail."""
    return engine.made if when == "made" else "PROMOTED"


def in_order(world: World) -> list[str]:
    """The states as they were first entered."""
    return list(dict.fromkeys(world.calls))


@in_each_creator
@pytest.mark.parametrize("when", ["before", "after"])
def test_any_failure_runs_every_remover_and_keeps_the_first_error(world: World, engine: Engine, state: str, when: str) -> None:
    before = world.use(engine).inventory()
    getattr(world, when)[state] = failing(ReplayFailed("broken on purpose"))

    ended = world.run()

    assert (ended["status"], ended["error"]) == ("FAILED", "ReplayFailed")
    assert "broken on purpose" in ended["cause"]
    assert in_order(world)[-5:] == list(REMOVERS)
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


def locked_out(worker: FakeWorker, job: Job, command: Any) -> None:
    """The secret is gone before the worker had its first session."""
    note = ErrorNote(name="CredentialsNotUsable", message="the secret does not exist (any more): put it back, or name another one")
    worker.write(job, command, Result(kind=job.kind, restore_id=job.restore_id, error=note, logged_in=False))


def locked_out_later(worker: FakeWorker, job: Job, command: Any) -> None:
    """The secret goes when databases are there."""
    leave_unfinished(worker, job, command)
    note = ErrorNote(name="CredentialsNotUsable", message="the secret does not exist (any more): put it back, or name another one")
    worker.write(job, command, Result(kind=job.kind, restore_id=job.restore_id, error=note))


@of_both_engines
def test_a_worker_that_never_could_log_in_leaves_nothing_and_none_is_asked_to_look(world: World, engine: Engine) -> None:
    before = world.use(engine).inventory()
    world.worker.behaviour[engine.job] = locked_out

    ended = world.run()

    assert (ended["status"], ended["error"]) == ("FAILED", "CredentialsNotUsable")
    assert world.inventory() == before
    assert [job.kind for job in world.worker.jobs] == [engine.job]
    rows = [row for row in world.report()["resources"] if row["kind"] in ("database", "role", "native-task")]
    assert rows
    assert {(row["state"], row["note"]) for row in rows} == {("DELETED", "no worker ever had a session with the server")}


@of_both_engines
def test_a_worker_that_never_booted_leaves_nothing_and_none_is_asked_to_look(world: World, engine: Engine) -> None:
    before = world.use(engine).inventory()
    world.worker.behaviour[engine.job] = find_no_program
    world.worker.behaviour["discard"] = find_no_program

    ended = world.run()

    assert (ended["status"], ended["error"]) == ("FAILED", "WorkerNotStarted")
    words = r"was not begun on i-\w+: the worker could not boot: s3://evidence/programs/worker.zip could not be fetched; what it said"
    assert re.search(
        rf"The job {engine.job} {words} .* lies in s3://evidence/restores/r-\w+/boot/i-\w+\.log$", world.report()["error"]["message"]
    )
    assert world.inventory() == before
    assert [job.kind for job in world.worker.jobs] == [engine.job]
    rows = [row for row in world.report()["resources"] if row["kind"] in ("database", "role", "native-task")]
    assert rows
    assert {(row["state"], row["note"]) for row in rows} == {("DELETED", "no worker ever had a session with the server")}


def test_a_function_that_dies_before_it_noted_that_costs_one_look(world: World) -> None:
    before = world.inventory()
    world.worker.behaviour = {"replay": find_no_program, "discard": find_no_program}

    def forget() -> None:
        world.before.pop("DiscardUnfinishedDatabases")
        row = job_row(world.ledger(), "replay")
        assert row
        save(world.ledger(), row.model_copy(update={"error": None}))

    world.before["DiscardUnfinishedDatabases"] = forget

    ended = world.run()

    assert (ended["status"], ended["error"]) == ("FAILED", "WorkerNotStarted")
    assert [job.kind for job in world.worker.jobs] == ["replay", "discard"]
    assert world.inventory() == before


def test_one_that_never_booted_after_one_that_worked_says_nothing_of_the_server(world: World) -> None:
    before = world.inventory()
    behaviours = iter((lose_worker, find_no_program))
    world.worker.behaviour["replay"] = lambda *work: next(behaviours)(*work)

    ended = world.run()

    assert (ended["status"], ended["error"]) == ("FAILED", "WorkerNotStarted")
    assert [job.kind for job in world.worker.jobs] == ["replay", "replay", "discard"]
    assert world.inventory() == before


@of_both_engines
def test_a_worker_that_can_no_longer_log_in_is_followed_by_one_that_drops(world: World, engine: Engine) -> None:
    before = world.use(engine).inventory()
    world.worker.behaviour[engine.job] = locked_out_later

    ended = world.run()

    assert (ended["status"], ended["error"]) == ("FAILED", "CredentialsNotUsable")
    assert [job.kind for job in world.worker.jobs][-1] == "discard"
    assert world.inventory() == before


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [(lose_worker, "WorkerLost"), (end_without_result, "WorkerFailed")],
)
@pytest.mark.parametrize("job", ["the first", "verify"])
@of_both_engines
def test_a_worker_that_dies_leaves_no_database_behind(world: World, engine: Engine, job: str, behaviour: Behaviour, error: str) -> None:
    before = world.use(engine).inventory()
    world.worker.behaviour[engine.job if job == "the first" else job] = behaviour

    ended = world.run()

    assert (ended["status"], ended["error"]) == ("FAILED", error)
    assert world.inventory() == before
    assert [job.kind for job in world.worker.jobs][-1] == "discard"


def test_the_last_words_of_a_crashed_worker_are_in_the_error(world: World) -> None:
    world.worker.behaviour["replay"] = end_without_result

    ended = world.run()

    assert "MemoryError" in ended["cause"]
    assert "exit code 137" in ended["cause"]


@of_both_engines
def test_a_job_that_never_ends_is_stopped_in_time(world: World, engine: Engine) -> None:
    before = world.use(engine).inventory()
    world.worker.behaviour[engine.job] = leave_unfinished
    world.before[engine.restoring] = lambda: world.clock.let_pass(days=40)

    ended = world.run()

    assert (ended["status"], ended["error"]) == ("FAILED", "WorkerTimedOut")
    assert world.inventory() == before
    assert world.worker.commands[0].status == "Cancelled"


@of_both_engines
def test_a_job_that_does_not_stop_costs_the_worker_its_life(world: World, engine: Engine) -> None:
    before = world.use(engine).inventory()
    world.worker.behaviour[engine.job] = leave_unfinished

    def goes_on() -> None:
        for command in world.worker.commands[:1]:
            command.status = "InProgress"
        world.clock.let_pass(seconds=limits.JOB_STOPPED_WITHIN + 1)

    world.before["DiscardUnfinishedDatabases"] = goes_on
    world.before[engine.restoring] = lambda: world.clock.let_pass(days=40)

    ended = world.run()

    assert ended["error"] == "WorkerTimedOut"
    assert world.inventory() == before
    # From the report, because moto hands a command to every instance of the Region.
    workers = {row["role"]: row["physicalId"] for row in world.report()["resources"] if row["kind"] == "instance"}
    assert workers.keys() == {"worker", "discard-worker"}
    assert workers["worker"] != workers["discard-worker"]


@pytest.mark.parametrize("when", ["made", "verified"])
@of_both_engines
def test_the_error_of_the_only_database_is_the_error_of_the_restore(world: World, engine: Engine, when: str) -> None:
    before = world.use(engine).inventory()
    world.worker.failing[f"{status(engine, when)} orders"] = ErrorNote(name="BackupDamaged", message="member 7 is cut")

    ended = world.run()

    assert (ended["status"], ended["error"]) == ("FAILED", "BackupDamaged")
    assert "member 7 is cut" in ended["cause"]
    assert world.inventory() == before


@pytest.mark.parametrize("when", ["made", "verified"])
@of_both_engines
def test_one_of_two_databases_that_fails_takes_nothing_from_the_other(world: World, engine: Engine, when: str) -> None:
    before = world.use(engine).inventory()
    world.worker.failing[f"{status(engine, when)} crm"] = ErrorNote(name="BackupDamaged", message="member 7 is cut")

    ended = world.run(engine.request("orders", "crm"))

    assert (ended["status"], ended["error"]) == ("FAILED", "SomeDatabasesFailed")
    assert "crm: BackupDamaged: member 7 is cut" in ended["cause"]
    assert world.inventory() == before | {"databases": ["orders"]}
    outcomes = {d["name"]: d["status"] for d in world.report()["databases"]}
    assert outcomes == {"orders": "PROMOTED", "crm": "FAILED"}


@of_both_engines
def test_a_job_that_could_not_begin_fails_with_its_own_error(world: World, engine: Engine) -> None:
    before = world.use(engine).inventory()

    def refuse(worker: Any, job: Any, command: Any) -> None:
        error = ErrorNote(name="ServerUnreachable", message="orders.example:1433 does not answer")
        worker.write(job, command, Result(kind=job.kind, restore_id=job.restore_id, error=error))

    world.worker.behaviour[engine.job] = refuse

    ended = world.run()

    assert (ended["status"], ended["error"]) == ("FAILED", "ServerUnreachable")
    assert world.inventory() == before


# A restore of PostgreSQL has no temporary bucket, so there is nothing left without its remover.
@pytest.mark.parametrize(
    ("engine", "remover"),
    [of(POSTGRES, r) for r in REMOVERS if r != "RemoveStagingBucket"] + [of(SQLSERVER, r) for r in REMOVERS],
    ids=str,
)
def test_a_remover_that_cannot_finish_stops_no_other_and_the_sweeper_finishes_it(world: World, engine: Engine, remover: str) -> None:
    before = world.use(engine).inventory()
    world.worker.behaviour["verify"] = end_without_result
    world.before[remover] = failing(AwsRefused("denied on purpose"))

    ended = world.run()
    unfinished = world.inventory()
    world.before.clear()
    swept = world.sweep()

    assert ended["error"] == "WorkerFailed", "the first error wins over the leftovers"
    assert [state for state in in_order(world) if state in REMOVERS] == list(REMOVERS)
    assert unfinished["unclosed"], "the ledger stays open until everything was seen absent"
    assert [clean_up["status"] for clean_up in swept] == ["SUCCEEDED"]
    assert world.inventory() == before
    assert world.report()["error"]["name"] == "WorkerFailed"


@pytest.mark.parametrize(
    ("engine", "remover"),
    [
        (POSTGRES, "RemoveWorker"),
        (POSTGRES, "UnpairSecurityGroups"),
        (POSTGRES, "CloseRestore"),
        (SQLSERVER, "RemoveStagingBucket"),
    ],
    ids=str,
)
def test_leftovers_after_a_good_restore_are_a_failure(world: World, engine: Engine, remover: str) -> None:
    before = world.use(engine).inventory()
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


@of_both_engines
def test_a_deleted_instance_takes_its_unfinished_databases_with_it(world: World, engine: Engine) -> None:
    world.use(engine).worker.behaviour[engine.job] = end_without_result

    def delete() -> None:
        if "RemoveWorker" not in world.calls:
            boto3.client("rds").delete_db_instance(DBInstanceIdentifier=engine.instance, SkipFinalSnapshot=True)

    world.before["DiscardUnfinishedDatabases"] = delete

    ended = world.run()

    assert ended["error"] == "WorkerFailed"
    rows = {row["kind"]: row for row in world.report()["resources"]}
    for kind in {"database", "role", "native-task"} & rows.keys():
        assert (rows[kind]["state"], rows[kind]["note"]) == ("DELETED", "the DB instance itself is gone")
    assert "database" in rows
    assert world.meta().status == "CLOSED"
