"""Comparing two databases of the server as a superuser, by everything that can be read of them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import psycopg
from psycopg import sql

from tests.databases.restore_case import Cloud

_TABLES = """SELECT n.nspname, c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind = ANY(%s) AND c.relispopulated AND n.nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2"""
# No column is called like the alias, which would stand for that column.
_ROWS = """SELECT count(*), md5(string_agg(row, chr(10) ORDER BY row COLLATE "C"))
    FROM (SELECT ROW("all columns".*)::text FROM ONLY {} AS "all columns") AS found (row)"""
# What a value's text depends on, and what would end a long reading, on servers with a parameter group.
_PINNED = {
    "DateStyle": "ISO",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "extra_float_digits": "3",
    "bytea_output": "hex",
    "statement_timeout": "0",
    "transaction_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
}


def contents(cloud: Cloud, database: str, owners: Mapping[str, str] | None = None) -> dict[str, object]:
    """Table, sequence and large object -> a hash or value of what is in it. `owners` maps roles to those that stand for them."""
    found: dict[str, object] = {}
    with _reading(cloud, database) as connection:
        for table in connection.execute(_TABLES, [["r", "m"]]).fetchall():
            found[".".join(table)] = connection.execute(sql.SQL(_ROWS).format(sql.Identifier(*table))).fetchone()
        for schema, name in connection.execute("SELECT schemaname, sequencename FROM pg_sequences").fetchall():
            query = sql.SQL("SELECT last_value, is_called FROM {}").format(sql.Identifier(schema, name))
            found[f"sequence {schema}.{name}"] = connection.execute(query).fetchone()
        query = (
            "SELECT oid, lomowner::regrole::text, replace(array_to_string(lomacl, ' '), '\"', ''), md5(lo_get(oid)) "
            "FROM pg_largeobject_metadata"
        )
        for oid, *rest in connection.execute(query).fetchall():
            found[f"large object {oid}"] = [_renamed(each, owners) for each in rest]
    return found


def rows_of_tables(cloud: Cloud, database: str) -> dict[str, int]:
    """Rows per table."""
    with _reading(cloud, database) as connection:
        tables = connection.execute(_TABLES, [["r"]]).fetchall()
        query = sql.SQL("SELECT count(*) FROM ONLY {}")
        return {".".join(t): connection.execute(query.format(sql.Identifier(*t))).fetchall()[0][0] for t in tables}


def schema_without_publications(cloud: Cloud, database: str, owners: Mapping[str, str] | None = None) -> list[str]:
    """The lines of pg_dump --schema-only that a restore must bring back: all but publications, which are a fix-up."""
    paragraphs = str(_renamed(cloud.schema(database), owners)).split("\n--\n-- ")
    kept = [p for p in paragraphs if "; Type: PUBLICATION" not in p.split("\n")[0]]
    return "\n--\n-- ".join(kept).splitlines()


@contextmanager
def _reading(cloud: Cloud, database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(cloud.server.superuser_dsn(database)) as connection:
        if connection.info.parameter_status("server_encoding") == "SQL_ASCII":
            # Byte by byte, which psycopg would give as bytes.
            connection.execute("SET client_encoding = LATIN1")
        for name, value in _PINNED.items():
            connection.execute("SELECT set_config(name, %s, false) FROM pg_settings WHERE name = %s", [value, name])
        yield connection


def _renamed(value: object, owners: Mapping[str, str] | None) -> object:
    for role, stands_for in (owners or {}).items():
        if isinstance(value, str):
            value = value.replace(f'"{role}"', stands_for).replace(role, stands_for)
    return value
