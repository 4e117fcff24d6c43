"""The database that the benchmarks restore: one big table, many small ones, wide JSON rows; a third of the text each, roughly.

The rows come from `generate_series` and hashes, so a run needs no input file and every run restores the same text.
"""

import psycopg
from psycopg import sql

from benchmarks.shapes import Build

SMALL_TABLES = 150
BYTES_PER_ORDER, BYTES_PER_SMALL, BYTES_PER_DOCUMENT = 118, 82, 2900


def create(dsn: str, name: str, size: int, build: Build) -> None:
    """Create database `name` of this size, through an administrator's `dsn` of the same server."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    with psycopg.connect(dsn, dbname=name, autocommit=True) as connection:
        connection.execute("SET synchronous_commit = off")
        build(connection, size)


def thirds(connection: psycopg.Connection[tuple[object, ...]], megabytes: int) -> None:
    """About so many MB of COPY text."""
    third = megabytes * 1_000_000 // 3
    _orders(connection, third // BYTES_PER_ORDER)
    _small_tables(connection, third // BYTES_PER_SMALL // SMALL_TABLES)
    _documents(connection, third // BYTES_PER_DOCUMENT)


def _orders(connection: psycopg.Connection, rows: int) -> None:
    connection.execute(
        "CREATE TABLE orders (id bigint PRIMARY KEY, customer integer NOT NULL, placed timestamptz NOT NULL, status text NOT NULL,"
        " amount numeric(12,2) NOT NULL CHECK (amount >= 0), note text)"
    )
    connection.execute(
        "INSERT INTO orders SELECT i, i %% 50021, timestamptz '2026-01-01' + i * interval '7 seconds',"
        " (ARRAY['new','paid','sent','closed'])[1 + i %% 4], (i %% 100000) / 100.0, md5(i::text) || ' ' || md5((i*7)::text)"
        " FROM generate_series(1, %s) i",
        [rows],
    )
    connection.execute("CREATE INDEX orders_customer ON orders (customer)")
    connection.execute("CREATE INDEX orders_placed ON orders (placed)")


def _small_tables(connection: psycopg.Connection, rows: int) -> None:
    connection.execute("CREATE TABLE countries (id integer PRIMARY KEY, name text NOT NULL)")
    connection.execute("INSERT INTO countries SELECT i, 'country ' || i FROM generate_series(0, 199) i")
    for number in range(SMALL_TABLES):
        table = sql.Identifier(f"small_{number:03}")
        connection.execute(
            sql.SQL(
                "CREATE TABLE {} (id integer PRIMARY KEY, country integer NOT NULL REFERENCES countries, label text UNIQUE, changed date)"
            ).format(table)
        )
        connection.execute(
            sql.SQL(
                "INSERT INTO {} SELECT i, i % 200, md5(i::text) || md5((i + {})::text), date '2026-01-01' + i % 300"
                " FROM generate_series(1, {}) i"
            ).format(table, sql.Literal(number), sql.Literal(rows))
        )


def _documents(connection: psycopg.Connection, rows: int) -> None:
    connection.execute("CREATE TABLE documents (id bigint PRIMARY KEY, body jsonb NOT NULL)")
    connection.execute(
        "INSERT INTO documents SELECT i, jsonb_build_object('id', i, 'tags',"
        " (SELECT jsonb_agg(md5((i * k)::text)) FROM generate_series(1, 72) k),"
        " 'title', 'document ' || i) FROM generate_series(1, %s) i",
        [rows],
    )
    connection.execute("CREATE INDEX documents_title ON documents ((body ->> 'title'))")
