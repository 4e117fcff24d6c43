"""The databases of the simulated server: what `sys.databases` and `sys.database_files` show of them.

Invariant: two names that differ only by case or accent never exist beside each other, because RDS takes none such.
"""

import unicodedata
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from dbrestore.points.sqlserver.header import BackupSet, Lsn
from localcloud.tds.engine import Session, Value

State = Literal["ONLINE", "RESTORING"]

SYSTEM: Final = ("master", "tempdb", "model", "msdb", "rdsadmin")
PAGE: Final = 8192
COLLATION: Final = "SQL_Latin1_General_CP1_CI_AS"
# What SQL Server 2012 and later raise older databases to.
_LOWEST_COMPATIBILITY: Final = 100
_FIRST_USER_DATABASE: Final = 6
_NOTHING_YET: Final = Lsn(0, 0, 0)


@dataclass(frozen=True)
class File:
    """One database file; `size` in pages of 8 KiB."""

    name: str
    physical_name: str
    type_desc: Literal["ROWS", "LOG"]
    size: int


@dataclass
class User:
    """A database user that logs in by a login with the same `sid`: an orphan where the server has none. One `without_login` can only be
    impersonated. `granted` is what it may do in the whole database. `maker` is the session whose open transaction made it."""

    name: str
    sid: bytes
    without_login: bool = False
    granted: set[str] = field(default_factory=set)
    maker: Session | None = None


@dataclass(frozen=True)
class Contents:
    """What a database holds by somebody's word, because nothing here reads it out of a backup: `tables` in schema dbo by name, each with
    its columns and rows; `triggers` of the database with the events that fire them; security `policies`, all enabled."""

    tables: Mapping[str, tuple[tuple[str, ...], Sequence[tuple[Value, ...]]]] = field(default_factory=dict)
    triggers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    policies: tuple[str, ...] = ()


@dataclass
class Database:
    """`full` and `reached` are set while it is RESTORING: the full backup it was begun from and the LSN that was rolled forward to.
    `recovered_to` is the point in time that was asked for and reached."""

    name: str
    database_id: int
    create_date: datetime
    owner: str
    state: State = "ONLINE"
    compatibility_level: int = 150
    is_trustworthy_on: bool = False
    recovery_model: str = "FULL"
    user_access: str = "MULTI_USER"
    files: tuple[File, ...] = ()
    users: list[User] = field(default_factory=list)
    contents: Contents = field(default_factory=Contents)
    full: BackupSet | None = None
    reached: Lsn = _NOTHING_YET
    recovered_to: datetime | None = None
    damaged: bool = False
    was_restored: bool = False
    # "RESTORE always generates a new GUID when you restore a database that does not yet exist" (sys.database_recovery_status).
    guid: uuid.UUID = field(default_factory=uuid.uuid4)

    @property
    def is_system(self) -> bool:
        """Whether it came with the server."""
        return self.name in SYSTEM

    def user(self, name: str) -> User | None:
        """Of those that are no part of every database."""
        return next((one for one in self.users if one.name.casefold() == name.casefold()), None)

    def roll_forward(self, backup_set: BackupSet) -> None:
        """Take over what a restored backup set says."""
        self.was_restored = True
        self.reached = backup_set.last_lsn
        self.compatibility_level = max(_LOWEST_COMPATIBILITY, backup_set.compatibility_level)
        self.files = tuple(_files(self.name, backup_set)) or self.files


class Databases:
    """All of them, found by name."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._all = [Database(name, number, now, "sa") for number, name in enumerate(SYSTEM[:4], start=1)]
        self._all.append(Database("rdsadmin", 5, now, "rdsa"))

    def __iter__(self) -> Iterator[Database]:
        return iter(list(self._all))

    def find(self, name: str) -> Database | None:
        """As the server's collation compares: without case, with accents."""
        return next((one for one in self._all if one.name.casefold() == name.casefold()), None)

    def alike(self, name: str) -> Database | None:
        """As RDS compares names of restored databases: without case and accents."""
        return next((one for one in self._all if folded(one.name) == folded(name)), None)

    def create(self, name: str, now: datetime, owner: str, state: State = "ONLINE") -> Database:
        """A new user database."""
        number = max(_FIRST_USER_DATABASE - 1, *(one.database_id for one in self._all)) + 1
        made = Database(name, number, now, owner, state)
        self._all.append(made)
        return made

    def drop(self, database: Database) -> None:
        """Forget it."""
        self._all.remove(database)


def folded(name: str) -> str:
    """A name without case and accents."""
    apart = unicodedata.normalize("NFKD", name)
    return "".join(letter for letter in apart if not unicodedata.combining(letter)).casefold()


def _files(database: str, backup_set: BackupSet) -> Iterator[File]:
    """RDS puts all files under D:\\rdsdbdata\\DATA and keeps the logical names."""
    for number, file in enumerate(backup_set.database_files, start=1):
        is_log = file.physical_path.lower().endswith(".ldf")
        ending = "ldf" if is_log else "mdf" if number == 1 else "ndf"
        path = f"D:\\rdsdbdata\\DATA\\{database}_{number}.{ending}"
        yield File(file.logical_name, path, "LOG" if is_log else "ROWS", file.size // PAGE)
