"""What the system views hold: columns and rows, made anew for each query from the simulated server's state.

Only columns that are true here are there: asking for another one fails as a syntax error does.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from localcloud.sqlserver.databases import COLLATION, Database
from localcloud.sqlserver.history import BACKUP_SET, RESTORE_HISTORY, Columns
from localcloud.sqlserver.instance import Instance
from localcloud.sqlserver.texts import text
from localcloud.tds.engine import Value
from localcloud.tsql.values import NUMERIC, long_number

Rows = Iterator[tuple[Value, ...]]

# Numbers of objects: any will do, as long as no two are the same.
_FIRST_OBJECT, _FIRST_TRIGGER, _FIRST_POLICY = 1_000_000, 2_000_000, 3_000_000
_FIRST_SESSION = 1000
# As `user_access` numbers them.
_ACCESS: Final = ("MULTI_USER", "SINGLE_USER", "RESTRICTED_USER")


@dataclass(frozen=True)
class View:
    """`columns` are (name, type of SQLite); `rows` are given a database, which the views of the whole server ignore."""

    columns: Columns
    rows: Callable[[Instance, Database], Rows]


def view_of(names: Sequence[str], database: str) -> "View | None":
    """What a name of one to three parts means in a database: a view of schema sys, or a table of msdb."""
    *before, last = (name.lower() for name in names)
    if last in VIEWS and before[-1:] == ["sys"]:
        return VIEWS[last]
    of_msdb = (before[-2] if len(before) > 1 else database.lower()) == "msdb" and before[-1:] in ([], ["dbo"], [""])
    return HISTORY.get(last) if of_msdb else None


def open_database(instance: Instance, name: str) -> Database:
    """A database that can be used. Raises SqlError 911, 927."""
    database = instance.databases.find(name)
    if database is None:
        raise text("unknown-database").error(database=name)
    if database.state != "ONLINE":
        raise text("restoring").error(database=database.name)
    return database


def sid_of(instance: Instance, name: str) -> bytes:
    """A server principal's; `sa` and RDS's `rdsa` aren't for customers."""
    login = instance.login_of(name)
    return login.sid if login else {"sa": b"\x01"}.get(name, b"\x52" * 16)


def name_of(instance: Instance, sid: bytes) -> str | None:
    """The login with this sid."""
    names = [*(login.name for login in instance.logins), "sa", "rdsa"]
    return next((name for name in names if sid_of(instance, name) == sid), None)


def _databases(instance: Instance, _: Database) -> Rows:
    for one in instance.databases:
        yield (
            one.name,
            one.database_id,
            one.create_date,
            0 if one.state == "ONLINE" else 1,
            one.state,
            one.compatibility_level,
            COLLATION,
            sid_of(instance, one.owner),
            one.is_trustworthy_on,
            one.recovery_model,
            _ACCESS.index(one.user_access),
            one.user_access,
            False,
            False,
            False,
            False,
            False,
            False,
            0,
            "NONE",
        )


def _recovery_status(instance: Instance, _: Database) -> Rows:
    for one in instance.databases:
        yield one.database_id, str(one.guid).upper() if one.state == "ONLINE" else None


def _sessions(instance: Instance, _: Database) -> Rows:
    for one in instance.databases:
        for number, program in enumerate(instance.switches.sessions.get(one.name, ()), start=_FIRST_SESSION + 10 * one.database_id):
            yield number, one.database_id, instance.master.name, program, True


def _database_files(_: Instance, database: Database) -> Rows:
    for number, file in enumerate(database.files, start=1):
        yield number, _kind(file.type_desc), file.type_desc, file.name, file.physical_name, file.size, 0, "ONLINE"


def _file_space(instance: Instance, database: Database) -> Rows:
    """Of data files alone. The simulated server has no pages: as many are allocated as a test says, else all."""
    for number, file in enumerate(database.files, start=1):
        if file.type_desc == "ROWS":
            used = instance.switches.allocated_pages
            allocated = file.size if used is None else min(file.size, used)
            yield database.database_id, number, file.size, allocated, file.size - allocated


def _master_files(instance: Instance, _: Database) -> Rows:
    for database in instance.databases:
        for row in _database_files(instance, database):
            yield database.database_id, *row


def _kind(type_desc: str) -> int:
    return 0 if type_desc == "ROWS" else 1


def _database_principals(instance: Instance, database: Database) -> Rows:
    # A restored database keeps the sid of its owner on the server it comes from.
    owner = sid_of(instance, database.owner) if not database.was_restored else b"\x09" * 16
    yield "dbo", 1, "S", "SQL_USER", owner, 1, "INSTANCE", "dbo"
    yield "guest", 2, "S", "SQL_USER", b"\0", 0, "NONE", "guest"
    yield "INFORMATION_SCHEMA", 3, "S", "SQL_USER", None, 0, "NONE", None
    yield "sys", 4, "S", "SQL_USER", None, 0, "NONE", None
    for number, user in enumerate(database.users, start=5):
        how = (0, "NONE") if user.without_login else (1, "INSTANCE")
        yield user.name, number, "S", "SQL_USER", user.sid, *how, "dbo"
    yield "db_owner", 16384, "R", "DATABASE_ROLE", None, 0, "NONE", None


def _tables(_: Instance, database: Database) -> Rows:
    for number, name in enumerate(database.contents.tables, start=1):
        yield name, _FIRST_OBJECT + number, 1, 0, "U", "USER_TABLE", False


