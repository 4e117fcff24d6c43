"""`dbrestore cancel`: a restore is asked to stop. The function writes the ledger, so that nobody who uses the command needs to."""

from dbrestore.contract.cancellation import CancelAnswer, CancelQuestion
from lambdas.archive import waits
from lambdas.runtime.ledger import request_cancel
from lambdas.runtime.state import Surroundings, handler


@handler("CancelRestore", CancelQuestion, asked=True)
def cancel_restore(question: CancelQuestion, surroundings: Surroundings) -> CancelAnswer:
    """A restore that waits for the archive looks twice an hour: it is woken. Raises RestoreNotFound, RestoreClosed."""
    request_cancel(surroundings.table, question.restore_id)
    ledger = surroundings.ledger(question.restore_id)
    was_waiting = waits.wake_restore(surroundings.control.stepfunctions, ledger)
    return CancelAnswer(restore_id=question.restore_id, was_waiting=was_waiting)
