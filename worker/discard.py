"""Unfinished databases go: whatever is still under its temporary name, and the temporary login.

A promoted database has another name and stays.
"""

from collections.abc import Iterator

from worker import temporary_database
from worker.job import Absence, DatabaseJob, DatabaseResult, ErrorNote
from worker.session import Connection, Server


def run(server: Server, databases: tuple[DatabaseJob, ...]) -> Iterator[tuple[DatabaseResult, tuple[Absence, Absence]]]:
    """Drop each, then look again."""
    with server.connect_master() as master:
        for database in databases:
            yield _discard(master, database)


def _discard(master: Connection, database: DatabaseJob) -> tuple[DatabaseResult, tuple[Absence, Absence]]:
    problem = None
    try:
        temporary_database.drop(master, database)
    except Exception as error:  # the next database must be tried all the same
        problem = ErrorNote(name="LeftoversRemain", message=f"{database.temporary_name}: {error}")
    absences = temporary_database.absences(master, database)
    if problem is None and not all(each.seen_absent for each in absences):
        problem = ErrorNote(name="LeftoversRemain", message=f"{database.temporary_name} or its login is still there")
    return (
        DatabaseResult(
            backup_name=database.backup_name, asked_name=database.asked_name, temporary_name=database.temporary_name,
            status="FAILED" if problem else "DISCARDED", error=problem,
        ),
        absences,
    )  # fmt: skip
