"""The planner's statistics, collected before anything is checked: it is the last moment at which the restore itself runs code of the dump.

Invariant: as the temporary login, because expressions of indexes and statistics run as the owner of their table, and bounded in time.
"""

import psycopg
from psycopg import sql

from worker import limits
from worker.job import FixUp
from worker.session import Connection


def collect(owner: Connection) -> list[FixUp]:
    """ANALYZE every table. Returns a note per table whose statistics can't be collected: it is whole, and only its plans may be worse.

    Raises psycopg.Error when the connection is lost."""
    owner.execute(sql.SQL("SET statement_timeout = {}").format(sql.Literal(f"{limits.ANALYZE_SECONDS}s")))
    try:
        owner.execute("ANALYZE")
    except psycopg.Error:
        if owner.closed:
            raise
        return [note for schema, table in _tables(owner) for note in _analyze(owner, schema, table)]
    return []


def _tables(owner: Connection) -> list[tuple[str, str]]:
    rows = owner.execute(
        "SELECT n.nspname, c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace "
        "WHERE c.relkind IN ('r', 'm', 'p') AND pg_has_role(c.relowner, 'USAGE') ORDER BY 1, 2"
    )
    return [(schema, table) for schema, table in rows]


def _analyze(owner: Connection, schema: str, table: str) -> list[FixUp]:
    try:
        owner.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(schema, table)))
    except psycopg.Error as error:
        if owner.closed:
            raise
        what = f"no statistics for the planner: {error}"
        return [FixUp(entry=f"TABLE {schema}.{table}", what=what[: limits.MESSAGE_LENGTH])]
    return []
