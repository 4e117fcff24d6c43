"""RestoreNativeBackups: rows before the job, a job that says where the backups were staged, and what its result settles."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dbrestore.contract.errors import NotReady, RestoreClosed, WorkerTimedOut
from dbrestore.contract.job import ErrorNote, Job
from dbrestore.contract.sqlserver_errors import NativeTaskFailed
from lambdas.databases.job_rows import job_row
from lambdas.databases.restore_native_backups import restore_native_backups
from lambdas.databases.verify_databases import verify_databases
from lambdas.planning.plan_restore import plan_restore
from lambdas.worker.instance import deploy_worker
from tests.statemachine.engines import SQL_SERVER, SQLSERVER
from tests.statemachine.fake_worker import FakeWorker, leave_unfinished
from tests.statemachine.sources import store_native_point
from tests.statemachine.world import World, execution_arn
from tests.unit.lambdas.databases.test_jobs import cut_off

BUCKET = "dbrestore-staging-g7-123456789012-eu-central-1-an"
REQUEST = SQLSERVER.request("orders", "crm")


def staged(world: World, request: dict[str, Any] = REQUEST) -> dict[str, Any]:
    """A restore whose worker stands and whose backups are staged."""
    state: dict[str, Any] = {"plan": plan_restore({"request": request, "executionArn": execution_arn("restore-1")}, None)}
    staging = {"bucket": BUCKET, "prefix": f"{state['plan']['restoreId']}/", "objects": 1, "bytes": 1}
    return state | {"staging": staging, "worker": world.until_done(deploy_worker, state)}


@pytest.fixture
def native(world: World) -> World:
    return world.use(SQLSERVER)


def states(world: World) -> dict[tuple[str, str], str]:
    """The rows of databases and their tasks."""
    return {(row.kind, row.role): row.state for row in world.ledger().rows("database", "native-task")}


def test_the_job_names_one_object_for_one_file_and_a_prefix_for_stripes(native: World) -> None:
    point = store_native_point(SQL_SERVER, ["crm", "orders"], stripes=2, logs=1)

    native.until_done(restore_native_backups, staged(native, {**REQUEST, "source": {"restorePoint": point.point_id}}))

    (job,) = native.worker.jobs
    restore_id = job.restore_id
    orders, crm = job.native_databases
    assert [(step.kind, step.s3_arn) for step in orders.steps] == [
        ("FULL", f"arn:aws:s3:::{BUCKET}/{restore_id}/1/01-full/s-*"),
        ("LOG", f"arn:aws:s3:::{BUCKET}/{restore_id}/1/02-log/s-01.bak"),
    ]
    assert (orders.asked_name, orders.key_prefix, crm.asked_name, crm.key_prefix) == (
        "orders",
        f"{restore_id}/1/",
        "crm",
        f"{restore_id}/2/",
    )
    sets = {backup.name: backup.backup_sets for backup in point.native_databases}
    assert (orders.last_set, crm.last_set) == (sets["orders"][-1].set_id, sets["crm"][-1].set_id)


def test_the_job_says_all_that_the_worker_needs(native: World) -> None:
    wishes = {"fixUsers": True, "checkDatabase": True}
    state = staged(native, {**REQUEST, "sqlserver": wishes})

    native.until_done(restore_native_backups, state)

    (job,) = native.worker.jobs
    target = state["plan"]["target"]
    assert (job.kind, job.engine, job.databases) == ("restore", "sqlserver", ())
    assert (job.server.host, job.server.port, job.server.secret_arn) == (target["host"], 1433, target["secretArn"])
    assert job.manifest == state["plan"]["source"]["manifest"]
    assert (job.native_options.fix_users, job.native_options.check_database) == (True, True)


def test_the_partition_of_the_target_is_the_partition_of_the_bucket(native: World) -> None:
    state = staged(native)
    state["plan"]["target"]["arn"] = state["plan"]["target"]["arn"].replace("arn:aws:", "arn:aws-cn:")

    native.until_done(restore_native_backups, state)

    assert native.worker.jobs[0].native_databases[0].steps[0].s3_arn.startswith(f"arn:aws-cn:s3:::{BUCKET}/")


def test_the_rows_stand_before_the_worker_is_asked(native: World) -> None:
    found: list[dict[tuple[str, str], str]] = []

    def look(worker: FakeWorker, job: Job, command: Any) -> None:
        found.append(states(native))
        leave_unfinished(worker, job, command)

    native.worker.behaviour["restore"] = look
    with pytest.raises(NotReady, match="finish the job restore"):
        native.invoke(restore_native_backups, staged(native))

    assert found == [{(kind, name): "INTENT" for kind in ("database", "native-task") for name in ("crm", "orders")}]
    assert {row.name for row in native.ledger().rows("native-task")} == {f"{native.ledger().restore_id}/{n}/" for n in (1, 2)}


def test_a_restored_database_is_created_and_its_tasks_are_over(native: World) -> None:
    native.worker.failing["RESTORED crm"] = ErrorNote(name="NativeTransferAborted", message="995")

    told = native.until_done(restore_native_backups, staged(native))

    assert [(d["askedName"], d["status"]) for d in told["databases"]] == [("orders", "RESTORED"), ("crm", "FAILED")]
    assert told["result"].endswith("/jobs/restore/result.json")
    assert states(native) == {
        ("database", "orders"): "CREATED",
        ("native-task", "orders"): "DELETED",
        # Both are looked for again when it is discarded.
        ("database", "crm"): "INTENT",
        ("native-task", "crm"): "INTENT",
    }
    created = {row.role for row in native.ledger().rows("native-task") if row.created_at}
    assert created == {"orders"}


def test_tasks_that_may_go_on_make_a_restored_database_a_failure(native: World) -> None:
    def with_a_task_left(worker: FakeWorker, job: Job, command: Any) -> None:
        done = worker.native.do(job)
        left = tuple(a.model_copy(update={"seen_absent": False}) for a in done.absences)
        worker.write(job, command, done.model_copy(update={"absences": left}))

    native.worker.behaviour["restore"] = with_a_task_left

    with pytest.raises(NativeTaskFailed, match="RDS may still work on 'orders'"):
        native.until_done(restore_native_backups, staged(native))

    assert set(states(native).values()) == {"INTENT"}


def test_a_restore_that_outlives_its_command_goes_on_with_another(native: World) -> None:
    native.worker.behaviour["restore"] = leave_unfinished
    state = staged(native)
    with pytest.raises(NotReady):
        native.invoke(restore_native_backups, state)
    cut_off(native.worker.commands[0])

    for _ in range(3):
        with pytest.raises(NotReady):
            native.invoke(restore_native_backups, state)

    first, second = native.worker.commands
    assert second.parameters == first.parameters
    row = job_row(native.ledger(), "restore")
    assert row is not None
    assert row.command_id == second.command_id


def test_a_restore_that_closes_sends_no_job(native: World) -> None:
    state = staged(native)
    native.ledger().advance("DISCARDING")

    with pytest.raises(RestoreClosed):
        native.invoke(restore_native_backups, state)

    assert native.worker.jobs == []
    assert states(native) == {}


def test_only_what_was_restored_is_verified(native: World) -> None:
    native.worker.failing["RESTORED orders"] = ErrorNote(name="NativeTransferAborted", message="995")
    state = staged(native)
    state["restored"] = native.until_done(restore_native_backups, state)
    native.worker.behaviour["verify"] = leave_unfinished

    with pytest.raises(NotReady, match="finish the job verify"):
        native.invoke(verify_databases, state)

    restore, verify = native.worker.jobs
    assert [d.asked_name for d in verify.native_databases] == ["crm"]
    assert verify.native_databases[0].last_set == restore.native_databases[1].last_set
    assert verify.native_databases[0].key_prefix == restore.native_databases[1].key_prefix


@pytest.mark.parametrize(("minutes", "error"), [(119, NotReady), (121, WorkerTimedOut)])
def test_the_worker_is_waited_for_as_long_as_it_may_run(native: World, minutes: int, error: type[Exception]) -> None:
    native.worker.behaviour["restore"] = leave_unfinished
    state = staged(native, {**REQUEST, "worker": {"maxRunHours": 2}})
    with pytest.raises(NotReady):
        native.invoke(restore_native_backups, state)
    ledger = native.ledger()
    row = ledger.table.get(ledger.restore_id, "JOB#restore")
    assert row is not None
    sent_at = datetime.now(UTC) - timedelta(minutes=minutes)
    ledger.table.write(ledger.table.put({**row, "sentAt": sent_at.isoformat()}))

    with pytest.raises(error, match="job restore"):
        native.invoke(restore_native_backups, state)
