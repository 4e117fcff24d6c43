"""What `pg_dump --statistics` (18) recorded for the planner. Invariant: it isn't part of the data, so none of it fails a restore."""

from collections.abc import Iterable

import psycopg

from dbrestore.contract.errors import ReplayFailed
from dbrestore.contract.job import FixUp
from dbrestore.points.pgdump.toc import TocEntry
from dbrestore.worker.postgresql.session import Connection, explained, is_refusal
from dbrestore.worker.postgresql.statements import Executor

_FIRST_VERSION = 180000
_TOO_OLD = "this server can't import it"
_ANEW = "ANALYZE collects the statistics again"


def is_possible(version: int) -> bool:
    """Whether a server of this version (170010) can import statistics."""
    return version >= _FIRST_VERSION


def restore(connection: Connection, executor: Executor, entries: Iterable[TocEntry]) -> list[FixUp]:
    """Import it as the temporary login where the server can; what it can't take is listed, and comes from ANALYZE instead."""
    chosen = executor.omissions.without(entries)
    if chosen and not is_possible(connection.info.server_version):
        for entry in chosen:
            executor.omissions.add(entry, _TOO_OLD, harmless=True)
        return [FixUp(entry=f"STATISTICS DATA of {len(chosen)} objects", what=f"{_TOO_OLD}; {_ANEW}")]
    return [note for entry in chosen for note in _restore_one(connection, executor, entry)]


def _restore_one(connection: Connection, executor: Executor, entry: TocEntry) -> list[FixUp]:
    try:
        executor.run_strictly(connection, entry)
    except ReplayFailed as error:
        cause = error.__cause__
        if not isinstance(cause, psycopg.Error) or not is_refusal(cause):
            raise
        return [_dropped(executor, entry, explained(cause))]
    return []


def _dropped(executor: Executor, entry: TocEntry, why: str) -> FixUp:
    executor.omissions.add(entry, why, harmless=True)
    return FixUp(entry=entry.label, what=f"{why}; {_ANEW}")