def _triggers(_: Instance, database: Database) -> Rows:
    for number, name in enumerate(database.contents.triggers, start=1):
        yield name, _FIRST_TRIGGER + number, 0, "DATABASE", 0, False, False


def _trigger_events(_: Instance, database: Database) -> Rows:
    for number, events in enumerate(database.contents.triggers.values(), start=1):
        for event in events:
            yield _FIRST_TRIGGER + number, event


def _security_policies(_: Instance, database: Database) -> Rows:
    for number, name in enumerate(database.contents.policies, start=1):
        yield name, _FIRST_POLICY + number, True


def _server_principals(instance: Instance, _: Database) -> Rows:
    names = ["sa", "rdsa", *(login.name for login in instance.logins)]
    for number, name in enumerate(names, start=1):
        yield name, number, "S", "SQL_LOGIN", sid_of(instance, name), False


def _backup_sets(instance: Instance, _: Database) -> Rows:
    for row in instance.history.backup_sets():
        yield tuple(
            long_number(cell) if type_ == NUMERIC and isinstance(cell, int) else cell
            for (_, type_), cell in zip(BACKUP_SET, row, strict=True)
        )


def _restores(instance: Instance, _: Database) -> Rows:
    return instance.history.rows()


def _nothing(_: Instance, __: Database) -> Rows:
    return iter(())


_PRINCIPAL: Final[Columns] = (
    ("name", "NVARCHAR"),
    ("principal_id", "INT"),
    ("type", "NVARCHAR"),
    ("type_desc", "NVARCHAR"),
    ("sid", ""),
)
_FILE: Final[Columns] = (
    ("file_id", "INT"),
    ("type", "INT"),
    ("type_desc", "NVARCHAR"),
    ("name", "NVARCHAR"),
    ("physical_name", "NVARCHAR"),
    ("size", "INT"),
    ("state", "INT"),
    ("state_desc", "NVARCHAR"),
)

VIEWS: Final[dict[str, View]] = {
    "databases": View(
        (
            ("name", "NVARCHAR"),
            ("database_id", "INT"),
            ("create_date", ""),
            ("state", "INT"),
            ("state_desc", "NVARCHAR"),
            ("compatibility_level", "INT"),
            ("collation_name", "NVARCHAR"),
            ("owner_sid", ""),
            ("is_trustworthy_on", "SQL_BIT"),
            ("recovery_model_desc", "NVARCHAR"),
            ("user_access", "INT"),
            ("user_access_desc", "NVARCHAR"),
            ("is_read_only", "SQL_BIT"),
            ("is_in_standby", "SQL_BIT"),
            ("is_cdc_enabled", "SQL_BIT"),
            ("is_broker_enabled", "SQL_BIT"),
            ("is_db_chaining_on", "SQL_BIT"),
            ("is_encrypted", "SQL_BIT"),
            ("containment", "INT"),
            ("containment_desc", "NVARCHAR"),
        ),
        _databases,
    ),
    "master_files": View((("database_id", "INT"), *_FILE), _master_files),
    "database_recovery_status": View((("database_id", "INT"), ("database_guid", "NVARCHAR")), _recovery_status),
    "dm_exec_sessions": View(
        (
            ("session_id", "INT"),
            ("database_id", "INT"),
            ("login_name", "NVARCHAR"),
            ("program_name", "NVARCHAR"),
            ("is_user_process", "SQL_BIT"),
        ),
        _sessions,
    ),
    "database_files": View(_FILE, _database_files),
    "dm_db_file_space_usage": View(
        (
            ("database_id", "INT"),
            ("file_id", "INT"),
            ("total_page_count", "INT"),
            ("allocated_extent_page_count", "INT"),
            ("unallocated_extent_page_count", "INT"),
        ),
        _file_space,
    ),
    "database_principals": View(
        (*_PRINCIPAL, ("authentication_type", "INT"), ("authentication_type_desc", "NVARCHAR"), ("default_schema_name", "NVARCHAR")),
        _database_principals,
    ),
    "tables": View(
        (
            ("name", "NVARCHAR"),
            ("object_id", "INT"),
            ("schema_id", "INT"),
            ("parent_object_id", "INT"),
            ("type", "NVARCHAR"),
            ("type_desc", "NVARCHAR"),
            ("is_ms_shipped", "SQL_BIT"),
        ),
        _tables,
    ),
    "triggers": View(
        (
            ("name", "NVARCHAR"),
            ("object_id", "INT"),
            ("parent_class", "INT"),
            ("parent_class_desc", "NVARCHAR"),
            ("parent_id", "INT"),
            ("is_disabled", "SQL_BIT"),
            ("is_ms_shipped", "SQL_BIT"),
        ),
        _triggers,
    ),
    "trigger_events": View((("object_id", "INT"), ("type_desc", "NVARCHAR")), _trigger_events),
    "security_policies": View((("name", "NVARCHAR"), ("object_id", "INT"), ("is_enabled", "SQL_BIT")), _security_policies),
    "server_principals": View((*_PRINCIPAL, ("is_disabled", "SQL_BIT")), _server_principals),
    "assemblies": View((("name", "NVARCHAR"), ("is_user_defined", "SQL_BIT")), _nothing),
}
# Tables of msdb, schema dbo.
HISTORY: Final[dict[str, View]] = {
    "backupset": View(BACKUP_SET, _backup_sets),
    "restorehistory": View(RESTORE_HISTORY, _restores),
}
