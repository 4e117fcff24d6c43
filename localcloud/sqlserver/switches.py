"""What a test can make go wrong on the simulated SQL Server, and what a backup's header doesn't tell.

Invariant: nothing here changes by itself but the counters, which count down to the event and then are None.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from localcloud.sqlserver.databases import Contents
from localcloud.sqlserver.texts import text
from localcloud.tds.engine import Session


@dataclass(frozen=True)
class Failure:
    """Why the next task ends in ERROR; `leaves_database`: after it began, so the database stays RESTORING."""

    line: str
    leaves_database: bool = False


@dataclass(frozen=True)
class Intruder:
    """A database that another person makes: `before` the procedure looks, or after it, before the task starts."""

    name: str
    before: Literal["submit", "start"] = "submit"


@dataclass
class Switches:
    """All off. A poll is a call of rds_task_status: two minutes on the server's clock.

    `percent_per_poll`: how fast tasks run (a multiple of 5). `polls_until_start`: how long a task is CREATED at least.
    """

    percent_per_poll: int = 50
    polls_until_start: int = 1
    stuck_in_created: bool = False
    # Count submits from 1; a submit is a call of rds_restore_database, rds_restore_log or rds_finish_restore.
    drop_before_submit: int | None = None
    drop_after_submit: int | None = None
    # Count polls from 1.
    fail_over_at_poll: int | None = None
    fail_over_forgets_tasks: bool = False
    cancel_at_poll: int | None = None
    failures: deque[Failure] = field(default_factory=deque)
    intruders: list[Intruder] = field(default_factory=list)
    # Names of the logins on which the master user was granted IMPERSONATE.
    impersonable: set[str] = field(default_factory=set)
    # About the backups, for all tasks until switched off.
    source_recovery_model: Literal["FULL", "BULK_LOGGED", "SIMPLE"] = "FULL"
    source_is_trustworthy: bool = False
    source_has_filestream: bool = False
    source_users: tuple[str, ...] = ()
    source_contents: Contents = field(default_factory=Contents)
    source_is_damaged: bool = False
    # Of each data file of a restored database.
    allocated_pages: int | None = None
    certificate_missing: bool = False
    same_file_guids: bool = False
    kms: Literal["", "kms-key-missing", "kms-refused"] = ""
    # Sessions of others, by the name of the database that they are in; each is the name of a program.
    sessions: dict[str, list[str]] = field(default_factory=dict)
    # A read replica is made of the instance.
    has_read_replica: bool = False
    # The master user lost its rights in msdb: a password reset brings them back.
    master_is_misaligned: bool = False
    # What happens meanwhile: around each batch of statements, before a statement, at a login to a database. It may raise what the
    # server says then.
    before_batch: list[Callable[[Session, str], object]] = field(default_factory=list)
    after_batch: list[Callable[[Session, str], object]] = field(default_factory=list)
    before_statement: list[Callable[[object], object]] = field(default_factory=list)
    at_login: list[Callable[[str], object]] = field(default_factory=list)

    def fail_next(self, key: str, *, leaves_database: bool = False, **values: object) -> None:
        """The next task that starts ends in ERROR with this text of the table."""
        self.failures.append(Failure(text(key).line(**values), leaves_database))

    def counted_down(self, name: Literal["drop_before_submit", "drop_after_submit", "fail_over_at_poll", "cancel_at_poll"]) -> bool:
        """Count one event; true at the one that was chosen."""
        left: int | None = getattr(self, name)
        if left is None:
            return False
        setattr(self, name, left - 1 if left > 1 else None)
        return left <= 1
