"""A simulated RDS for SQL Server: logins, the statements that restores need, and the native restore tasks. No SQL Server is in it.

What it says stands in `sqlserver_texts`, what can be made to go wrong in `sqlserver_switches`. Invariant: a statement that isn't known
is refused by name, never answered by a guess.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Final

from localcloud.sqlserver import principals
from localcloud.sqlserver.databases import Database, Databases
from localcloud.sqlserver.instance import Edition, Instance, Login, OptionState, ServerClock, product_version
from localcloud.sqlserver.procedures import Procedures
from localcloud.sqlserver.restores import Foreign
from localcloud.sqlserver.source import S3Reader
from localcloud.sqlserver.switches import Switches
from localcloud.sqlserver.tasks import Task, Tasks
from localcloud.sqlserver.texts import text
from localcloud.sqlserver.views import open_database, sid_of
from localcloud.tds.engine import DropConnection, Result, Session, Value
from localcloud.tsql import altering as sqlserver_altering
from localcloud.tsql.arguments import Call
from localcloud.tsql.frame import Frame, Variable
from localcloud.tsql.interpreter import Interpreter
from localcloud.tsql.queries import Queries
from localcloud.tsql.script import parse
from localcloud.tsql.syntax import (
    AlterAuthorization,
    AlterDatabase,
    AlterUser,
    CheckDatabase,
    CreateUser,
    DropDatabase,
    DropUser,
    Grant,
    Impersonate,
    Select,
    Setting,
    Statement,
    Transaction,
    Use,
    WaitFor,
)

Results = Sequence[Result]

_DELAY: Final = re.compile(r"(\d\d?):(\d\d)(?::(\d\d)(?:\.\d{1,3})?)?")
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
        self._lock = self.instance.turn

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
        for happens in tuple(self.switches.at_login):
            happens(database)
        with self._lock:
            login = self.instance.login_of(user)
            if login is None or login.password != password:
                raise text("login-failed").error(user=user)
            found = self.instance.databases.find(database or "master")
            if found is None or found.state != "ONLINE":
                raise text("cannot-open").error(database=database)
            return Session(login.name, found.name, settings={_FAIL_OVERS: self.instance.fail_overs})

    def execute(self, session: Session, text: str, parameters: Mapping[str, Value]) -> Sequence[Result]:
        """Run one batch; other sessions' statements may run between its own. Raises SqlError 102 if it isn't understood, DropConnection."""
        for happens in tuple(self.switches.before_batch):
            happens(session, text)
        try:
            return self._executed(session, text, parameters)
        finally:
            for happens in tuple(self.switches.after_batch):
                happens(session, text)

    def _executed(self, session: Session, text: str, parameters: Mapping[str, Value]) -> Sequence[Result]:
        nodes = parse(text)
        frame = Frame(session, {name.lower(): Variable(given) for name, given in parameters.items()})
        queries = Queries(self.instance, frame, self._procedures.status)
        if session.settings.get("PARSEONLY") == "ON":
            for node in nodes:
                if isinstance(node, Select):
                    queries.require_syntax(node.query)
            nodes = tuple(node for node in nodes if isinstance(node, Setting))
        batch = Interpreter(queries, self._served, lambda: self._turn(session))
        batch.run(nodes)
        return batch.results

    def end_transaction(self, session: Session, *, is_committed: bool) -> None:
        """Commit or roll back, which the end of a session does too."""
        with self._lock:
            session.in_transaction = False
            principals.end_transaction(self.instance, session, is_committed=is_committed)

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

    @contextmanager
    def _turn(self, session: Session) -> Iterator[None]:
        """One statement's."""
        with self._lock:
            if session.settings.get(_FAIL_OVERS) != self.instance.fail_overs:
                raise DropConnection
            self.instance.clock.tick()
            yield

    def _served(self, statement: Statement | Call, frame: Frame) -> Results:
        session = frame.session
        for happens in tuple(self.switches.before_statement):
            happens(statement)
        principals.require_permission(self.instance, session, statement)
        match statement:
            case Call():
                return self._procedures.execute(session, statement)
            case CheckDatabase():
                name = frame.value(statement.database) if statement.database else session.database
                return self._check(open_database(self.instance, str(name)))
            case WaitFor():
                self._wait(_delay(frame.value(statement.delay)))
            case Use():
                session.database = open_database(self.instance, statement.database).name
            case Transaction():
                if statement.opens:
                    session.in_transaction = True
                else:
                    self.end_transaction(session, is_committed=not statement.undoes)
            case CreateUser() | DropUser() | Grant() | Impersonate():
                principals.change(self.instance, open_database(self.instance, session.database), session, statement)
            case Setting():
                session.settings[statement.name] = statement.value
            case _:
                self._alter(session, statement)
        return ()

    def _wait(self, delay: timedelta) -> None:
        for _ in range(self.instance.clock.wait(delay)):
            self._tasks.move()

    def _alter(self, session: Session, statement: Statement) -> None:
        match statement:
            case AlterUser():
                self._alter_user(session, statement)
            case AlterAuthorization():
                sqlserver_altering.hand_over(self.instance, session, statement)
            case AlterDatabase():
                self._alter_database(session, statement)
            case DropDatabase():
                sqlserver_altering.drop(self.instance, self._tasks, session, statement)

    def _alter_database(self, session: Session, statement: AlterDatabase) -> None:
        sqlserver_altering.alter(self.instance, session, statement)

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


def _delay(given: Value) -> timedelta:
    """Of 'hh:mm:ss' or 'hh:mm', up to a day. Raises SqlError 148."""
    found = _DELAY.fullmatch(str(given))
    if found is None:
        raise text("wait-invalid").error(delay=given)
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)
