"""SQL Server's part of the worker's jobs: each database with its place in the temporary bucket and the backup sets to restore from there.

The key prefix of a database is the same in every job of a restore: by it the worker knows RDS's tasks that are this restore's own.
"""

from collections.abc import Iterable

from dbrestore.contract.anchor import Anchor, unreadable
from dbrestore.contract.job import Job, JobKind, NativeDatabaseJob, NativeOptions, NativeStep
from dbrestore.contract.manifest import Manifest, NativeBackupSet
from dbrestore.contract.plan import Plan, PlannedDatabase
from dbrestore.contract.sections import StagingSection
from dbrestore.contract.things import DATABASE, NATIVE_TASK
from dbrestore.points.sqlserver import staged as native_staging
from lambdas.databases import job_documents
from lambdas.databases.job_documents import in_order, known
from lambdas.lookup.source import source_manifest
from lambdas.lookup.sqlserver import planned_sets
from lambdas.runtime.state import Restore


def job(restore: Restore, plan: Plan, kind: JobKind, databases: tuple[NativeDatabaseJob, ...] = ()) -> Job:
    """The job document of one kind for these databases."""
    return job_documents.planned(restore, plan, kind).model_copy(update={"native_databases": databases, "native_options": _options(plan)})


def _options(plan: Plan) -> NativeOptions:
    wish = plan.native
    if wish is None:
        return NativeOptions()
    return NativeOptions(fix_users=wish.fix_users, check_database=wish.check_database, stop_at=wish.stop_at)


def key_prefix(plan: Plan, database: PlannedDatabase) -> str:
    """Everything of the database in the temporary bucket."""
    return native_staging.database_prefix(plan.restore_id, _number(plan, database))


def restoration(restore: Restore, plan: Plan, staging: StagingSection) -> Job:
    """What restores all databases of the plan, step by step."""
    manifest = source_manifest(restore, plan)
    return job(restore, plan, "restore", tuple(_stepwise(plan, one, manifest, staging) for one in plan.databases))


def verify(restore: Restore, plan: Plan, databases: Iterable[PlannedDatabase]) -> Job:
    """What these databases must be like: the last set that was restored says it."""
    manifest = source_manifest(restore, plan)
    return job(restore, plan, "verify", tuple(_job(plan, one, planned_sets(manifest, one)) for one in databases))


def discard(restore: Restore, where: Anchor, unfinished: set[str]) -> Job:
    """What cancels the tasks and drops the databases of these names. Raises LedgerRowUnreadable."""
    # A verified database bears the name that would be dropped, so whatever else is left of it, it may not be named.
    unfinished = unfinished - {row.role for row in restore.ledger.rows(DATABASE) if row.state == "KEPT"}
    databases = tuple(_anchored(restore, where, name) for name in in_order(where, unfinished))
    return job_documents.discard(restore, where, "sqlserver").model_copy(update={"native_databases": databases})


def _anchored(restore: Restore, where: Anchor, name: str) -> NativeDatabaseJob:
    planned = known(where, name)
    return NativeDatabaseJob(
        backup_name=planned.name if planned else name,
        asked_name=name,
        key_prefix=_anchored_prefix(restore, where, name),
    )


def _anchored_prefix(restore: Restore, where: Anchor, name: str) -> str:
    """By it the worker knows RDS's tasks that are this restore's own; its row was written before the first of them."""
    told = [row.name for row in restore.ledger.rows(NATIVE_TASK) if row.role == name]
    if told:
        return told[0]
    numbers = [number for number, planned in enumerate(where.databases, start=1) if planned.asked_name == name]
    if not numbers:
        raise unreadable(where.restore_id, [f"/anchor/databases does not tell the number of {name}"])
    return native_staging.database_prefix(where.restore_id, numbers[0])


def _stepwise(plan: Plan, database: PlannedDatabase, manifest: Manifest, staging: StagingSection) -> NativeDatabaseJob:
    sets = planned_sets(manifest, database)
    return _job(plan, database, sets).model_copy(update={"steps": _steps(plan, database, sets, staging.bucket)})


def _job(plan: Plan, database: PlannedDatabase, sets: tuple[NativeBackupSet, ...]) -> NativeDatabaseJob:
    return NativeDatabaseJob(
        backup_name=database.name,
        asked_name=database.asked_name,
        key_prefix=key_prefix(plan, database),
        last_set=sets[-1].set_id,
        asked_checks=tuple(check for check in plan.checks if check.database == database.name),
    )


def _steps(plan: Plan, database: PlannedDatabase, sets: tuple[NativeBackupSet, ...], bucket: str) -> tuple[NativeStep, ...]:
    partition, number = plan.target.arn.split(":")[1], _number(plan, database)
    return tuple(
        NativeStep(
            kind=one.kind,
            s3_arn=native_staging.set_arn(partition, bucket, plan.restore_id, number, n, one.kind, stripes=len(one.files)),
            set_id=one.set_id,
            # RDS takes it for logs alone, and for all of them: those that end before it are restored whole.
            stop_at=plan.native.stop_at if plan.native and one.kind == "LOG" else None,
        )
        for n, one in enumerate(sets, start=1)
    )


def _number(plan: Plan, database: PlannedDatabase) -> int:
    return plan.databases.index(database) + 1
