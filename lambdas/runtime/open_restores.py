"""What is asked of a restore that is under OPEN, by its own row or from outside."""

from dbrestore.contract.errors import LedgerRowUnreadable, RestoreClosed, RestoreNotFound
from dbrestore.ledger.reading import META
from dbrestore.ledger.stored_rows import Meta
from dbrestore.ledger.table import ConditionFailed, Table
from lambdas.runtime.ledger import Ledger


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


def request_cancel(table: Table, restore_id: str) -> None:
    """Ask a running restore to stop: its next step raises RestoreCancelled and the removers run. Raises RestoreNotFound, RestoreClosed."""
    wish = table.update(restore_id, META, "SET cancelRequested = :yes", "#status = :running", yes=True, running="RUNNING")
    try:
        table.write(wish)
    except ConditionFailed:
        status = Ledger(table, restore_id).meta().status
        raise RestoreClosed(f"Restore {restore_id} is already {status}: there is nothing to stop") from None
