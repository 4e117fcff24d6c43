"""`dbrestore cancel`: a restore is asked to stop. The function writes the ledger, so that nobody who uses the command needs to."""

from contextlib import suppress

from dbrestore.contract import names
from dbrestore.contract.errors import RestoreNotFound
from dbrestore.contract.questions.cancellation import CancelAnswer, CancelQuestion
from lambdas.approval import decisions
from lambdas.archive import arrivals
from lambdas.runtime import open_restores, telemetry
from lambdas.runtime.executions import described
from lambdas.runtime.open_restores import request_cancel
from lambdas.runtime.state import Surroundings, handler


@handler("CancelRestore", CancelQuestion, asked=True)
def cancel_restore(question: CancelQuestion, surroundings: Surroundings) -> CancelAnswer:
    """Raises RestoreNotFound, RestoreClosed."""
    return cancel(question, surroundings)


def cancel(question: CancelQuestion, surroundings: Surroundings) -> CancelAnswer:
    """A restore that waits for the archive looks twice an hour: it is woken. Raises RestoreNotFound, RestoreClosed."""
    telemetry.log.append_keys(restoreId=question.restore_id)
    ledger = surroundings.ledger(question.restore_id)
    try:
        request_cancel(surroundings.table, question.restore_id)
    except RestoreNotFound:
        if not _is_planned(question, surroundings):
            raise
        open_restores.cancel_early(ledger)
        # If it was opened between the two looks, the plan may not have seen the wish.
        with suppress(RestoreNotFound):
            request_cancel(surroundings.table, question.restore_id)
    stepfunctions = surroundings.control.stepfunctions
    waited = decisions.wake(stepfunctions, surroundings.table, question.restore_id)
    was_waiting = arrivals.wake_restore(stepfunctions, ledger) or waited
    return CancelAnswer(restore_id=question.restore_id, was_waiting=was_waiting)


def _is_planned(question: CancelQuestion, surroundings: Surroundings) -> bool:
    """Whether it is an execution of this installation that runs: before the end of its first state it isn't in the ledger."""
    arn = question.execution_arn or ""
    machine = surroundings.settings.state_machine_arn.replace(":stateMachine:", ":execution:", 1)
    if names.restore_id(arn) != question.restore_id or arn.rpartition(":")[0] != machine:
        return False
    execution = described(surroundings, arn)
    return execution is not None and execution["status"] == "RUNNING"
