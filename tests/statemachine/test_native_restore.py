"""SQL Server through the real definition: what its restores make, and what becomes of it however they end."""

from datetime import timedelta
from typing import Any

import boto3
import pytest

from dbrestore.contract.job import ErrorNote, Job
from dbrestore.contract.things import NATIVE_TASK
from lambdas.runtime.open_restores import request_cancel
from lambdas.runtime.state import Surroundings
from tests.statemachine.engines import SQL_SERVER, SQLSERVER
from tests.statemachine.fake_native import ANOTHERS
from tests.statemachine.fake_worker import FakeWorker, leave_unfinished, lose_worker, read_job
from tests.statemachine.sources import store_native_point
from tests.statemachine.world import World, staged

STEPS = [
    "PlanRestore",
    "DeployWorker",
    "PairSecurityGroups",
    "StageNativeBackups",
    "RestoreNativeBackups",
    "VerifyDatabases",
    "DiscardUnfinishedDatabases",
    "RemoveWorker",
    "UnpairSecurityGroups",
    "RemoveStagingBucket",
    "CloseRestore",
]
BOTH = SQLSERVER.request("orders", "crm")


@pytest.fixture
def native(world: World) -> World:
    """A world with an RDS for SQL Server and backups for it."""
    return world.use(SQLSERVER)


def rows(world: World) -> dict[tuple[str, str], dict[str, Any]]:
    """The report's rows by kind and role."""
    return {(row["kind"], row["role"]): row for row in world.report()["resources"]}


def kinds_of_jobs(world: World) -> list[str]:
    return [job.kind for job in world.worker.jobs]


def without_proof(worker: FakeWorker, job: Job, command: Any) -> None:
    """The worker does its job and can't tell what is left."""
    worker.write(job, command, worker.native.do(job).model_copy(update={"absences": ()}))


def cancel_while_it_verifies(world: World) -> None:
    """Ask the restore to stop when the verification was sent."""
    if world.calls.count("VerifyDatabases") == 2:
        request_cancel(Surroundings().table, world.ledger().restore_id)


def test_a_restore_succeeds_and_leaves_only_the_database(native: World) -> None:
    before = native.inventory()

    ended = native.run()

    assert ended["status"] == "SUCCEEDED", ended
    assert list(dict.fromkeys(native.calls)) == STEPS
    assert native.inventory() == before | {"databases": ["orders"]}
    assert native.meta().status == "CLOSED"


def test_the_report_says_what_was_proven_of_the_database_and_what_not(native: World) -> None:
    native.run()

    files, check = native.report()["proofs"]

    assert files.startswith("Backup files, when they were added: orders: 91 % of its bytes are under a checksum. ")
    assert check.startswith("DBCC CHECKDB was not run, by the configuration (never): ")


def test_the_report_proves_the_absence_of_every_resource(native: World) -> None:
    native.run()

    report = native.report()

    assert {row["kind"] for row in report["resources"]} == {
        "instance",
        "security-group",
        "security-group-rule",
        "group-list-entry",
        "database",
        "native-task",
        "bucket",
        "staged-objects",
    }
    for row in report["resources"]:
        kept = row["kind"] == "database"
        assert row["state"] == ("KEPT" if kept else "DELETED"), row
        assert kept or row["seenAbsentAt"], row
    assert [phase["state"] for phase in report["phases"]] == STEPS
    assert {phase["status"] for phase in report["phases"]} == {"SUCCEEDED"}
    assert [database["status"] for database in report["databases"]] == ["PROMOTED"]
    assert [uri.split("/")[-2] for uri in report["results"]] == ["restore", "verify"]
    assert native.events()[0]["detail"]["databases"] == report["databases"]


def test_every_step_may_be_done_twice(native: World) -> None:
    before = native.inventory()
    native.repeats = 2

    ended = native.run(BOTH)

    assert ended["status"] == "SUCCEEDED", ended
    assert native.inventory() == before | {"databases": ["crm", "orders"]}
    assert kinds_of_jobs(native) == ["restore", "verify"]


