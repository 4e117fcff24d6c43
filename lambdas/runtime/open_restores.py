"""What is asked of a restore that is under OPEN, by its own row or from outside."""

from datetime import datetime
from typing import Final

from dbrestore.contract.errors import LedgerRowUnreadable, RestoreClosed, RestoreNotFound
from dbrestore.ledger.reading import META
from dbrestore.ledger.stored_rows import Meta
from dbrestore.ledger.table import ConditionFailed, Table
from lambdas.runtime.ledger import Ledger

_CANCELLED_EARLY: Final = "CANCELLED"


def open_meta(ledger: Ledger) -> Meta:
    """The own row of a restore under OPEN, which is written and closed together with it. Raises LedgerRowUnreadable."""
    try:
        return ledger.meta()
    except RestoreNotFound as error:
        raise LedgerRowUnreadable(
            f"{ledger.restore_id} is listed under OPEN in the ledger, but its own row META is gone: somebody deleted it, and with it the "
            f"record of where things were made. Remove what carries the tag dbrestore:restore-id={ledger.restore_id}, then the row under "
            "OPEN"
        ) from error


def cancel_early(ledger: Ledger) -> None:
    """Ask a restore to stop that isn't in the ledger yet: PlanRestore looks for this row when it has opened the ledger."""
    ledger.table.write(ledger.table.put({"pk": ledger.restore_id, "sk": _CANCELLED_EARLY, "since": ledger.clock().isoformat()}))


def was_cancelled_early(ledger: Ledger) -> bool:
    """Whether somebody asked it to stop before it was in the ledger."""
    return ledger.table.get(ledger.restore_id, _CANCELLED_EARLY) is not None


def keep_copies(ledger: Ledger, since: datetime, until: datetime) -> None:
    """Say how long the copies of a drill that passed stay; what was said first counts."""
    change = "SET keptSince = if_not_exists(keptSince, :since), keptUntil = if_not_exists(keptUntil, :until)"
    ledger.table.write(ledger.table.update(ledger.restore_id, META, change, since=since.isoformat(), until=until.isoformat()))


def request_cancel(table: Table, restore_id: str) -> None:
    """Ask a running restore to stop: its next step raises RestoreCancelled and the removers run. Raises RestoreNotFound, RestoreClosed."""
    wish = table.update(restore_id, META, "SET cancelRequested = :yes", "#status = :running", yes=True, running="RUNNING")
    try:
        table.write(wish)
    except ConditionFailed:
        status = Ledger(table, restore_id).meta().status
        raise RestoreClosed(f"Restore {restore_id} is already {status}: there is nothing to stop") from None
