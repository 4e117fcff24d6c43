"""Unfinished SQL Server databases go: RDS's tasks of this restore are cancelled and waited for, then what they made is dropped.

Invariants: a database is dropped only if this restore's own tasks made it; when that can't be told it stays, and is told as left.
Nothing is called absent that was not looked for after the last task ended. To discard again does no harm.
"""

import contextlib
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Literal

from repository.errors import DatabaseExists
from worker import limits, native_tasks
from worker.job import Absence, DatabaseResult, ErrorNote, NativeDatabaseJob
from worker.native_messages import error_of_task
from worker.native_session import EngineError, NativeConnection, Row, SqlServer
from worker.native_tasks import Listing, Task
from worker.standing_connection import StandingConnection

Settled = tuple[DatabaseResult, tuple[Absence, Absence]]
Maker = Literal["us", "another", "unclear"]


def run(server: SqlServer, databases: Sequence[NativeDatabaseJob]) -> Iterator[Settled]:
    """Cancel all, then settle one after the other. Raises EngineError, ServerUnreachable and what else keeps the worker from looking."""
    # Whatever is asked here may be asked again after the connection was lost: it looks before it changes anything.
    with StandingConnection(server) as connection:
        began = connection.ask(lambda master: _cancel_all(master, databases))
        for database in databases:
            yield _settle(connection, database, began + timedelta(seconds=limits.NATIVE_CANCEL_SECONDS))


def _cancel_all(master: NativeConnection, databases: Sequence[NativeDatabaseJob]) -> datetime:
    """The server's time at which it was done. A database without a task may get one yet, from a worker that was stopped while it asked
    for one: the next look must not be too early."""
    listing = native_tasks.listing(master)
    own = [own_tasks(listing, database) for database in databases]
    for tasks in own:
        _cancel(master, tasks)
    if not all(own):
        time.sleep(limits.NATIVE_LATE_SUBMISSION_SECONDS)
    return listing.now


def _settle(connection: StandingConnection, database: NativeDatabaseJob, deadline: datetime) -> Settled:
    problem = ""
    try:
        listing = connection.ask(lambda master: _await_end(master, database, deadline))
        if not native_tasks.is_unfinished(own_tasks(listing, database)):
            connection.ask(lambda master: _drop_own(master, database, listing))
    except EngineError as error:  # the next database must be tried all the same
        problem = str(error)
    absences = connection.ask(lambda master: _absences(master, database))
    left = [absence for absence in absences if not absence.seen_absent]
    notes = [absence.note or f"the database {absence.name} is still there" for absence in left]
    message = f"{database.asked_name}: {'; '.join([*notes, *([problem] if problem else [])])}"
    result = DatabaseResult(
        backup_name=database.backup_name, asked_name=database.asked_name, temporary_name=database.asked_name,
        status="FAILED" if left else "DISCARDED", error=ErrorNote(name="LeftoversRemain", message=message) if left else None,
    )  # fmt: skip
    return result, absences


def _await_end(master: NativeConnection, database: NativeDatabaseJob, deadline: datetime) -> Listing:
    """The list in which none of the restore's tasks can do anything any more, or the one at the deadline (the server's clock)."""
    pause = limits.NATIVE_POLL_SECONDS
    while True:
        listing = native_tasks.listing(master)
        own = own_tasks(listing, database)
        if not native_tasks.is_unfinished(own) or listing.now >= deadline:
            return listing
        _cancel(master, own)
        time.sleep(pause)
        pause = min(pause * limits.NATIVE_POLL_GROWTH, limits.NATIVE_LONGEST_POLL_SECONDS)


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
        task for task in listing.tasks
        if task.key.startswith(database.key_prefix)
        or (task.database_name.casefold() == name and not task.task_type.startswith("BACKUP"))
    ]  # fmt: skip


def _drop_own(master: NativeConnection, database: NativeDatabaseJob, listing: Listing) -> None:
    row = _database(master, database)
    if row and maker(row, database, listing) == "us":
        master.run("exec msdb.dbo.rds_drop_database %s", [row["name"]])


def maker(row: Row, database: NativeDatabaseJob, listing: Listing) -> Maker:
    """Who made the database that is there. It is ours if it came into being while a task of ours was at work that did not end because
    the name was taken. If none of ours succeeded, an ONLINE one can hardly be ours, nor one that a restore of others may have made in
    the same time: then it is unclear."""
    own = [task for task in own_tasks(listing, database) if not _met_taken_name(task)]
    if not _at_work(own, row["create_date"]):
        return "another"
    others = [task for task in _of_name(listing, database) if task not in own_tasks(listing, database)]
    rivals = [task for task in others if not _met_taken_name(task) and _at_work([task], row["create_date"])]
    succeeded = [task for task in own if task.lifecycle == "SUCCESS"]
    is_usable = any(not task.task_type.endswith("_NORECOVERY") for task in succeeded)
    if (row["state_desc"] == "ONLINE" and not is_usable) or (rivals and not succeeded):
        return "unclear"
    return "us"


def _at_work(tasks: Sequence[Task], moment: datetime) -> bool:
    """Whether the moment lies between the first one's making and the last one's end."""
    begun = [task.created_at for task in tasks if task.created_at]
    if not begun or moment < min(begun):
        return False
    return native_tasks.is_unfinished(tasks) or moment <= max(task.last_updated or min(begun) for task in tasks)


def _met_taken_name(task: Task) -> bool:
    return task.lifecycle == "ERROR" and isinstance(error_of_task(task), DatabaseExists)


def _database(master: NativeConnection, database: NativeDatabaseJob) -> Row | None:
    rows = master.rows("SELECT name, state_desc, create_date FROM sys.databases WHERE name = %s", [database.asked_name])
    return rows[0] if rows else None


def _absences(master: NativeConnection, database: NativeDatabaseJob) -> tuple[Absence, Absence]:
    """Look whether both are really gone."""
    listing = native_tasks.listing(master)
    unfinished = [task for task in own_tasks(listing, database) if not task.is_over]
    said = ", ".join(f"{task.task_id} ({task.task_type}) is {task.lifecycle}" for task in unfinished)
    tasks = Absence(
        kind="native-task", name=database.key_prefix, seen_absent=not unfinished,
        note=f"RDS's task {said} and did not end in time" if unfinished else None,
    )  # fmt: skip
    return tasks, _database_absence(_database(master, database), database, listing)


def _database_absence(row: Row | None, database: NativeDatabaseJob, listing: Listing) -> Absence:
    found = maker(row, database, listing) if row else None
    note = {
        None: None,
        "us": None,
        "another": "there is a database of this name that this restore did not make: it stays",
        "unclear": (
            f"whether this restore or somebody else made the database {database.asked_name} can't be told: drop it, or rename it if it is "
            "somebody's"
        ),
    }[found]
    return Absence(kind="database", name=database.asked_name, seen_absent=found in (None, "another"), note=note)
