"""The tasks of RDS for SQL Server: two run at a time, others wait, and their state moves with the server's clock.

Invariant: a task changes only at a poll or by rds_cancel_task, and one that has ended never changes again.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, Protocol

from localcloud.sqlserver.instance import Instance
from localcloud.sqlserver.source import TaskFailed
from localcloud.sqlserver.texts import text

Lifecycle = Literal["CREATED", "IN_PROGRESS", "SUCCESS", "ERROR", "CANCEL_REQUESTED", "CANCELLED"]

SLOTS: Final = 2
_STEP: Final = 5
_WHOLE: Final = 100


class Work(Protocol):
    """What a task does. Each raises TaskFailed."""

    def begin(self, task: "Task") -> None:
        """Look at the backup and make the database."""
        ...

    def proceed(self, task: "Task") -> int:
        """Between two polls: the percentage that was done, a multiple of 5."""
        ...

    def end(self, task: "Task") -> None:
        """Leave the database as asked for."""
        ...


@dataclass
class Task:
    """One task; `log` is what `task_info` shows."""

    id: int
    type: str
    database: str
    arn: str | None
    created_at: datetime
    last_updated: datetime
    work: Work
    submitted_by: str = ""
    kms_key_arn: str | None = None
    lifecycle: Lifecycle = "CREATED"
    percent: int = 0
    polls: int = 0
    files: tuple[str, ...] = ()
    log: list[tuple[datetime, str]] = field(default_factory=list)

    @property
    def has_ended(self) -> bool:
        """Whether it can't change any more."""
        return self.lifecycle in ("SUCCESS", "ERROR", "CANCELLED")

    @property
    def recovers(self) -> bool:
        """Whether its database is usable after it."""
        return not self.type.endswith("_NORECOVERY") and not self.type.startswith("BACKUP")

    @property
    def info(self) -> str:
        """The log in one string, as RDS gives it: each entry after its moment, to the millisecond."""
        return "".join(f" [{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03}] {line} " for at, line in self.log)

    @property
    def minutes(self) -> int:
        """Since it was made."""
        return int((self.last_updated - self.created_at).total_seconds() // 60)

    def note(self, now: datetime, line: str) -> None:
        """Add a line to the log."""
        self.log.append((now, line))
        self.last_updated = now


class Tasks:
    """All tasks of the instance, oldest first."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._all: list[Task] = []
        self._last_id = 0

    @property
    def all(self) -> tuple[Task, ...]:
        """In the order of their ids."""
        return tuple(self._all)

    def find(self, task_id: int) -> Task | None:
        """By id."""
        return next((task for task in self._all if task.id == task_id), None)

    def unfinished(self, database: str) -> list[Task]:
        """Those of a database that still do something."""
        return [task for task in self._all if not task.has_ended and task.database.casefold() == database.casefold()]

    def add(self, type_: str, database: str, arn: str | None, work: Work, user: str, kms_key_arn: str | None = None) -> Task:
        """A new task, CREATED."""
        now = self._instance.clock.now
        self._last_id += 1
        task = Task(self._last_id, type_, database, arn, now, now, work, user, kms_key_arn)
        task.note(now, text("task-created").line())
        self._all.append(task)
        return task

    def cancel(self, task: Task) -> None:
        """Ask for its end; the next poll brings it."""
        task.lifecycle = "CANCEL_REQUESTED"
        task.note(self._instance.clock.now, text("cancel-requested").line())

    def move(self) -> None:
        """Two minutes passed."""
        for task in self._all:
            if task.lifecycle == "CANCEL_REQUESTED":
                self._abort(task, "CANCELLED")
            elif task.lifecycle == "IN_PROGRESS":
                self._proceed(task)
        if self._instance.switches.counted_down("cancel_at_poll"):
            self.cancel_by_another()
        self._start_waiting()

    def cancel_by_another(self) -> None:
        """Somebody else cancels what is under way."""
        for task in self._all:
            if not task.has_ended:
                self._abort(task, "CANCELLED")

    def fail_over(self) -> None:
        """The instance's other half takes over: nothing that ran runs on, and its list of tasks may be empty."""
        self._instance.fail_overs += 1
        for task in self._all:
            if task.lifecycle in ("IN_PROGRESS", "CANCEL_REQUESTED"):
                self._fail(task, text("failover").line())
        if self._instance.switches.fail_over_forgets_tasks:
            self._all.clear()

    def _proceed(self, task: Task) -> None:
        try:
            self._count_up(task, task.work.proceed(task))
            if task.percent == _WHOLE:
                self._end(task)
        except TaskFailed as failure:
            self._fail(task, str(failure))

    def _count_up(self, task: Task, more: int) -> None:
        aim = min(_WHOLE, task.percent + more)
        while task.percent < aim:
            task.percent += _STEP
            task.note(self._instance.clock.now, text("percent").line(percent=task.percent))
        for file in task.files:
            task.note(self._instance.clock.now, text("chunks").line(file=file, percent=task.percent))

    def _end(self, task: Task) -> None:
        task.work.end(task)
        task.lifecycle = "SUCCESS"
        task.note(self._instance.clock.now, text("task-done").line())

    def _start_waiting(self) -> None:
        for task in self._all:
            if task.lifecycle != "CREATED":
                continue
            task.polls += 1
            if self._may_start(task):
                self._start(task)

    def _may_start(self, task: Task) -> bool:
        switches = self._instance.switches
        if switches.stuck_in_created or task.polls < switches.polls_until_start:
            return False
        running = sum(one.lifecycle in ("IN_PROGRESS", "CANCEL_REQUESTED") for one in self._all)
        return running < SLOTS and self.unfinished(task.database)[0] is task

    def _start(self, task: Task) -> None:
        task.lifecycle = "IN_PROGRESS"
        task.note(self._instance.clock.now, text("task-started").line())
        try:
            self._begin(task)
        except TaskFailed as failure:
            self._fail(task, str(failure))

    def _begin(self, task: Task) -> None:
        failures = self._instance.switches.failures
        failure = failures.popleft() if failures else None
        if failure is None or failure.leaves_database:
            task.work.begin(task)
        if failure:
            raise TaskFailed(failure.line)

    def _fail(self, task: Task, cause: str) -> None:
        task.note(self._instance.clock.now, text("task-failed").line())
        self._abort(task, "ERROR")
        task.note(self._instance.clock.now, cause)

    def _abort(self, task: Task, lifecycle: Lifecycle) -> None:
        task.lifecycle = lifecycle
        task.note(self._instance.clock.now, text("task-aborted").line())
