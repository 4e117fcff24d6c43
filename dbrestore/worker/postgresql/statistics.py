"""The planner's statistics, collected before anything is checked: it is the last moment at which the restore itself runs code of the dump.

Invariant: as the temporary login, because expressions of indexes and statistics run as the owner of their table, and bounded in time.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Final

import psycopg
from psycopg import sql

from dbrestore.contract.job import FixUp
from dbrestore.worker.base import limits
from dbrestore.worker.base.bounds import Bounds
from dbrestore.worker.postgresql import termination
from dbrestore.worker.postgresql.archive import Archive, Division
from dbrestore.worker.postgresql.session import Connection

EndSessions = Callable[[], None]
Bounded = Callable[[], AbstractContextManager[None]]

# Those that lack some, if only such are asked for. Dumps don't hold what belongs to CREATE STATISTICS (as of PostgreSQL 18).
_TABLES: Final = """SELECT n.nspname, c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'm', 'p') AND pg_has_role(c.relowner, 'USAGE') AND (NOT %s
        OR NOT EXISTS (SELECT FROM pg_stats AS s WHERE s.schemaname = n.nspname AND s.tablename = c.relname)
        OR EXISTS (SELECT FROM pg_statistic_ext AS x WHERE x.stxrelid = c.oid)) ORDER BY 1, 2"""


def collect(owner: Connection, archive: Archive, division: Division, end_sessions: EndSessions, bounds: Bounds) -> list[FixUp]:
    """ANALYZE every table, or those that lack statistics if the dump brought some. Returns a note per table whose statistics can't be
    collected: it is whole, and only its plans may be worse.

    Code of the dump can catch its cancelling, but not `end_sessions`, which ends those of the login. Raises ReplayFailed in that case, and
    psycopg.Error when the connection is lost."""
    owner.execute(sql.SQL("SET statement_timeout = {}").format(sql.Literal(f"{bounds.analyze_seconds}s")))
    end = partial(_bounded, end_sessions, bounds)
    if _imported(archive, division):
        return [note for schema, table in _tables(owner, lacking=True) for note in _analyze(owner, schema, table, end)]
    try:
        with end():
            owner.execute("ANALYZE")
    except psycopg.Error:
        if owner.closed:
            raise
        return [note for schema, table in _tables(owner) for note in _analyze(owner, schema, table, end)]
    return []


def _bounded(end_sessions: EndSessions, bounds: Bounds) -> AbstractContextManager[None]:
    why = "ANALYZE could not be cancelled: an expression of an index or of statistics catches that"
    return termination.bounded(end_sessions, bounds.analyze_seconds + bounds.cancel_seconds, why)


def _imported(archive: Archive, division: Division) -> bool:
    return any(e.description == "STATISTICS DATA" and e.dump_id not in division.left_out for e in archive.toc.entries)


def _tables(owner: Connection, *, lacking: bool = False) -> list[tuple[str, str]]:
    return [(schema, table) for schema, table in owner.execute(_TABLES, [lacking])]


def _analyze(owner: Connection, schema: str, table: str, end: Bounded) -> list[FixUp]:
    try:
        with end():
            owner.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(schema, table)))
    except psycopg.Error as error:
        if owner.closed:
            raise
        what = f"no statistics for the planner: {error}"
        return [FixUp(entry=f"TABLE {schema}.{table}", what=what[: limits.MESSAGE_LENGTH])]
    return []