def test_what_rds_is_told_lies_where_it_was_staged(native: World) -> None:
    point = store_native_point(SQL_SERVER, ["orders", "crm"], stripes=3, logs=2)
    there: list[str] = []
    native.before["RestoreNativeBackups"] = lambda: there.extend(staged())

    native.run({**BOTH, "source": {"restorePoint": point.point_id}})

    told = [step.s3_arn for database in native.worker.jobs[0].native_databases for step in database.steps]
    assert len(told) == 6
    for arn in told:
        where = arn.removeprefix("arn:aws:s3:::")
        matched = [name for name in there if name.startswith(where.rstrip("*"))]
        assert len(matched) == (3 if "full" in arn else 1)
        assert where.endswith("s-*") == ("full" in arn)
        there = [name for name in there if name not in matched]
    assert there == [], "everything that was staged is restored"


def test_a_point_in_time_goes_with_the_logs_up_to_it(native: World) -> None:
    point = store_native_point(SQL_SERVER, ["orders"], logs=3)
    full, first, second, _ = point.native_databases[0].backup_sets
    moment = first.begun_at + timedelta(hours=12)

    native.run({**SQLSERVER.request(), "sqlserver": {"stopAt": moment.isoformat()}})

    restore, verify = native.worker.jobs
    steps = restore.native_databases[0].steps
    assert first.begun_at < moment < second.begun_at
    assert [(step.kind, step.stop_at) for step in steps] == [("FULL", None), ("LOG", moment), ("LOG", moment)]
    assert {job.native_databases[0].last_set for job in (restore, verify)} == {second.set_id}
    assert full.set_id != second.set_id


def test_two_restores_share_the_bucket_until_both_are_over(native: World) -> None:
    before = native.inventory()
    seen: list[list[str]] = []
    second: list[dict[str, Any]] = []

    def restore_the_other() -> None:
        if not second:
            second.append({})
            seen.append(staged())
            second[0] = native.run(SQLSERVER.request("crm"), name="restore-2")
            seen.append(staged())

    native.before["RestoreNativeBackups"] = restore_the_other

    first = native.run()

    assert (first["status"], second[0]["status"]) == ("SUCCEEDED", "SUCCEEDED")
    assert len(seen[0]) == 1
    assert seen[0] == seen[1], "the first one's object was still there when the second one had ended"
    assert native.inventory() == before | {"databases": ["crm", "orders"]}
    assert "used by r-" in next(r["note"] for r in native.report("restore-2")["resources"] if r["kind"] == "bucket")


def test_a_database_of_somebody_else_under_the_name_stays(native: World) -> None:
    native.worker.databases.add("orders")
    before = native.inventory()

    ended = native.run(BOTH)

    assert (ended["status"], ended["error"]) == ("FAILED", "SomeDatabasesFailed")
    assert "orders: DatabaseExists" in ended["cause"]
    assert native.inventory() == before | {"databases": ["crm", "orders"]}
    row = rows(native)["database", "orders"]
    assert (row["state"], row["note"]) == ("DELETED", ANOTHERS)
    assert rows(native)["database", "crm"]["state"] == "KEPT"


@pytest.mark.parametrize("end", [leave_unfinished, lose_worker])
def test_what_rds_still_restores_is_cancelled_and_dropped(native: World, end: Any) -> None:
    before = native.inventory()
    native.worker.behaviour["restore"] = end
    working: list[str] = []

    def cancel() -> None:
        working.extend(native.inventory()["native tasks"])
        if native.calls.count("RestoreNativeBackups") == 3:
            request_cancel(Surroundings().table, native.ledger().restore_id)

    native.before["RestoreNativeBackups"] = cancel

    ended = native.run(BOTH)

    assert ended["error"] == ("WorkerLost" if end is lose_worker else "RestoreCancelled")
    assert end is lose_worker or working
    assert native.inventory() == before
    discard = native.worker.jobs[-1]
    assert (discard.kind, discard.engine, discard.manifest) == ("discard", "sqlserver", None)
    restore_id = native.ledger().restore_id
    assert [d.key_prefix for d in discard.native_databases] == [f"{restore_id}/1/", f"{restore_id}/2/"]
    assert {row["role"] for row in native.report()["resources"] if row["kind"] == "instance"} == (
        {"worker", "discard-worker"} if end is lose_worker else {"worker"}
    )
    assert rows(native)["native-task", "crm"]["seenAbsentAt"]


def test_a_database_that_failed_verification_is_dropped_by_its_own_number(native: World) -> None:
    native.worker.failing["PROMOTED crm"] = ErrorNote(name="VerificationFailed", message="a file is missing")

    ended = native.run(BOTH)

    assert ended["error"] == "SomeDatabasesFailed"
    discard = native.worker.jobs[-1]
    assert [(d.asked_name, d.key_prefix[-3:]) for d in discard.native_databases] == [("crm", "/2/")]
    assert native.inventory()["databases"] == ["orders"]
    assert {d["name"]: d["status"] for d in native.report()["databases"]} == {"orders": "PROMOTED", "crm": "FAILED"}


