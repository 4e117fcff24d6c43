"""What belongs to the old database and not to its content goes over to the one that takes its name: owner, privileges, limits, settings.

Invariant: what can't be given is told, and keeps nobody from the exchange; the old database keeps all of it.
"""

import re
from collections.abc import Iterator

import psycopg
from psycopg import sql

from dbrestore.contract.job import FixUp
from dbrestore.worker.postgresql.rights import membership
from dbrestore.worker.postgresql.session import Connection, explained

# PostgreSQL keeps these as lists of quoted identifiers (GUC_LIST_QUOTE; pg_dump has the same list in fe_utils/dumputils.c).
_LISTS = (
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
)
_ITEM = re.compile(r'"((?:[^"]|"")*)"|([^,\s]+)')
_SETTINGS = (
    "SELECT coalesce(pg_get_userbyid(nullif(setrole, 0)), ''), unnest(setconfig) FROM pg_db_role_setting WHERE setdatabase = %s::oid"
)
_PRIVILEGES = (
    "SELECT CASE grantee WHEN 0 THEN '' ELSE pg_get_userbyid(grantee) END, privilege_type, is_grantable, grantor = datdba, "
    "pg_get_userbyid(grantor) FROM pg_database, aclexplode(coalesce(datacl, acldefault('d', datdba))) WHERE oid = %s::oid ORDER BY 1, 2"
)


def carry_over(master: Connection, old: str, new: str) -> list[FixUp]:
    """Inside the transaction of the exchange, from the database of one oid to that of another, whatever names they bear. Returns what
    could not be given."""
    name, before = _row(master, new), _row(master, old)
    database = sql.Identifier(str(name["datname"]))
    notes = list(_owner(master, database, before["owner"], name["owner"]))
    notes += _privileges(master, database, old, new)
    limits = {
        "CONNECTION LIMIT {}": sql.Literal(before["datconnlimit"]),
        "IS_TEMPLATE {}": sql.Literal(before["datistemplate"]),
        "ALLOW_CONNECTIONS {}": sql.Literal(before["datallowconn"]),
    }
    for clause, value in limits.items():
        notes += _tried(master, clause.rpartition(" ")[0], sql.SQL(f"ALTER DATABASE {{}} WITH {clause}").format(database, value))
    return [*notes, *_settings(master, database, old)]


def _row(master: Connection, oid: str) -> dict[str, object]:
    cursor = master.execute(
        "SELECT datname, pg_get_userbyid(datdba) AS owner, datconnlimit, datistemplate, datallowconn FROM pg_database WHERE oid = %s::oid",
        [oid],
    )
    names = [column.name for column in cursor.description or ()]
    return dict(zip(names, cursor.fetchone() or (), strict=True))


def _owner(master: Connection, database: sql.Identifier, owner: object, current: object) -> Iterator[FixUp]:
    if owner == current:
        return
    with membership.acting_for(master, [str(owner)]):
        yield from _tried(master, f"OWNER {owner}", sql.SQL("ALTER DATABASE {} OWNER TO {}").format(database, sql.Identifier(str(owner))))


def _privileges(master: Connection, database: sql.Identifier, old: str, new: str) -> Iterator[FixUp]:
    """All privileges are given in the owner's name, whoever gave them before."""
    for grantee in sorted({row[0] for row in master.execute(_PRIVILEGES.encode(), [new])}):
        yield from _tried(
            master, f"ACL {grantee or 'PUBLIC'}", sql.SQL("REVOKE ALL ON DATABASE {} FROM {}").format(database, _grantee(grantee))
        )
    for grantee, privilege, is_grantable, by_owner, grantor in master.execute(_PRIVILEGES.encode(), [old]).fetchall():
        option = sql.SQL(" WITH GRANT OPTION" if is_grantable else "")
        given = sql.SQL("GRANT {} ON DATABASE {} TO {}").format(sql.SQL(privilege), database, _grantee(grantee)) + option
        label = f"ACL {privilege} {grantee or 'PUBLIC'}"
        yield from _tried(master, label, given)
        if not by_owner:
            yield FixUp(entry=label, what=f"granted by the database's owner now, and by {grantor!r} before")


def _grantee(name: str) -> sql.Composable:
    return sql.Identifier(name) if name else sql.SQL("PUBLIC")


def _settings(master: Connection, database: sql.Identifier, old: str) -> Iterator[FixUp]:
    yield from _tried(master, "SETTINGS", sql.SQL("ALTER DATABASE {} RESET ALL").format(database))
    for role, setting in master.execute(_SETTINGS.encode(), [old]).fetchall():
        name, _, value = setting.partition("=")
        who = sql.SQL("ROLE {} IN DATABASE {}").format(sql.Identifier(role), database) if role else sql.SQL("DATABASE {}").format(database)
        statement = sql.SQL("ALTER {} SET {} TO {}").format(who, sql.Identifier(*name.split(".")), _value(name, value))
        yield from _tried(master, f"SETTING {name}{f' of {role}' if role else ''}", statement)


def _value(name: str, value: str) -> sql.Composable:
    if name.lower() not in _LISTS:
        return sql.Literal(value)
    items = [quoted.replace('""', '"') if quoted or not plain else plain for quoted, plain in _ITEM.findall(value)]
    return sql.SQL(", ").join(map(sql.Literal, items)) if items else sql.Literal("")


def _tried(master: Connection, entry: str, statement: sql.Composed) -> Iterator[FixUp]:
    try:
        with master.transaction():
            master.execute(statement)
    except psycopg.Error as error:
        if error.sqlstate is None or master.broken:
            raise
        yield FixUp(entry=entry, what=f"not given; run it yourself as a user who may ({explained(error)}): {statement.as_string(master)}")
