"""Rows that their partition refuses belong to another one here: they are loaded through the root of the tree, and looked for there.

The hash of an enum's label or of a regclass is made of numbers that each server gives anew, that of a text of its bytes, and texts are
ordered as the collation's version has it. pg_dump loads through the root by itself for enums alone, not for arrays or composites of them.

Invariant: a tree of which any rows went through the root is compared as a whole, since they may lie in any of its partitions.
"""

import threading
from collections.abc import Iterable
from dataclasses import dataclass

import psycopg
from psycopg import sql

from dbrestore.contract.job import FixUp
from dbrestore.worker.postgresql.rows import table_reading
from dbrestore.worker.postgresql.rows.table_reading import TableName
from dbrestore.worker.postgresql.session import Connection

_ROOT = """SELECT n.nspname::text, c.relname::text FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.oid = pg_partition_root(to_regclass(%(table)s)) AND c.oid <> to_regclass(%(table)s)"""
_PARENT = "SELECT inhparent::bigint FROM pg_inherits WHERE inhrelid = to_regclass(%(table)s)"
_TREE = """SELECT n.nspname::text, c.relname::text FROM pg_partition_tree(pg_partition_root(%s::regclass)) AS t
    JOIN pg_class AS c ON c.oid = t.relid JOIN pg_namespace AS n ON n.oid = c.relnamespace"""
_WHY = (
    "rows of its partitions belong to other partitions on this server (their hash or order differs): {} partitions were loaded through "
    "the root, and verified all together"
)


@dataclass(frozen=True)
class Place:
    """Where a partition is: the topmost table of its tree, and the oid of the one right above it."""

    root: TableName
    parent: int


class Rerouted:
    """The members of one database that were loaded through their root. All methods may be called from any thread."""

    def __init__(self) -> None:
        self._roots: dict[int, TableName] = {}
        self._parents: set[int] = set()
        self._lock = threading.Lock()

    def add(self, dump_id: int, place: Place) -> None:
        """Note one member, by its TABLE DATA entry."""
        with self._lock:
            self._roots[dump_id] = place.root
            self._parents.add(place.parent)

    def is_empty(self) -> bool:
        """Whether no partition refused rows so far."""
        return not self._parents

    def has_sister_of(self, place: Place) -> bool:
        """Whether a partition beside this one refused rows: then this one will, and need not be asked with all of them first."""
        return place.parent in self._parents

    def dump_ids(self) -> tuple[int, ...]:
        """Of all members."""
        return tuple(sorted(self._roots))

    def fix_ups(self) -> list[FixUp]:
        """One line per root."""
        members = list(self._roots.values())
        return [FixUp(entry=f"TABLE {'.'.join(root)}", what=_WHY.format(members.count(root))) for root in sorted(set(members))]


def is_refused_by_partition(error: psycopg.Error) -> bool:
    """Whether a row isn't the partition's: a constraint of the table or of a domain would have a name."""
    return isinstance(error, psycopg.errors.CheckViolation) and not error.diag.constraint_name


def place_of(connection: Connection, table: TableName, encoding: str) -> Place | None:
    """Of a partition; None if the table is none. `encoding` is that of the dump, whose name it is."""
    # psycopg reads no names in a session in SQL_ASCII, in which the rows of such a dump are sent.
    with connection.transaction(force_rollback=True):
        table_reading.set_encoding(connection, encoding)
        if (root := _root(connection, table)) is None:
            return None
        row = connection.execute(_PARENT, {"table": sql.Identifier(*table).as_string(connection)}).fetchone()
        return Place(root, row[0] if row else 0)


def of_trees(connection: Connection, tables: Iterable[TableName], encoding: str) -> dict[TableName, TableName]:
    """Every table of the trees that these belong to -> the root. `encoding` is that of the dump, whose names they are."""
    found: dict[TableName, TableName] = {}
    with connection.transaction(force_rollback=True):
        table_reading.set_encoding(connection, encoding)
        for table in tables:
            if table not in found and (root := _root(connection, table)):
                name = sql.Identifier(*table).as_string(connection)
                found |= {(str(s), str(n)): root for s, n in connection.execute(_TREE, [name]).fetchall()}
    return found


def _root(connection: Connection, table: TableName) -> TableName | None:
    name = sql.Identifier(*table).as_string(connection)
    return connection.execute(_ROOT, {"table": name}).fetchone()
