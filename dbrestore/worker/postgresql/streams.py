"""How many connections the rows and indexes of a restore may take on this server. Invariant: some are left for those who work there."""

from typing import Final

from dbrestore.worker.base import limits
from dbrestore.worker.postgresql.session import Connection

_FREE: Final = """SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
        - (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')"""


def usable(master: Connection, wanted: int) -> int:
    """So many of those that were planned, at least one: half of what is free now, besides the restore's own other sessions."""
    row = master.execute(_FREE).fetchone()
    free = int(row[0]) if row else 0
    return max(1, min(wanted, (free - limits.OTHER_SESSIONS) // 2))
