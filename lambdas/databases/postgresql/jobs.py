"""PostgreSQL's part of the worker's jobs: each database with its temporary name and its roles."""

from collections.abc import Iterable

from dbrestore.contract.anchor import Anchor, AnchoredDatabase, unreadable
from dbrestore.contract.job import DatabaseJob, Job, JobKind, PostgresOptions
from dbrestore.contract.plan import Plan, PlannedDatabase
from dbrestore.contract.things import DATABASE, LOGIN_ROLE
from lambdas.databases import job_documents
from lambdas.databases.job_documents import in_order, known
from lambdas.runtime.state import Restore


def job(restore: Restore, plan: Plan, kind: JobKind, databases: Iterable[PlannedDatabase]) -> Job:
    """The job document of one kind for these databases."""
    return job_documents.planned(restore, plan, kind).model_copy(
        update={
            "databases": tuple(_asked(plan, each) for each in databases),
            "postgres": plan.postgres or PostgresOptions(),
            "with_damage": plan.drill is not None and plan.drill.with_damage,
            "pause_seconds": plan.drill.pause_seconds if plan.drill else 0,
        }
    )


def verify(restore: Restore, plan: Plan, databases: Iterable[PlannedDatabase]) -> Job:
    """What compares these databases with the manifest."""
    return job(restore, plan, "verify", databases)


def discard(restore: Restore, where: Anchor, unfinished: set[str]) -> Job:
    """What drops the databases that were asked for under these names. Raises LedgerRowUnreadable."""
    databases = tuple(_anchored(restore, where, name) for name in in_order(where, unfinished))
    return job_documents.discard(restore, where, "postgres").model_copy(update={"databases": databases})


def _anchored(restore: Restore, where: Anchor, name: str) -> DatabaseJob:
    planned = known(where, name)
    if planned and planned.temporary_name and planned.login_role and planned.holder_role:
        return _database(planned)
    told = {row.name.rpartition("_")[2]: row.name for row in restore.ledger.rows(LOGIN_ROLE) if row.role == name}
    temporary = [row.name for row in restore.ledger.rows(DATABASE) if row.role == name]
    if not temporary or not {"owner", "holder"} <= told.keys():
        raise unreadable(where.restore_id, [f"/anchor/databases lacks the names made for {name}"])
    return DatabaseJob(
        backup_name=name,
        asked_name=name,
        temporary_name=temporary[0],
        login_role=told["owner"],
        holder_role=told["holder"],
    )


def _asked(plan: Plan, database: PlannedDatabase) -> DatabaseJob:
    asked = tuple(check for check in plan.checks if check.database == database.name)
    return _database(database).model_copy(update={"asked_checks": asked})


def _database(database: PlannedDatabase | AnchoredDatabase) -> DatabaseJob:
    return DatabaseJob(
        backup_name=database.name,
        asked_name=database.asked_name,
        temporary_name=database.temporary_name,
        login_role=database.login_role,
        holder_role=database.holder_role,
    )
