"""ALTER DATABASE and DROP DATABASE on the simulated server.

What isn't here: SINGLE_USER keeps nobody out, and RDS's own putting a recovery model back to FULL.
"""

from localcloud.sqlserver.databases import Database
from localcloud.sqlserver.instance import Instance
from localcloud.sqlserver.tasks import Tasks
from localcloud.sqlserver.texts import text
from localcloud.tds.engine import Session
from localcloud.tsql.syntax import AlterAuthorization, AlterDatabase, DropDatabase


def alter(instance: Instance, session: Session, statement: AlterDatabase) -> None:
    """Raises SqlError 911, 5052."""
    name = session.database if statement.database.upper() == "CURRENT" else statement.database
    database = instance.databases.find(name)
    if database is None:
        raise text("unknown-database").error(database=name)
    if database.state != "ONLINE":
        raise text("alter-restoring").error()
    match statement.setting:
        case "ACCESS":
            database.user_access = statement.value
            if statement.value != "MULTI_USER":
                # With or without ROLLBACK IMMEDIATE: nobody here makes a server wait.
                instance.switches.sessions.pop(database.name, None)
        case "RECOVERY":
            database.recovery_model = statement.value
        case "TRUSTWORTHY":
            database.is_trustworthy_on = statement.value == "ON"
        case "COMPATIBILITY_LEVEL":
            database.compatibility_level = int(statement.value)


def hand_over(instance: Instance, session: Session, statement: AlterAuthorization) -> None:
    """To oneself, or to a login that one may impersonate (Microsoft Learn, "ALTER AUTHORIZATION", Permissions). Raises SqlError 911, 15110,
    15151."""
    database = instance.databases.find(statement.database)
    if database is None:
        raise text("unknown-database").error(database=statement.database)
    login = next((one for one in instance.logins if one.name.casefold() == statement.login.casefold()), None)
    if login is None or (login.name != session.user and login.name not in instance.switches.impersonable):
        raise text("no-such-owner").error(login=statement.login)
    if any(user.sid == login.sid for user in database.users):
        raise text("owner-is-user").error()
    database.owner = login.name


def drop(instance: Instance, tasks: Tasks, session: Session, statement: DropDatabase) -> None:
    """Raises SqlError 3701, 3702, 3708, 3752; what stood before the one that fails is gone."""
    for name in statement.databases:
        database = instance.databases.find(name)
        if database is None:
            if not statement.if_exists:
                raise text("no-database-to-drop").error(database=name)
            continue
        _require_droppable(instance, tasks, session, database)
        instance.databases.drop(database)


def _require_droppable(instance: Instance, tasks: Tasks, session: Session, database: Database) -> None:
    if database.is_system:
        raise text("system-database").error(database=database.name)
    if tasks.unfinished(database.name) or session.database.casefold() == database.name.casefold():
        raise text("database-in-use").error(database=database.name)
    if instance.multi_az:
        raise text("in-availability-group").error(database=database.name)
