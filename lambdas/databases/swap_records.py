"""Writing the ledger's rows of exchanges (dbrestore.ledger.exchanges)."""

from datetime import timedelta
from typing import Final, Literal

from dbrestore.contract.anchor import Anchor
from dbrestore.contract.job import SwapResult
from dbrestore.contract.swaps.exchanges import Exchange, SwapRecord
from dbrestore.ledger.exchanges import SWAPS
from lambdas.runtime.ledger import Ledger

_STATES: Final[dict[str, Literal["SWAPPED", "UNDONE", "DROPPED"]]] = {"swap": "SWAPPED", "undo": "UNDONE", "drop": "DROPPED"}


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
