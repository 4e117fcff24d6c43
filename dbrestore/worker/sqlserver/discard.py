"""Unfinished SQL Server databases go: RDS's tasks of this restore are cancelled and waited for, then what they made is dropped.

Invariants: a database is dropped only if this restore's own tasks made it; when that can't be determined it stays, and is told as left.
Nothing is called absent that was not looked for after the last task ended. To discard again does no harm.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Literal

from dbrestore.contract.errors import DatabaseExists, LeftoversRemain
from dbrestore.contract.job import Absence, DatabaseResult, ErrorNote, NativeDatabaseJob
from dbrestore.worker.base import limits
from dbrestore.worker.base.bounds import Bounds
from dbrestore.worker.sqlserver import tasks as native_tasks
from dbrestore.worker.sqlserver.messages import error_of_task
from dbrestore.worker.sqlserver.session import EngineError, NativeConnection, Row, SqlServer
from dbrestore.worker.sqlserver.standing_connection import StandingConnection
from dbrestore.worker.sqlserver.tasks import Listing, Task

Settled = tuple[DatabaseResult, tuple[Absence, Absence]]
Maker = Literal["us", "another", "unclear"]


def run(server: SqlServer, databases: Sequence[NativeDatabaseJob], has_begun: Callable[[NativeDatabaseJob], bool]) -> Iterator[Settled]:
    """Cancel all, then settle one after the other. `has_begun` says whether the restore may have submitted anything of a database. Raises
    EngineError, ServerUnreachable and what else keeps the worker from looking."""
    # Whatever is asked here may be asked again after the connection was lost: it looks before it changes anything.
    with StandingConnection(server) as connection:
        began = connection.ask(lambda master: _cancel_all(master, databases, server.bounds))
        for database in databases:
            deadline = began + timedelta(seconds=limits.NATIVE_CANCEL_SECONDS)
            yield _settle(connection, database, deadline, has_begun=has_begun(database))


def _cancel_all(master: NativeConnection, databases: Sequence[NativeDatabaseJob], bounds: Bounds) -> datetime:
    """The server's time at which it was done. A database without a task may get one yet, from a worker that was stopped while it asked
    for one: the next look must not be too early."""
    listing = native_tasks.listing(master)
    own = [own_tasks(listing, database) for database in databases]
    for tasks in own:
        _cancel(master, tasks)
    if not all(own):
        time.sleep(bounds.native_late_submission_seconds)
    return listing.now


def _settle(connection: StandingConnection, database: NativeDatabaseJob, deadline: datetime, *, has_begun: bool) -> Settled:
    problem = ""
    try:
        listing = connection.ask(lambda master: _await_end(master, database, deadline, connection.bounds))
        if not native_tasks.is_unfinished(own_tasks(listing, database)):
            connection.ask(lambda master: _drop_own(master, database, listing, has_begun=has_begun))
    except EngineError as error:  # the next database must be tried all the same
        problem = str(error)
    absences = connection.ask(lambda master: _absences(master, database, has_begun=has_begun))
    left = [absence for absence in absences if not absence.seen_absent]
    notes = [absence.note or f"the database {absence.name} is still there" for absence in left]
    message = f"{database.asked_name}: {'; '.join([*notes, *([problem] if problem else [])])}"
    result = DatabaseResult(
        backup_name=database.backup_name,
        asked_name=database.asked_name,
        temporary_name=database.asked_name,
        status="FAILED" if left else "DISCARDED",
        error=ErrorNote.of(LeftoversRemain(message)) if left else None,
    )
    return result, absences


def _await_end(master: NativeConnection, database: NativeDatabaseJob, deadline: datetime, bounds: Bounds) -> Listing:
    """The list in which none of the restore's tasks can do anything any more, or the one at the deadline (the server's clock)."""
    pause = bounds.native_poll_seconds
    while True:
        listing = native_tasks.listing(master)
        own = own_tasks(listing, database)
        if not native_tasks.is_unfinished(own) or listing.now >= deadline:
            return listing
        _cancel(master, own)
        time.sleep(pause)
        pause = min(pause * limits.NATIVE_POLL_GROWTH, bounds.native_longest_poll_seconds)


def _cancel(master: NativeConnection, tasks: Sequence[Task]) -> None:
    """What RDS refuses to cancel may have ended since it was listed: only the list tells whether it did."""
    for task in tasks:
        # FINISH_RESTORE can't be cancelled, only waited for.
        if not task.is_over and task.lifecycle != "CANCEL_REQUESTED" and task.task_type != "FINISH_RESTORE":
            with contextlib.suppress(EngineError):
                native_tasks.cancel(master, task)


def own_tasks(listing: Listing, database: NativeDatabaseJob) -> tuple[Task, ...]:
    """The restore's own by their S3 key, and each FINISH_RESTORE that follows on one of them: it has no key."""
    own: list[Task] = []
    latest: Task | None = None
    for task in _of_name(listing, database):
        if task.task_type == "FINISH_RESTORE":
            own += [task] if latest in own else []
        else:
            latest = task
            own += [task] if task.key.startswith(database.key_prefix) else []
    return tuple(own)


