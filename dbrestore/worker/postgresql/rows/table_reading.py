"""Reading a restored table or sequence, so that no code of the dump decides what is read.

Invariant: what is read is a table (a sequence) in the same transaction in which that was seen, locked against being replaced; row security
is off, and where a table forces it even on its owner, it is lifted until the transaction is rolled back.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from psycopg import sql

from dbrestore.worker.postgresql.session import Connection

TableName = tuple[str, ...]

_KINDS = {
    "r": "a table",
    "p": "a partitioned table",
    "v": "a view",
    "m": "a materialized view",
    "f": "a foreign table",
    "S": "a sequence",
}


_PLAIN: Final = """SELECT count(*) FROM unnest(%s::text[]) AS t(name) JOIN pg_class AS c ON c.oid = t.name::regclass
    WHERE c.relkind = 'r' AND NOT (c.relrowsecurity AND c.relforcerowsecurity)"""


class NotATable(Exception):
    """Something else stands under the table's name."""


class NotASequence(Exception):
    """Something else stands under the sequence's name."""


@dataclass(frozen=True)
class Readable:
    """`rows` is what stands behind FROM: the table without the tables that inherit from it, or a partitioned one with its partitions."""

    name: sql.Identifier
    rows: sql.Composable
    is_partitioned: bool


@contextmanager
def reading(connection: Connection, table: TableName, loaded: Iterable[TableName], encoding: str) -> Iterator[Readable]:
    """A transaction that is rolled back, with texts in `encoding`, that of the dump. Partitions that are in `loaded` themselves are read
    there and not through `table`.

    Raises NotATable, and psycopg.Error if there is nothing of the name."""
    name = sql.Identifier(*table)
    with connection.transaction(force_rollback=True):
        set_encoding(connection, encoding)
        connection.execute(sql.SQL("LOCK TABLE ONLY {} IN ACCESS SHARE MODE").format(name))
        kind, is_forced = _kind(connection, name)
        if kind not in ("r", "p"):
            raise NotATable(f"{_KINDS.get(kind, 'something else')} is in the table's place")
        if is_forced:
            connection.execute(sql.SQL("ALTER TABLE {} NO FORCE ROW LEVEL SECURITY").format(name))
        rows = _partitions(connection, name, loaded) if kind == "p" else sql.SQL("ONLY {}").format(name)
        yield Readable(name, rows, kind == "p")


def counts(connection: Connection, tables: Sequence[TableName], encoding: str) -> list[int]:
    """The rows of plain tables, in their order. Raises NotATable if one isn't such a table or forces row security, and psycopg.Error if one
    isn't there."""
    names = [sql.Identifier(*table) for table in tables]
    with connection.transaction(force_rollback=True):
        set_encoding(connection, encoding)
        locked = sql.SQL(", ").join(sql.SQL("ONLY {}").format(name) for name in names)
        connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(locked))
        texts = [name.as_string(connection) for name in names]
        plain = connection.execute(_PLAIN, [texts]).fetchone()
        if plain is None or plain[0] != len(tables):
            raise NotATable("something else than a plain table is among them")
        counting = (sql.SQL("SELECT {}, count(*) FROM ONLY {}").format(number, name) for number, name in enumerate(names))
        found: dict[int, int] = dict(connection.execute(sql.SQL(" UNION ALL ").join(counting)).fetchall())
    return [found[number] for number in range(len(tables))]


def sequence_value(connection: Connection, sequence: TableName) -> tuple[int, bool]:
    """`last_value` and `is_called`. Raises NotASequence, and psycopg.Error if there is nothing of the name."""
    name = sql.Identifier(*sequence)
    with connection.transaction(force_rollback=True):
        _require_sequence(connection, name)
        row = connection.execute(sql.SQL("SELECT last_value, is_called FROM {}").format(name)).fetchone()
        # No statement locks a sequence by itself; from the reading on nothing else can take its name.
        _require_sequence(connection, name)
    return row or (0, False)


def _require_sequence(connection: Connection, name: sql.Identifier) -> None:
    kind, _ = _kind(connection, name)
    if kind != "S":
        raise NotASequence(f"{_KINDS.get(kind, 'something else')} is in the sequence's place")


def set_encoding(connection: Connection, encoding: str) -> None:
    """Until the end of the transaction. A dump in SQL_ASCII holds the bytes of the database as they are."""
    own = connection.info.parameter_status("server_encoding") or ""
    wanted = own if encoding == "SQL_ASCII" else encoding
    # psycopg reads no texts in SQL_ASCII; in a database of that encoding LATIN1 is as good, because nothing is converted.
    connection.execute("SELECT set_config('client_encoding', %s, true)", ["LATIN1" if wanted == "SQL_ASCII" else wanted])


def _kind(connection: Connection, name: sql.Identifier) -> tuple[str, bool]:
    row = connection.execute(
        "SELECT relkind::text, relrowsecurity AND relforcerowsecurity FROM pg_class WHERE oid = %s::regclass",
        [name.as_string(connection)],
    ).fetchone()
    return row or ("", False)


def _partitions(connection: Connection, name: sql.Identifier, loaded: Iterable[TableName]) -> sql.Composable:
    below = connection.execute(
        "SELECT c.oid::bigint, n.nspname::text, c.relname::text FROM pg_partition_tree(%s::regclass) AS t "
        "JOIN pg_class AS c ON c.oid = t.relid JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE t.isleaf",
        [name.as_string(connection)],
    ).fetchall()
    names = frozenset(loaded)
    elsewhere = [oid for oid, *table in below if tuple(table) in names]
    if not elsewhere:
        return name
    return sql.SQL("{} WHERE tableoid <> ALL ({}::oid[])").format(name, sql.Literal(elsewhere))