def test_a_restored_database_does_not_count_while_rds_may_still_work_on_it(native: World) -> None:
    before = native.inventory()
    native.worker.behaviour["restore"] = without_proof

    ended = native.run()

    assert ended["error"] == "NativeTaskFailed"
    assert kinds_of_jobs(native) == ["restore", "discard"]
    assert native.inventory() == before


def test_a_restored_database_that_was_dropped_again_is_not_told_as_if_it_stood_there(native: World) -> None:
    native.before["VerifyDatabases"] = lambda: request_cancel(Surroundings().table, native.ledger().restore_id)

    ended = native.run()

    assert ended["error"] == "RestoreCancelled"
    assert native.worker.databases == set()
    assert [database["status"] for database in native.report()["databases"]] == ["DISCARDED"]


def test_a_verification_that_ends_while_it_is_to_be_stopped_counts(native: World) -> None:
    native.worker.behaviour["verify"] = leave_unfinished
    native.before["VerifyDatabases"] = lambda: cancel_while_it_verifies(native)
    answer = native.worker._information

    def end_it_first(response: Any) -> str:
        if native.calls[-1] == "DiscardUnfinishedDatabases" and native.worker.commands[-1].status == "InProgress":
            native.worker.do(native.worker.jobs[-1], native.worker.commands[-1])
        return answer(response)

    native.patch.setattr(native.worker, "_information", end_it_first)

    ended = native.run()

    assert ended["error"] == "RestoreCancelled"
    assert kinds_of_jobs(native) == ["restore", "verify"]
    assert native.worker.databases == {"orders"}
    assert rows(native)["database", "orders"]["state"] == "KEPT"


def test_a_verification_that_ends_after_discarding_began_saves_nothing(native: World) -> None:
    before = native.inventory()
    native.worker.behaviour["verify"] = leave_unfinished
    native.before["VerifyDatabases"] = lambda: cancel_while_it_verifies(native)

    def end_verification_late(worker: FakeWorker, job: Job, command: Any) -> None:
        verify = worker.commands[-2]
        worker.do(read_job(verify.parameters["JobUri"][0]), verify)

    def end_discarding() -> None:
        if native.worker.jobs[-1].kind == "discard":
            native.worker.do(native.worker.jobs[-1], native.worker.commands[-1])

    native.worker.behaviour["discard"] = end_verification_late
    native.before["DiscardUnfinishedDatabases"] = end_discarding

    ended = native.run()

    assert ended["error"] == "RestoreCancelled"
    assert native.inventory() == before
    assert rows(native)["database", "orders"]["state"] == "DELETED"
    assert [database["status"] for database in native.report()["databases"]] == ["DISCARDED"]


def test_a_verified_database_is_never_named_to_be_dropped(native: World) -> None:
    native.worker.behaviour["verify"] = without_proof

    def forget_the_proof() -> None:
        ledger = native.ledger()
        if native.calls.count("DiscardUnfinishedDatabases") == 1:
            ledger.intend(NATIVE_TASK, "orders", f"{ledger.restore_id}/1/", again=True)

    native.before["DiscardUnfinishedDatabases"] = forget_the_proof

    ended = native.run()

    assert (ended["status"], ended["error"]) == ("FAILED", "LeftoversRemain")
    assert native.worker.databases == {"orders"}
    assert [d for job in native.worker.jobs if job.kind == "discard" for d in job.native_databases] == []


def test_tasks_that_were_never_asked_for_need_no_worker_to_prove_it(native: World) -> None:
    def lose_the_restore_point() -> None:
        s3 = boto3.client("s3")
        for item in s3.list_objects_v2(Bucket="repository", Prefix=SQL_SERVER)["Contents"]:
            s3.delete_object(Bucket="repository", Key=item["Key"])

    native.before["RestoreNativeBackups"] = lose_the_restore_point

    ended = native.run()

    assert ended["error"] == "RestorePointNotFound"
    assert native.worker.jobs == []
    for kind in ("database", "native-task"):
        row = rows(native)[kind, "orders"]
        assert (row["state"], row["note"], row["seenAbsentAt"]) == ("DELETED", "no job was ever sent to a worker", None)
