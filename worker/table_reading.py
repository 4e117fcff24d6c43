"""Reading a restored table, so that no code of the dump decides what is read.

Invariant: what is read is a table in the same transaction in which that was seen, locked against being replaced; row security is off, and
where a table forces it even on its owner, it is lifted until the transaction is rolled back.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from psycopg import sql

from worker.session import Connection

TableName = tuple[str, ...]

_KINDS = {"v": "a view", "m": "a materialized view", "f": "a foreign table", "S": "a sequence"}


class NotATable(Exception):
    """Something else stands under the table's name."""


@dataclass(frozen=True)
class Readable:
    """`rows` is what stands behind FROM: the table without the tables that inherit from it, or a partitioned one with its partitions."""

    name: sql.Identifier
    rows: sql.Composable
    is_partitioned: bool


@contextmanager
def reading(connection: Connection, table: TableName, loaded: Iterable[TableName]) -> Iterator[Readable]:
    """A transaction that is rolled back. Partitions that are in `loaded` themselves are read there and not through `table`.

    Raises NotATable, and psycopg.Error if there is nothing of the name."""
    name = sql.Identifier(*table)
    with connection.transaction(force_rollback=True):
        connection.execute(sql.SQL("LOCK TABLE ONLY {} IN ACCESS SHARE MODE").format(name))
        kind, is_forced = _kind(connection, name)
        if kind not in ("r", "p"):
            raise NotATable(f"{_KINDS.get(kind, 'something else')} stands in the table's place")
        if is_forced:
            connection.execute(sql.SQL("ALTER TABLE {} NO FORCE ROW LEVEL SECURITY").format(name))
        rows = _partitions(connection, name, loaded) if kind == "p" else sql.SQL("ONLY {}").format(name)
        yield Readable(name, rows, kind == "p")


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
