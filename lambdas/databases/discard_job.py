"""The worker's job that drops what is unfinished, made from the anchor and the ledger's own rows alone: it works whatever version planned
the restore, and needs nothing of the restore point, which may be gone by now."""

from collections.abc import Iterable

from dbrestore.contract.anchor import Anchor, AnchoredDatabase, unreadable
from dbrestore.contract.job import DatabaseJob, Job, NativeDatabaseJob
from dbrestore.contract.record import ResourceRow
from dbrestore.contract.things import DATABASE, LOGIN_ROLE, NATIVE_TASK
from dbrestore.points.sqlserver import staged as native_staging
from lambdas.databases.job_documents import database_job, server
from lambdas.runtime.state import Restore


def of(restore: Restore, where: Anchor, rows: Iterable[ResourceRow]) -> Job:
    """Every database of which one of these rows is left. Raises LedgerRowUnreadable."""
    where.require("engine", "target.host", "target.port", "target.secret_arn")
    unfinished = {row.role for row in rows}
    if where.engine == "postgres":
        databases = tuple(_database(restore, where, name) for name in _in_order(where, unfinished))
        return Job(
            kind="discard", restore_id=where.restore_id, engine="postgres", server=server(restore, where),
            databases=databases,
        )  # fmt: skip
    # A verified database bears the name that would be dropped, so whatever else is left of it, it may not be named.
    unfinished -= {row.role for row in restore.ledger.rows(DATABASE) if row.state == "KEPT"}
    natives = tuple(_native(restore, where, name) for name in _in_order(where, unfinished))
    return Job(
        kind="discard", restore_id=where.restore_id, engine="sqlserver", server=server(restore, where),
        native_databases=natives,
    )  # fmt: skip


def _in_order(where: Anchor, unfinished: set[str]) -> list[str]:
    planned = [database.asked_name for database in where.databases]
    return sorted(unfinished, key=lambda name: (planned.index(name) if name in planned else len(planned), name))


def _database(restore: Restore, where: Anchor, name: str) -> DatabaseJob:
    known = _known(where, name)
    if known and known.temporary_name and known.login_role and known.holder_role:
        return database_job(known)
    told = {row.name.rpartition("_")[2]: row.name for row in restore.ledger.rows(LOGIN_ROLE) if row.role == name}
    temporary = [row.name for row in restore.ledger.rows(DATABASE) if row.role == name]
    if not temporary or not {"owner", "holder"} <= told.keys():
        raise unreadable(where.restore_id, [f"/anchor/databases does not tell the names that were made for {name}"])
    return DatabaseJob(
        backup_name=name,
        asked_name=name,
        temporary_name=temporary[0],
        login_role=told["owner"],
        holder_role=told["holder"],
    )


def _native(restore: Restore, where: Anchor, name: str) -> NativeDatabaseJob:
    known = _known(where, name)
    return NativeDatabaseJob(
        backup_name=known.name if known else name, asked_name=name, key_prefix=_key_prefix(restore, where, name)
    )


def _key_prefix(restore: Restore, where: Anchor, name: str) -> str:
    """By it the worker knows RDS's tasks that are this restore's own; its row was written before the first of them."""
    told = [row.name for row in restore.ledger.rows(NATIVE_TASK) if row.role == name]
    if told:
        return told[0]
    numbers = [number for number, known in enumerate(where.databases, start=1) if known.asked_name == name]
    if not numbers:
        raise unreadable(where.restore_id, [f"/anchor/databases does not tell the number of {name}"])
    return native_staging.database_prefix(where.restore_id, numbers[0])


def _known(where: Anchor, name: str) -> AnchoredDatabase | None:
    return next((known for known in where.databases if known.asked_name == name), None)
