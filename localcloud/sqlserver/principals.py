"""Users of a database without a login: made, granted something, impersonated; and what one who is impersonated may not.

Invariants: what a transaction made is gone when it is rolled back, also by the end of its session. Whoever is impersonated is nobody
outside of the database (Microsoft Learn, "EXECUTE AS": "any attempt to access resources outside of the database will cause the statement
to fail"). Users are the only thing here that a transaction locks: others wait for its end when they look at them.
"""

from typing import Final

from localcloud.sqlserver.databases import Database, User
from localcloud.sqlserver.instance import Instance
from localcloud.sqlserver.texts import text
from localcloud.tds.engine import Session
from localcloud.tsql.arguments import Call
from localcloud.tsql.syntax import CreateUser, DropUser, Grant, Impersonate, Setting, Statement, Transaction, Use

_READER: Final = "impersonated"
_MADE: Final = "made_in_transaction"
# What everybody may, whoever they are.
_HARMLESS: Final = (Setting, Transaction)
# As the server calls a user that has no login, the numbers made up.
_PRINCIPAL: Final = "S-1-9-3-1"

Statements = CreateUser | DropUser | Grant | Impersonate


def reader(session: Session) -> User | None:
    """The user that the session is impersonating."""
    found: User | None = session.settings.get(_READER)
    return found


def change(instance: Instance, database: Database, session: Session, statement: Statements) -> None:
    """Raises SqlError 1222, 15023, 15151, 15517."""
    await_others(instance, database, session)
    if isinstance(statement, CreateUser):
        _create(database, session, statement.user)
        return
    user = database.user(statement.user)
    if user is None:
        key = "cannot-impersonate" if isinstance(statement, Impersonate) else "no-such-principal"
        raise text(key).error(user=statement.user, verb="drop" if isinstance(statement, DropUser) else "find")
    if isinstance(statement, Impersonate):
        session.settings[_READER] = user
    elif isinstance(statement, Grant):
        user.granted.add(statement.permission)
    else:
        database.users.remove(user)


def _create(database: Database, session: Session, name: str) -> None:
    if database.user(name):
        raise text("user-exists").error(user=name)
    made = User(name, b"", without_login=True, maker=session if session.in_transaction else None)
    database.users.append(made)
    if session.in_transaction:
        session.settings.setdefault(_MADE, []).append((database, made))


def end_transaction(instance: Instance, session: Session, *, is_committed: bool) -> None:
    """What was made in it stays, or is gone. Nothing happens if there is none."""
    for database, user in session.settings.pop(_MADE, []):
        user.maker = None
        if not is_committed:
            database.users = [one for one in database.users if one is not user]
    instance.turn.notify_all()


def await_others(instance: Instance, database: Database, session: Session) -> None:
    """Until no open transaction of another session has made a user. Raises SqlError 1222 after LOCK_TIMEOUT (milliseconds)."""
    given = int(session.settings.get("LOCK_TIMEOUT", -1))
    is_free = instance.turn.wait_for(
        lambda: all(user.maker is None or user.maker is session for user in database.users), timeout=None if given < 0 else given / 1000
    )
    if not is_free:
        raise text("lock-timeout").error()


def require_permission(instance: Instance, session: Session, statement: Statement | Call) -> None:
    """What an impersonated user may not do. Raises SqlError 916, 15247, 15517."""
    if reader(session) is None or isinstance(statement, _HARMLESS):
        return
    if isinstance(statement, Use):
        require_inside(instance, session, statement.database)
    elif isinstance(statement, Call):
        raise text("not-accessible").error(principal=_PRINCIPAL, database="msdb")
    elif isinstance(statement, Impersonate):
        raise text("cannot-impersonate").error(user=statement.user)
    else:
        raise text("no-right").error()


def require_inside(instance: Instance, session: Session, database: str) -> None:
    """Raises SqlError 916 for another database than the one in which the user is impersonated."""
    if reader(session) and instance.databases.find(database) is not instance.databases.find(session.database):
        raise text("not-accessible").error(principal=_PRINCIPAL, database=database)


def require_select(session: Session, table: str) -> None:
    """Raises SqlError 229."""
    user = reader(session)
    if user and "SELECT" not in user.granted:
        raise text("denied").error(permission="SELECT", object=table, database=session.database, schema="dbo")


def require_state_of(session: Session) -> None:
    """Of the database, which SELECT doesn't grant. Raises SqlError 262."""
    if reader(session):
        raise text("denied-in-database").error(permission="VIEW DATABASE STATE", database=session.database)
