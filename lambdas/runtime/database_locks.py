"""Who works on a database: one restore at a time, by a lock in the ledger for each name on the target."""

from collections.abc import Iterable
from typing import Final

from dbrestore.contract.errors import DatabaseBusy
from dbrestore.ledger.table import Table

LOCK: Final = "LOCK"


def busy(table: Table, names: Iterable[str]) -> DatabaseBusy:
    """The error that says which restores hold locks of these names."""
    told = filter(None, (_told(table, name) for name in names))
    return DatabaseBusy("\n".join(told) or "A lock was released in the meantime: start again")


def _told(table: Table, lock: str) -> str | None:
    owner = (table.get(lock, LOCK) or {}).get("restoreId")
    name = lock.split("#", 2)[2]
    return f"{name}: restore {owner} is working on it right now: wait for it or cancel it" if owner else None
