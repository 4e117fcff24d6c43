"""RDS's tasks of native restores: listed, submitted, cancelled, by the procedures of `msdb`.

Invariant: columns are read by name, because their spelling and order vary. Facts: RDS User Guide, "Native backup and restore".
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from dbrestore.contract.job import NativeStep
from dbrestore.worker.sqlserver.session import NativeConnection, Row, Value

_log = logging.getLogger(__name__)

# The most backup and restore tasks that one instance works on, everybody's together.
SLOTS: Final = 2

_OVER = ("SUCCESS", "ERROR", "CANCELLED")
_IN_FLIGHT = ("CREATED", "IN_PROGRESS", "CANCEL_REQUESTED")


@dataclass(frozen=True)
class Task:
    """One row of rds_task_status. `task_type` is for example RESTORE_DB_NORECOVERY or FINISH_RESTORE (which has no ARN); `percent` of the
    work, in steps of 5; `task_info` a log that grows; `created_at` and `last_updated` on the server's clock."""

    task_id: int
    task_type: str
    database_name: str
    lifecycle: str
    percent: int
    task_info: str
    created_at: datetime | None
    s3_arn: str
    last_updated: datetime | None = None

    @property
    def key(self) -> str:
        """The S3 key or key pattern, without the bucket."""
        return self.s3_arn.partition(":::")[2].partition("/")[2]

    @property
    def is_over(self) -> bool:
        """Nothing more comes of it. A lifecycle that nobody knows is not the end."""
        return self.lifecycle in _OVER

    @property
    def takes_slot(self) -> bool:
        """Whether it is one of those that an instance takes two of at most."""
        return self.lifecycle in _IN_FLIGHT

    @property
    def makes_database(self) -> bool:
        """Whether it restores a full backup: every other task goes onto what is there."""
        return self.task_type in ("RESTORE_DB", "RESTORE_DB_NORECOVERY")

    @property
    def is_running(self) -> bool:
        """Whether RDS works on it now."""
        return self.takes_slot and self.lifecycle != "CREATED"


@dataclass(frozen=True)
class Listing:
    """All tasks of the instance, oldest first, and the server's clock: `now` is UTC, compared only with other readings of it, because the
    tasks' own times may be of another zone."""

    tasks: tuple[Task, ...]
    now: datetime

    def of_prefix(self, key_prefix: str) -> tuple[Task, ...]:
        """Those that restore from below a key prefix: a restore's own, because its prefix bears its id."""
        return tuple(task for task in self.tasks if task.key.startswith(key_prefix))

    def finishing(self, database: str, after: int) -> Task | None:
        """The FINISH_RESTORE task of a database that was submitted after another task."""
        found = [one for one in self.tasks if one.task_type == "FINISH_RESTORE" and one.task_id > after]
        return next((one for one in reversed(found) if one.database_name.casefold() == database.casefold()), None)

    @property
    def running(self) -> int:
        """How many tasks RDS works on now."""
        return sum(task.is_running for task in self.tasks)

    def works_on(self, key_prefix: str) -> bool:
        """Whether RDS works on a task of the prefix now, or on a FINISH_RESTORE: that has no key, so it may be one of them."""
        return any(task.is_running and (task.key.startswith(key_prefix) or task.task_type == "FINISH_RESTORE") for task in self.tasks)

    @property
    def free_slots(self) -> int:
        """How many more tasks RDS would work on."""
        return SLOTS - sum(task.takes_slot for task in self.tasks)


def listing(connection: NativeConnection) -> Listing:
    """Everybody's tasks as they are now."""
    tasks = [_task(row) for row in connection.rows("exec msdb.dbo.rds_task_status")]
    # Not GETDATE: where the server keeps local time, that jumps by an hour twice a year.
    [clock] = connection.rows("SELECT GETUTCDATE() AS server_time")
    for task in tasks:
        if task.lifecycle not in _OVER + _IN_FLIGHT:
            _log.warning("RDS's task %d is %r, which is not known: it is taken for unfinished", task.task_id, task.lifecycle)
    return Listing(tuple(sorted(tasks, key=lambda task: task.task_id)), clock["server_time"])


def submit(connection: NativeConnection, database: str, step: NativeStep | None, *, recover: bool) -> None:
    """Have RDS restore one backup set; without a step, recover a database that is RESTORING. `recover` makes the database usable, and no
    further set can follow. Raises EngineError if RDS refuses; after ConnectionLost the listing tells whether it was submitted."""
    if step is None:
        _execute(connection, "rds_finish_restore", [("db_name", database)])
        return
    arguments: list[tuple[str, Value]] = [
        ("restore_db_name", database),
        ("s3_arn_to_restore_from", step.s3_arn),
        ("with_norecovery", 0 if recover else 1),
    ]
    if step.kind != "LOG":
        _execute(connection, "rds_restore_database", [*arguments, ("type", step.kind)])
        return
    if step.stop_at is not None:
        arguments.append(("stopat", step.stop_at.isoformat(timespec="milliseconds")))
    _execute(connection, "rds_restore_log", arguments)


def cancel(connection: NativeConnection, task: Task) -> None:
    """Ask RDS to stop a task; it is over when the listing says CANCELLED. Raises EngineError, also if it is over already."""
    _execute(connection, "rds_cancel_task", [("task_id", task.task_id)])


def is_unfinished(tasks: Iterable[Task]) -> bool:
    """Whether any of them could still do something."""
    return any(not task.is_over for task in tasks)


def _execute(connection: NativeConnection, procedure: str, arguments: Sequence[tuple[str, Value]]) -> None:
    named = ", ".join(f"@{name}=%s" for name, _ in arguments)
    # Only the names of procedures and parameters above are written into the statement.
    connection.run(f"exec msdb.dbo.{procedure} {named}", [value for _, value in arguments])


def _task(row: Row) -> Task:
    return Task(
        task_id=int(row["task_id"]),
        task_type=_text(row, "task_type"),
        database_name=_text(row, "database_name"),
        lifecycle=_text(row, "lifecycle"),
        percent=int(row.get("%complete") or 0),
        task_info=_text(row, "task_info"),
        created_at=row.get("created_at"),
        s3_arn=_text(row, "s3_object_arn"),
        last_updated=row.get("last_updated"),
    )


def _text(row: Row, name: str) -> str:
    value: Any = row.get(name)
    return "" if value is None else str(value)
