"""The ledger's rows of exchanges: which restore's database took which name, and until when the one from before is kept.

    pk       sk                     what
    SWAPS    <restore id>#<name>    a SwapRecord (contract.swaps.exchanges), written when one was seen to be done, turned back or dropped

They outlive their restores: `dbrestore swap`, `drop-old` and the sweeper go by them. What the names really stand for, the worker looks.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final, Literal

from dbrestore.contract.anchor import Anchor
from dbrestore.contract.errors import LedgerRowUnreadable
from dbrestore.contract.job import SwapResult
from dbrestore.contract.swaps.exchanges import Exchange, SwapRecord
from dbrestore.ledger.stored_rows import readable
from dbrestore.ledger.table import Table
from lambdas.runtime.ledger import Ledger

SWAPS: Final = "SWAPS"
_STATES: Final[dict[str, Literal["SWAPPED", "UNDONE", "DROPPED"]]] = {"swap": "SWAPPED", "undo": "UNDONE", "drop": "DROPPED"}


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


def note(ledger: Ledger, where: Anchor, result: SwapResult) -> None:
    """What is so from now on. An exchange that was not done leaves the row as it is."""
    swap = where.swap
    if not result.is_done or swap is None:
        return
    now = ledger.clock()
    exchange = Exchange.model_validate(result.model_dump(include=set(Exchange.model_fields)))
    keeps = result.action == "swap" and result.old_id
    record = SwapRecord(
        of=swap.of,
        exchange=exchange,
        state=_STATES[result.action],
        target_arn=where.target.arn,
        resource_id=where.target.resource_id,
        by=where.restore_id,
        changed_at=now,
        keep_until=now + timedelta(days=swap.keep_days) if keeps else None,
    )
    key = f"{swap.of}#{exchange.name}"
    ledger.table.write(ledger.table.put({"pk": SWAPS, "sk": key, **record.model_dump(mode="json", by_alias=True, exclude_none=True)}))
