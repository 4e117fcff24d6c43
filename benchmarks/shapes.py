"""The databases that the replay is measured with, one shape each: what a restore spends its time on differs between them.

Rows come from `generate_series` and hashes, so a run needs no input file and every run restores the same text.
"""

from collections.abc import Callable
from typing import LiteralString

import psycopg
from psycopg import sql

Connection = psycopg.Connection[tuple[object, ...]]
# A size: megabytes of COPY text, or how many tables for the shape of small ones.
Build = Callable[[Connection, int], None]

_BYTES_PER_DOCUMENT, _BYTES_PER_EVENT, _BYTES_PER_LINE = 5200, 104, 92
_MIXED_TABLES, _PARTITIONS = 150, 12
_TABLES_PER_TRANSACTION = 500


def wide(connection: Connection, megabytes: int) -> None:
    """Documents of 5 KB, which the server compresses and stores apart (TOAST)."""
    connection.execute("CREATE TABLE documents (id bigint PRIMARY KEY, changed timestamptz NOT NULL, body text NOT NULL)")
    connection.execute(
        "INSERT INTO documents SELECT i, timestamptz '2026-01-01' + i * interval '7 seconds', (SELECT string_agg("
        "'field ' || k || ': ' || substr(md5((i::bigint * k)::text), 1, 20) || ' and some words that every document has; ', '')"
        " FROM generate_series(1, 74) k) FROM generate_series(1, %s) i",
        [megabytes * 1_000_000 // _BYTES_PER_DOCUMENT],
    )


def dominant(connection: Connection, megabytes: int) -> None:
    """One table that is nearly everything, with a primary key and three indexes."""
    connection.execute(
        "CREATE TABLE events (id bigint PRIMARY KEY, customer integer NOT NULL, at timestamptz NOT NULL, kind text NOT NULL, note text)"
    )
    connection.execute(
        "INSERT INTO events SELECT i, (i::bigint * 7919) %% 500021, timestamptz '2026-01-01' + i * interval '7 seconds',"
        " (ARRAY['new','paid','sent','closed'])[1 + i %% 4], md5(i::text) || ' ' || substr(md5((i::bigint*7)::text), 1, 16)"
        " FROM generate_series(1, %s) i",
        [megabytes * 1_000_000 // _BYTES_PER_EVENT],
    )
    for name, column in (("customer", "customer"), ("at", "at"), ("note", "note")):
        connection.execute(sql.SQL("CREATE INDEX {} ON events ({})").format(sql.Identifier(f"events_{name}"), sql.Identifier(column)))


def mixed(connection: Connection, megabytes: int) -> None:
    """1,600 objects: a quarter each in a table of documents with a GIN index, in partitions, in one table, and in 150 small ones."""
    quarter = megabytes * 1_000_000 // 4
    connection.execute("CREATE TABLE countries (id integer PRIMARY KEY, name text NOT NULL)")
    connection.execute("INSERT INTO countries SELECT i, 'country ' || i FROM generate_series(0, 199) i")
    for number in range(_MIXED_TABLES):
        _related(connection, number, quarter // _BYTES_PER_LINE // _MIXED_TABLES)
    _partitioned(connection, quarter // _BYTES_PER_EVENT)
    dominant(connection, quarter // 1_000_000)
    _json(connection, quarter // 1000)
    connection.execute("CREATE MATERIALIZED VIEW busy AS SELECT country, count(*) FROM mixed_000 GROUP BY country")


def small(connection: Connection, tables: int) -> None:
    """Many tables of ten rows with a primary key and an index each."""
    for first in range(0, tables, _TABLES_PER_TRANSACTION):
        with connection.transaction():
            for number in range(first, min(first + _TABLES_PER_TRANSACTION, tables)):
                _execute(connection, _SMALL, number, f"small_{number:05}")


SHAPES: dict[str, Build] = {"wide": wide, "dominant": dominant, "mixed": mixed, "small": small}

_SMALL: tuple[LiteralString, ...] = (
    "CREATE TABLE {table} (id integer PRIMARY KEY, label text NOT NULL, changed date)",
    "INSERT INTO {table} SELECT i, md5((i + {number})::text), date '2026-01-01' + i FROM generate_series(1, 10) i",
    "CREATE INDEX ON {table} (label)",
)
_RELATED: tuple[LiteralString, ...] = (
    "CREATE TABLE {table} (id serial PRIMARY KEY, country integer NOT NULL REFERENCES countries, label text NOT NULL,"
    " changed date CHECK (changed > date '2000-01-01'))",
    "INSERT INTO {table} (country, label, changed) SELECT i % 200, md5(i::text) || md5((i + {number})::text),"
    " date '2026-01-01' + i % 300 FROM generate_series(1, {rows}) i",
    "CREATE INDEX ON {table} (label)",
    "CREATE FUNCTION {touch}() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.changed := current_date; RETURN NEW; END'",
    "CREATE TRIGGER touched BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION {touch}()",
)


def _related(connection: Connection, number: int, rows: int) -> None:
    _execute(connection, _RELATED, number, f"mixed_{number:03}", rows)


def _execute(connection: Connection, statements: tuple[LiteralString, ...], number: int, table: str, rows: int = 0) -> None:
    names = {"table": sql.Identifier(table), "touch": sql.Identifier(f"touch_{table}")}
    values = {"number": sql.Literal(number), "rows": sql.Literal(rows)}
    for statement in statements:
        connection.execute(sql.SQL(statement).format(**names, **values))


def _partitioned(connection: Connection, rows: int) -> None:
    connection.execute("CREATE TABLE readings (id bigint, at date NOT NULL, value text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at)")
    for month in range(_PARTITIONS):
        bounds = [f"2026-{month + 1:02}-01", f"2026-{month + 2:02}-01" if month < _PARTITIONS - 1 else "2027-01-01"]
        connection.execute(
            sql.SQL("CREATE TABLE {} PARTITION OF readings FOR VALUES FROM ({}) TO ({})").format(
                sql.Identifier(f"readings_{month + 1:02}"), *map(sql.Literal, bounds)
            )
        )
    connection.execute(
        "INSERT INTO readings SELECT i, date '2026-01-01' + (i %% 365)::integer, md5(i::text) || md5((i::bigint * 3)::text) || 'reading'"
        " FROM generate_series(1, %s) i",
        [rows],
    )
    connection.execute("CREATE INDEX readings_value ON readings (value)")


def _json(connection: Connection, rows: int) -> None:
    connection.execute("CREATE TABLE profiles (id bigint PRIMARY KEY, body jsonb NOT NULL)")
    connection.execute(
        "INSERT INTO profiles SELECT i, jsonb_build_object('id', i, 'tags',"
        " (SELECT jsonb_agg(md5((i::bigint * k)::text)) FROM generate_series(1, 25) k), 'title', 'profile ' || i)"
        " FROM generate_series(1, %s) i",
        [rows],
    )
    connection.execute("CREATE INDEX profiles_title ON profiles ((body ->> 'title'))")
    connection.execute("CREATE INDEX profiles_id ON profiles ((body ->> 'id'))")
    connection.execute("CREATE INDEX profiles_body ON profiles USING gin (body jsonb_path_ops)")
