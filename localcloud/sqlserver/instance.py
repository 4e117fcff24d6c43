"""What the parts of the simulated server share: its settings, its clock, its databases and logins."""

import hashlib
import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal

from localcloud.sqlserver.databases import Database, Databases
from localcloud.sqlserver.history import History
from localcloud.sqlserver.source import S3Reader
from localcloud.sqlserver.switches import Switches

Edition = Literal["se", "ee", "ex", "web"]
OptionState = Literal["in-sync", "applying", "missing"]

POLL: Final = timedelta(minutes=2)
_PAGE: Final = 8192


class ServerClock:
    """The server's own time, UTC: moves a second with each statement, two minutes with each poll and as long as a script waits; nobody
    sleeps."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self._waited = timedelta()

    def tick(self) -> None:
        """A statement ran."""
        self.now += timedelta(seconds=1)

    def poll(self) -> None:
        """Somebody asked for the tasks' status, which RDS brings up to date every two minutes."""
        self.now += POLL

    def wait(self, delay: timedelta) -> int:
        """Somebody waits in a script; how many times RDS brought its tasks up to date meanwhile."""
        before = self._waited // POLL
        self._waited += delay
        self.now += delay
        return self._waited // POLL - before


@dataclass
class Login:
    """A login of the server. Its sid is made from its name, so it isn't that of the server a backup comes from."""

    name: str
    password: str

    @property
    def sid(self) -> bytes:
        """16 bytes, as of a SQL login."""
        return hashlib.sha256(self.name.encode()).digest()[:16]


@dataclass
class Instance:
    """One DB instance. All settings may be changed while it runs; `free_storage` in bytes is what is free without user databases.
    Connections from before the last of `fail_overs` are dead."""

    master: Login
    product_version: str
    edition: Edition
    region: str
    s3: S3Reader
    clock: ServerClock
    databases: Databases
    backup_restore_option: OptionState = "in-sync"
    multi_az: bool = False
    free_storage: int = 20 << 30
    switches: Switches = field(default_factory=Switches)
    other_logins: list[Login] = field(default_factory=list)
    fail_overs: int = 0
    history: History = field(default_factory=History)
    # Held while a statement runs, and told when a transaction ends.
    turn: threading.Condition = field(default_factory=lambda: threading.Condition(threading.RLock()))

    @property
    def logins(self) -> list[Login]:
        """All with a password; RDS's own `rdsa` isn't for customers."""
        return [self.master, *self.other_logins]

    @property
    def free_bytes(self) -> int:
        """What the volume has left."""
        return self.free_storage - sum(file.size * _PAGE for one in self.databases for file in one.files)

    def login_of(self, user: str) -> Login | None:
        """By name, without case, as the server's collation compares."""
        return next((one for one in self.logins if one.name.casefold() == user.casefold()), None)

    def admit_intruders(self, before: Literal["submit", "start"]) -> None:
        """Have those other people make their databases whose moment has come."""
        for one in [one for one in self.switches.intruders if one.before == before]:
            self.switches.intruders.remove(one)
            self.create_database(one.name)

    def create_database(self, name: str) -> Database:
        """As somebody else would make one."""
        return self.databases.create(name, self.clock.now, self.master.name)


def product_version(rds_version: str) -> str:
    """RDS's "15.00.4430.1" as SQL Server says it: "15.0.4430.1"."""
    return ".".join(str(int(part)) for part in rds_version.split(".") if part.isdigit())
