"""Triggers of a restored database that a statement of ours about its users would fire.

They came with the backup, and run with the rights of whoever runs the statement: the login that restores, as a rule the master user. So
such a statement isn't run where there are any.
"""

from collections.abc import Sequence
from typing import Final

from dbrestore.worker.sqlserver.session import NativeConnection

_ENABLED: Final = (
    "SELECT DISTINCT t.name FROM sys.triggers AS t JOIN sys.trigger_events AS e ON e.object_id = t.object_id "
    "WHERE t.parent_class = 0 AND t.is_disabled = 0"
)


def of(inside: NativeConnection, events: Sequence[str]) -> str | None:
    """The first enabled one of the current database that one of these events fires (`CREATE_USER`, as `sys.trigger_events` has them)."""
    marks = ", ".join(["%s"] * len(events))
    # Event groups stand there as the events that they consist of.
    rows = inside.rows(f"{_ENABLED} AND e.type_desc IN ({marks}) ORDER BY t.name", list(events))
    return str(rows[0]["name"]) if rows else None
