"""Who works on a database: one restore at a time, by a lock in the ledger for each name on the target."""

from collections.abc import Iterable
from itertools import zip_longest
from typing import Final

from dbrestore.contract.errors import DatabaseBusy
from dbrestore.ledger.table import Table

LOCK: Final = "LOCK"


def busy(table: Table, locks: Iterable[str], asked: Iterable[str]) -> DatabaseBusy:
    """The error that says which restores hold these locks. The first of them are those of the names that were `asked` for; what a lock
    itself says may be written otherwise."""
    pairs = zip_longest(locks, asked)
    told = filter(None, (_told(table, lock, name or lock.split("#", 2)[2]) for lock, name in pairs))
    return DatabaseBusy("\n".join(told) or "A lock was released in the meantime: start again")


def _told(table: Table, lock: str, name: str) -> str | None:
    owner = (table.get(lock, LOCK) or {}).get("restoreId")
    return f"{name}: restore {owner} is working on it right now: wait for it or cancel it" if owner else None
