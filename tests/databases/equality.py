"""Comparing two databases of the server as a superuser, by everything that can be read of them."""

from collections.abc import Mapping

import psycopg
from psycopg import sql

from tests.databases.restore_case import Cloud

_TABLES = """SELECT n.nspname, c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind = ANY(%s) AND c.relispopulated AND n.nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2"""


def contents(cloud: Cloud, database: str, owners: Mapping[str, str] | None = None) -> dict[str, object]:
    """Table, sequence and large object -> a hash or value of what is in it. `owners` maps roles to those that stand for them."""
    found: dict[str, object] = {}
    with psycopg.connect(cloud.server.superuser_dsn(database)) as connection:
        for table in connection.execute(_TABLES, [["r", "m"]]).fetchall():
            query = sql.SQL("SELECT count(*), md5(string_agg(t::text, chr(10) ORDER BY t::text)) FROM ONLY {} AS t")
            found[".".join(table)] = connection.execute(query.format(sql.Identifier(*table))).fetchone()
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
    with psycopg.connect(cloud.server.superuser_dsn(database)) as connection:
        tables = connection.execute(_TABLES, [["r"]]).fetchall()
        query = sql.SQL("SELECT count(*) FROM ONLY {}")
        return {".".join(t): connection.execute(query.format(sql.Identifier(*t))).fetchall()[0][0] for t in tables}


def schema_without_publications(cloud: Cloud, database: str, owners: Mapping[str, str] | None = None) -> list[str]:
    """The lines of pg_dump --schema-only that a restore must bring back: all but publications, which are a fix-up."""
    paragraphs = str(_renamed(cloud.schema(database), owners)).split("\n--\n-- ")
    kept = [p for p in paragraphs if "; Type: PUBLICATION" not in p.split("\n")[0]]
    return "\n--\n-- ".join(kept).splitlines()


def _renamed(value: object, owners: Mapping[str, str] | None) -> object:
    for role, stands_for in (owners or {}).items():
        if isinstance(value, str):
            value = value.replace(f'"{role}"', stands_for).replace(role, stands_for)
    return value
