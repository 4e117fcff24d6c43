"""The planner's statistics, collected before anything is checked: it is the last moment at which the restore itself runs code of the dump.

Invariant: as the temporary login, because expressions of indexes and statistics run as the owner of their table, and bounded in time.
"""

from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import psycopg
from psycopg import sql

from dbrestore.contract.job import FixUp
from dbrestore.worker.base import limits
from dbrestore.worker.base.bounds import Bounds
from dbrestore.worker.postgresql import scheduling, termination
from dbrestore.worker.postgresql.archive import Archive
from dbrestore.worker.postgresql.rows.table_reading import TableName
from dbrestore.worker.postgresql.scheduling import Task
from dbrestore.worker.postgresql.session import Connection

# What `ANALYZE` without a list would take, the catalogues of the database included, with the bytes of each. Partitions are sampled with
# their roots: before PostgreSQL 18 the one can't be had without the other. With the first parameter only those that lack some: dumps
# don't hold what belongs to CREATE STATISTICS (as of PostgreSQL 18).
_TABLES: Final = """SELECT n.nspname, c.relname, CASE WHEN c.relkind = 'p'
        THEN (SELECT coalesce(sum(pg_relation_size(t.relid)), 0)::bigint FROM pg_partition_tree(c.oid) AS t)
        ELSE pg_relation_size(c.oid) END
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'm', 'p') AND c.relpersistence <> 't' AND NOT c.relisshared AND (%(lacking)s OR NOT c.relispartition)
        AND (pg_has_role(c.relowner, 'USAGE') OR n.nspname IN ('pg_catalog', 'information_schema'))
        AND (NOT %(lacking)s OR EXISTS (SELECT FROM pg_statistic_ext AS x WHERE x.stxrelid = c.oid)
            OR NOT EXISTS (SELECT FROM pg_stats AS s WHERE s.schemaname = n.nspname AND s.tablename = c.relname))
    ORDER BY 3 DESC, 1, 2"""


@dataclass(frozen=True)
class Collection:
    """How the statistics of one database are collected: by so many sessions of the temporary login, each table within the bounds.

    `end_sessions` ends those of the login: code of the dump can catch its cancelling, but not that."""

    connect: Callable[[], Connection]
    sessions: int
    end_sessions: Callable[[], None]
    bounds: Bounds
    notes: list[FixUp] = field(default_factory=list)

    def collect(self, archive: Archive, gone: Container[int]) -> list[FixUp]:
        """ANALYZE every table, or those that lack statistics if the dump brought some. Returns a note per table whose statistics can't be
        collected: it is whole, and only its plans may be worse.

        Raises ReplayFailed if one can't be ended, and psycopg.Error when a connection is lost."""
        with self.connect() as connection, connection.cursor() as cursor:
            rows = cursor.stream(_TABLES, {"lacking": _imported(archive, gone)}, size=limits.ROWS_TOGETHER)
            found: list[tuple[TableName, int]] = [((schema, table), size) for schema, table, size in rows]
        tasks = [Task(name=number, cost=cost, run=partial(self._analyze, tables)) for number, (cost, tables) in enumerate(_groups(found))]
        scheduling.run(tasks, self._connect_bounded, self.sessions, self.end_sessions, self.bounds.cancel_seconds)
        return sorted(self.notes, key=lambda note: note.entry)

    def _connect_bounded(self) -> Connection:
        connection = self.connect()
        connection.execute(sql.SQL("SET statement_timeout = {}").format(sql.Literal(f"{self.bounds.analyze_seconds}s")))
        return connection

    def _analyze(self, tables: list[TableName], connection: Connection) -> None:
        try:
            self._analyze_within_bounds(tables, connection)
        except psycopg.Error as error:
            if connection.closed:
                raise
            if len(tables) > 1:
                for table in tables:
                    self._analyze([table], connection)
                return
            what = f"no statistics for the planner: {error}"
            self.notes.append(FixUp(entry=f"TABLE {'.'.join(tables[0])}", what=what[: limits.MESSAGE_LENGTH]))

    def _analyze_within_bounds(self, tables: list[TableName], connection: Connection) -> None:
        why = "ANALYZE could not be cancelled: an expression of an index or of statistics catches that"
        with termination.bounded(self.end_sessions, self.bounds.analyze_seconds + self.bounds.cancel_seconds, why):
            listed = sql.SQL(", ").join(sql.Identifier(*table) for table in tables)
            connection.execute(sql.SQL("ANALYZE {}").format(listed))


def _groups(tables: list[tuple[TableName, int]]) -> Iterator[tuple[int, list[TableName]]]:
    """Bytes and tables for one statement: large ones by themselves, small ones together, so that they cost no round trip each."""
    small = [table for table, size in tables if size < limits.SAMPLED_ALONE]
    yield from ((size, [table]) for table, size in tables if size >= limits.SAMPLED_ALONE)
    for first in range(0, len(small), limits.SAMPLED_TOGETHER):
        yield 0, small[first : first + limits.SAMPLED_TOGETHER]


def _imported(archive: Archive, gone: Container[int]) -> bool:
    return any(e.description == "STATISTICS DATA" and e.dump_id not in gone for e in archive.toc.entries)
