"""`POST /v1/restores/{id}/cancel`: as `dbrestore cancel`, for those who may."""

from dbrestore.contract.api.restores import ShownRestore
from dbrestore.contract.errors import NotPermitted
from dbrestore.contract.questions.cancellation import CancelQuestion
from lambdas.entrances import cancel_restore
from lambdas.entrances.api import received, showing
from lambdas.entrances.api.showing import Look


def stopped(look: Look, restore_id: str) -> ShownRestore:
    """Ask the restore to stop. Raises Refusal, NotPermitted, RestoreClosed."""
    shown = showing.restore(look, restore_id)
    accepted = received.find(look.ledger, restore_id)
    if not showing.may(look, shown, accepted, "cancel"):
        raise NotPermitted(showing.of_shown(look, shown, "cancel").reason)
    arn = accepted.execution_arn if accepted else None
    cancel_restore.cancel(CancelQuestion(restore_id=restore_id, execution_arn=arn), look.surroundings)
    return showing.restore(look, restore_id)
