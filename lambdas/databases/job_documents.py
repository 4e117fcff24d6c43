"""What the worker's jobs are told, made of the plan; what drops unfinished databases is made without it (lambdas.databases.discard_job)."""

from collections.abc import Iterable

from dbrestore.contract.anchor import AnchoredDatabase, Whereabouts
from dbrestore.contract.job import (
    DatabaseJob,
    DatabaseServer,
    Job,
    JobKind,
    NativeDatabaseJob,
    NativeOptions,
    PostgresOptions,
)
from dbrestore.contract.plan import Plan, PlannedDatabase
from lambdas.runtime.state import Restore


def job(
    restore: Restore,
    plan: Plan,
    kind: JobKind,
    databases: Iterable[PlannedDatabase] = (),
    native_databases: tuple[NativeDatabaseJob, ...] = (),
) -> Job:
    """The job document of one kind for these databases, of PostgreSQL or of SQL Server."""
    return Job(
        kind=kind,
        restore_id=plan.restore_id,
        engine=plan.engine,
        server=server(restore, plan),
        databases=tuple(database_job(database) for database in databases),
        native_databases=native_databases,
        native_options=_native_options(plan),
        postgres=plan.postgres or PostgresOptions(),
        manifest=plan.source.manifest,
        streams=plan.worker.streams,
        keep_toast_compression=plan.worker.keep_toast_compression,
    )


def database_job(database: PlannedDatabase | AnchoredDatabase) -> DatabaseJob:
    """A PostgreSQL database, as a job names it."""
    return DatabaseJob(
        backup_name=database.name,
        asked_name=database.asked_name,
        temporary_name=database.temporary_name,
        login_role=database.login_role,
        holder_role=database.holder_role,
    )


def server(restore: Restore, where: Whereabouts) -> DatabaseServer:
    """The database server, as a job names it."""
    return DatabaseServer(
        host=where.target.host,
        port=where.target.port,
        region=where.target.region,
        secret_arn=where.target.secret_arn,
        ca_bundle=restore.settings.ca_bundle,
    )


def _native_options(plan: Plan) -> NativeOptions:
    wish = plan.native
    if wish is None:
        return NativeOptions()
    return NativeOptions(fix_users=wish.fix_users, check_database=wish.check_database, stop_at=wish.stop_at)