def _of_name(listing: Listing, database: NativeDatabaseJob) -> list[Task]:
    """Restores into the database's name, by anybody, oldest first."""
    name = database.asked_name.casefold()
    return [
        task
        for task in listing.tasks
        if task.key.startswith(database.key_prefix) or (task.database_name.casefold() == name and not task.task_type.startswith("BACKUP"))
    ]


def _drop_own(master: NativeConnection, database: NativeDatabaseJob, listing: Listing, *, has_begun: bool) -> None:
    row = _database(master, database)
    if row and maker(row, database, listing, has_begun=has_begun) == "us":
        master.run("exec msdb.dbo.rds_drop_database %s", [row["name"]])


def maker(row: Row, database: NativeDatabaseJob, listing: Listing, *, has_begun: bool) -> Maker:
    """Who made the database that is there. It is ours if it came into being while the one task of ours that makes a database was at work,
    and no such task of others was. It is another's if this restore never asked for one, or met the taken name. Else it can't be
    determined, once this restore has begun: RDS's list may have been lost in a fail-over, and its times may be of another zone than the
    database's.
    If none of ours succeeded, an ONLINE one can hardly be ours."""
    own = own_tasks(listing, database)
    makers = [task for task in own if task.makes_database]
    if makers and all(map(_met_taken_name, makers)):
        return "another"
    others = [task for task in _of_name(listing, database) if task.makes_database and task not in own]
    if not any(_may_have_made(task, row) for task in makers):
        return "unclear" if has_begun else "another"
    is_usable = any(task.lifecycle == "SUCCESS" and not task.task_type.endswith("_NORECOVERY") for task in own)
    if (row["state_desc"] == "ONLINE" and not is_usable) or any(_may_have_made(task, row) for task in others):
        return "unclear"
    return "us"


def _may_have_made(task: Task, row: Row) -> bool:
    """Whether the task was at work when the database came into being."""
    if _met_taken_name(task) or task.created_at is None or row["create_date"] < task.created_at:
        return False
    return not task.is_over or row["create_date"] <= (task.last_updated or task.created_at)


def _met_taken_name(task: Task) -> bool:
    return task.lifecycle == "ERROR" and isinstance(error_of_task(task), DatabaseExists)


def _database(master: NativeConnection, database: NativeDatabaseJob) -> Row | None:
    rows = master.rows("SELECT name, state_desc, create_date FROM sys.databases WHERE name = %s", [database.asked_name])
    return rows[0] if rows else None


def _absences(master: NativeConnection, database: NativeDatabaseJob, *, has_begun: bool) -> tuple[Absence, Absence]:
    """Look whether both are really gone."""
    listing = native_tasks.listing(master)
    unfinished = [task for task in own_tasks(listing, database) if not task.is_over]
    said = ", ".join(f"{task.task_id} ({task.task_type}) is {task.lifecycle}" for task in unfinished)
    tasks = Absence(
        kind="native-task",
        name=database.key_prefix,
        seen_absent=not unfinished,
        note=f"RDS's task {said} and did not end in time" if unfinished else None,
    )
    row = _database(master, database)
    return tasks, _database_absence(database, maker(row, database, listing, has_begun=has_begun) if row else None)


def _database_absence(database: NativeDatabaseJob, found: Maker | None) -> Absence:
    note = {
        None: None,
        "us": None,
        "another": "there is a database of this name that this restore did not make: it stays",
        "unclear": (
            f"whether this restore or somebody else made the database {database.asked_name} can't be determined: drop it, or rename it "
            "if it is somebody's"
        ),
    }[found]
    return Absence(kind="database", name=database.asked_name, seen_absent=found in (None, "another"), note=note)
