"""What the rows and indexes of a restore may take of this server. Invariant: some of it is left for those who work there."""

from dataclasses import dataclass
from typing import Final

from dbrestore.worker.base import limits
from dbrestore.worker.postgresql.session import Connection

_FREE: Final = """SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
        - (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')"""
# Both in bytes; on RDS shared_buffers are a quarter of the instance's memory unless its parameter group says otherwise.
_MEMORY: Final = "SELECT pg_size_bytes(current_setting('shared_buffers')), pg_size_bytes(current_setting('maintenance_work_mem'))"


@dataclass(frozen=True)
class Capacity:
    """So many connections; bytes of memory that each may sort an index in, None if the server's own setting is as large; and what the
    server is, as libpq says (170010)."""

    streams: int
    index_memory: int | None
    version: int

    def __str__(self) -> str:
        memory = f"{self.index_memory >> 20} MB each to sort an index in" if self.index_memory else "the server's own memory to sort in"
        return f"{self.streams} streams, {memory}"


def usable(master: Connection, wanted: int) -> int:
    """So many of those that were planned, at least one: half of what is free now, besides the restore's own other sessions."""
    row = master.execute(_FREE).fetchone()
    free = int(row[0]) if row else 0
    return max(1, min(wanted, (free - limits.OTHER_SESSIONS) // 2))


def capacity(master: Connection, wanted: int) -> Capacity:
    """Of the server, for a restore for which so many streams were planned."""
    streams = usable(master, wanted)
    row = master.execute(_MEMORY).fetchone()
    buffers, usual = row if row else (0, 0)
    return Capacity(streams, index_memory(buffers, usual, streams), master.info.server_version)


def index_memory(buffers: int, usual: int, streams: int) -> int | None:
    """What each of so many streams may use: together a share of what the server keeps pages in. None if that isn't more than usual."""
    share = min(buffers // limits.INDEX_MEMORY_SHARE // streams, limits.INDEX_MEMORY)
    return share if share > usual else None
