"""A simulated RDS for SQL Server: logins, the statements that restores need, and the native restore tasks. No SQL Server is in it.

What it says stands in `sqlserver_texts`, what can be made to go wrong in `sqlserver_switches`. Invariant: a statement that isn't known
is refused by name, never answered by a guess.
"""

import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from localcloud.sqlserver_databases import Database, Databases
from localcloud.sqlserver_instance import Edition, Instance, Login, OptionState, ServerClock, product_version
from localcloud.sqlserver_procedures import Procedures
from localcloud.sqlserver_restores import Foreign
from localcloud.sqlserver_select import select
from localcloud.sqlserver_source import S3Reader
from localcloud.sqlserver_statements import (
    AlterUser,
    CheckDatabase,
    Execute,
    Select,
    SetTrustworthy,
    Statement,
    Transaction,
    Use,
    recognise,
)  # fmt: skip
from localcloud.sqlserver_switches import Switches
from localcloud.sqlserver_tasks import Task, Tasks
from localcloud.sqlserver_texts import text
from localcloud.sqlserver_tokens import statements
from localcloud.sqlserver_views import open_database, sid_of
from localcloud.tds_engine import DropConnection, Message, ResultSet, Session, Value

Results = Sequence[ResultSet | Message]

_FAIL_OVERS: Final = "fail_overs"


class SqlServerEngine:
    """One server, as `tds_engine.Engine` wants it. `instance` holds its settings, all of which may be changed while it runs."""

    def __init__(
        self,
        *,
        master_user: str,
        master_password: str,
        s3: S3Reader,
        version: str = "15.00.4430.1",
        edition: Edition = "se",
        region: str = "us-east-1",
        backup_restore_option: OptionState = "in-sync",
        multi_az: bool = False,
        free_storage: int = 20 << 30,
        now: datetime | None = None,
    ) -> None:
        """`version` as RDS writes it; `free_storage` in bytes; `now` is the server's first moment, UTC without a zone."""
        clock = ServerClock(now or datetime.now(UTC).replace(tzinfo=None, microsecond=0))
        self.instance = Instance(
            master=Login(master_user, master_password),
            product_version=product_version(version),
            edition=edition,
            region=region,
            s3=s3,
            clock=clock,
            databases=Databases(clock.now),
            backup_restore_option=backup_restore_option,
            multi_az=multi_az,
            free_storage=free_storage,
        )
        self._tasks = Tasks(self.instance)
        self._procedures = Procedures(self.instance, self._tasks)
        self._lock = threading.RLock()

    @property
    def switches(self) -> Switches:
        """What tests make go wrong."""
        return self.instance.switches

    @property
    def tasks(self) -> tuple[Task, ...]:
        """All tasks, for tests to look at."""
        return self._tasks.all

    def database(self, name: str) -> Database | None:
        """A database by name, for tests to look at."""
        return self.instance.databases.find(name)

    def login(self, user: str, password: str, database: str) -> Session:
        """Raises SqlError 18456 for a wrong password, 4060 for a database that is unknown or RESTORING."""
        with self._lock:
            login = self.instance.login_of(user)
            if login is None or login.password != password:
                raise text("login-failed").error(user=user)
            found = self.instance.databases.find(database or "master")
            if found is None or found.state != "ONLINE":
                raise text("cannot-open").error(database=database)
            return Session(login.name, found.name, settings={_FAIL_OVERS: self.instance.fail_overs})

    def execute(self, session: Session, text: str, parameters: Mapping[str, Value]) -> Results:
        """Run one batch, up to its first error. Raises SqlError, DropConnection."""
        results: list[ResultSet | Message] = []
        with self._lock:
            for tokens in statements(text):
                if session.settings.get(_FAIL_OVERS) != self.instance.fail_overs:
                    raise DropConnection
                self.instance.clock.tick()
                results += self._run(session, recognise(tokens, parameters), parameters)
        return results

    def set_master_password(self, password: str) -> None:
        """As ModifyDBInstance does, which also gives the master user its rights back."""
        with self._lock:
            self.instance.master.password = password
            self.switches.master_is_misaligned = False

    def add_login(self, user: str, password: str) -> None:
        """A login that isn't the master user."""
        self.instance.other_logins.append(Login(user, password))

    def create_database(self, name: str) -> Database:
        """A database that was there before, or that another person makes."""
        with self._lock:
            return self.instance.create_database(name)

    def take_slots(self, count: int = 2, polls: int | None = None) -> list[Task]:
        """Tasks of others that run at once and hold slots for some polls, or for good."""
        with self._lock:
            made = [
                self._tasks.add("BACKUP_DB", f"other{number}", "arn:aws:s3:::others/other.bak", Foreign(polls), "other")
                for number in range(1, count + 1)
            ]
            for task in made:
                task.lifecycle = "IN_PROGRESS"
            return made

    def fail_over(self) -> None:
        """Multi-AZ's other half takes over: running tasks end in ERROR, and each connection ends at its next statement."""
        with self._lock:
            self._tasks.fail_over()

    def _run(self, session: Session, statement: Statement, parameters: Mapping[str, Value]) -> Results:
        match statement:
            case Execute():
                return self._procedures.execute(session, statement)
            case Select():
                return (select(self.instance, session, statement.tokens, parameters, self._procedures.status),)
            case Use():
                session.database = open_database(self.instance, statement.database).name
            case Transaction():
                session.in_transaction = statement.opens
            case CheckDatabase():
                return self._check(open_database(self.instance, statement.database or session.database))
            case AlterUser():
                self._alter_user(session, statement)
            case SetTrustworthy():
                self._set_trustworthy(statement)
        return ()

    def _check(self, database: Database) -> Results:
        if database.damaged:
            raise text("check-page").error()
        return ()

    def _alter_user(self, session: Session, statement: AlterUser) -> None:
        database = open_database(self.instance, session.database)
        user = next((one for one in database.users if one.name.casefold() == statement.user.casefold()), None)
        if user is None:
            raise text("no-such-user").error(user=statement.user)
        if self.instance.login_of(statement.login) is None:
            raise text("no-such-login").error(login=statement.login)
        sid = sid_of(self.instance, statement.login)
        if any(one.sid == sid for one in database.users if one is not user):
            raise text("login-has-user").error()
        user.sid = sid

    def _set_trustworthy(self, statement: SetTrustworthy) -> None:
        database = self.instance.databases.find(statement.database)
        if database is None:
            raise text("unknown-database").error(database=statement.database)
        if database.state != "ONLINE":
            raise text("alter-restoring").error()
        database.is_trustworthy_on = statement.on
