"""SQL Server's part of the worker's jobs: each database with its place in the temporary bucket and the backup sets to restore from there.

The key prefix of a database is the same in every job of a restore: by it the worker knows RDS's tasks that are this restore's own.
"""

from collections.abc import Iterable

from dbrestore.contract.job import NativeDatabaseJob, NativeStep
from dbrestore.contract.manifest import Manifest, NativeBackupSet
from dbrestore.contract.plan import Plan, PlannedDatabase
from dbrestore.contract.sections import StagingSection
from dbrestore.points.sqlserver import recovery as native_recovery
from dbrestore.points.sqlserver import staged as native_staging


def key_prefix(plan: Plan, database: PlannedDatabase) -> str:
    """Everything of the database in the temporary bucket."""
    return native_staging.database_prefix(plan.restore_id, _number(plan, database))


def to_restore(plan: Plan, manifest: Manifest, staging: StagingSection) -> tuple[NativeDatabaseJob, ...]:
    """All databases of the plan, with their steps."""
    return tuple(
        _job(plan, database, sets, _steps(plan, database, sets, staging.bucket))
        for database in plan.databases
        for sets in [_sets(plan, manifest, database)]
    )


def to_verify(plan: Plan, manifest: Manifest, databases: Iterable[PlannedDatabase]) -> tuple[NativeDatabaseJob, ...]:
    """What these databases must be like: the last set that was restored says it."""
    return tuple(_job(plan, database, _sets(plan, manifest, database)) for database in databases)


def _job(
    plan: Plan,
    database: PlannedDatabase,
    sets: tuple[NativeBackupSet, ...] = (),
    steps: tuple[NativeStep, ...] = (),
) -> NativeDatabaseJob:
    return NativeDatabaseJob(
        backup_name=database.name,
        asked_name=database.asked_name,
        key_prefix=key_prefix(plan, database),
        steps=steps,
        last_set=sets[-1].set_id if sets else "",
    )


def _steps(
    plan: Plan, database: PlannedDatabase, sets: tuple[NativeBackupSet, ...], bucket: str
) -> tuple[NativeStep, ...]:
    partition, number = plan.target.arn.split(":")[1], _number(plan, database)
    return tuple(
        NativeStep(
            kind=one.kind,
            s3_arn=native_staging.set_arn(
                partition, bucket, plan.restore_id, number, n, one.kind, stripes=len(one.files)
            ),
            # RDS takes it for logs alone, and for all of them: those that end before it are restored whole.
            stop_at=plan.native.stop_at if plan.native and one.kind == "LOG" else None,
        )
        for n, one in enumerate(sets, start=1)
    )


def _sets(plan: Plan, manifest: Manifest, database: PlannedDatabase) -> tuple[NativeBackupSet, ...]:
    backup = next(backup for backup in manifest.native_databases if backup.name == database.name)
    return native_recovery.needed(backup, plan.native.stop_at if plan.native else None)


def _number(plan: Plan, database: PlannedDatabase) -> int:
    return plan.databases.index(database) + 1
