"""Reading the ledger's rows of exchanges: which restore's database took which name, and until when the one from before is kept.

    pk       sk                     what
    SWAPS    <restore id>#<name>    a SwapRecord (contract.swaps.exchanges), written when one was seen to be done, turned back or dropped

They outlive their restores: `dbrestore swap`, `drop-old`, `report` and the sweeper go by them. What the names really stand for, the worker
looks.
"""

from collections.abc import Iterator
from typing import Final

from dbrestore.contract.errors import LedgerRowUnreadable
from dbrestore.contract.swaps.exchanges import SwapRecord
from dbrestore.ledger.stored_rows import readable
from dbrestore.ledger.table import Table

SWAPS: Final = "SWAPS"


def of_restore(table: Table, restore_id: str) -> tuple[SwapRecord, ...]:
    """All exchanges of a restore's databases. Raises LedgerRowUnreadable."""
    return tuple(readable(SwapRecord, item) for item in table.query(SWAPS, f"{restore_id}#"))


def every(table: Table) -> Iterator[SwapRecord]:
    """All that can be read; what can't be is told by whoever asks for that restore's."""
    for item in table.query(SWAPS):
        try:
            yield readable(SwapRecord, item)
        except LedgerRowUnreadable:
            continue
