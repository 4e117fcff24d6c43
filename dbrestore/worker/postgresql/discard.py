"""Unfinished databases go: whatever is still under its temporary name, the temporary login, and the roles made for it.

A promoted database has another name and stays, with its holder.
"""

from collections.abc import Iterator

from dbrestore.contract.errors import LeftoversRemain
from dbrestore.contract.job import Absence, DatabaseJob, DatabaseResult, DatabaseStatus, ErrorNote
from dbrestore.worker.postgresql import temporary_database
from dbrestore.worker.postgresql.session import Connection, Server


def run(server: Server, databases: tuple[DatabaseJob, ...]) -> Iterator[tuple[DatabaseResult, tuple[Absence, ...]]]:
    """Drop each, then look again."""
    with server.connect_master() as master:
        for database in databases:
            yield _discard(server, master, database)


def _discard(server: Server, master: Connection, database: DatabaseJob) -> tuple[DatabaseResult, tuple[Absence, ...]]:
    problem = None
    try:
        temporary_database.drop(server, master, database)
    except Exception as error:  # the next database must be tried all the same
        problem = ErrorNote.of(LeftoversRemain(f"{database.temporary_name}: {error}"))
    absences = temporary_database.absences(master, database)
    if problem is None and not all(each.seen_absent for each in absences):
        problem = ErrorNote.of(LeftoversRemain(f"{database.temporary_name} or one of its roles is still there"))
    # The holder goes with what it owns: if it stays, a run that died before it could say so had promoted the database.
    promoted = temporary_database.role_exists(master, database.holder_role)
    status: DatabaseStatus = "FAILED" if problem else "PROMOTED" if promoted else "DISCARDED"
    result = DatabaseResult(
        backup_name=database.backup_name,
        asked_name=database.asked_name,
        temporary_name=database.temporary_name,
        status=status,
        error=problem,
    )
    return result, absences
