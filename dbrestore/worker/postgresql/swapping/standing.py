"""Which name each of the two databases of an exchange bears, by their oids.

PostgreSQL gives no database the oid of another that is there, and a rename doesn't change it.
"""

from dataclasses import dataclass

from dbrestore.contract.swaps.exchanges import SwapJob
from dbrestore.worker.postgresql.session import Connection


@dataclass(frozen=True)
class Standing:
    """`restored` and `old` are the names that they bear, empty if they are gone; `names` are all databases with their oids."""

    old_id: str
    restored: str
    old: str
    names: dict[str, str]


def identity(master: Connection, name: str) -> str:
    """Of the database of this name; empty if there is none."""
    row = master.execute("SELECT oid::text FROM pg_database WHERE datname = %s", [name]).fetchone()
    return str(row[0]) if row else ""


def look(master: Connection, swap: SwapJob) -> Standing:
    """How the exchange stands. As long as it isn't known which database is to be kept, it is the one that bears the name, and after an
    exchange the one that bears the derived name, which no other restore gives."""
    names: dict[str, str] = dict(master.execute("SELECT datname, oid::text FROM pg_database").fetchall())
    by_id = {oid: name for name, oid in names.items()}
    restored = by_id.get(swap.restored_id, "")
    holder = swap.kept_as if restored == swap.name else swap.name
    old_id = swap.old_id or names.get(holder, "")
    return Standing(old_id, restored, by_id.get(old_id, ""), names)
