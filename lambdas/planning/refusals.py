"""A restore that its plan refuses is told by an event: who asked in a ticket system doesn't see the execution end.

Whoever waits at a command reads the refusal there, too. A plan that was asked for is its own answer.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import ValidationError

from dbrestore.contract import names
from dbrestore.contract.errors import NotReady, RestoreError
from dbrestore.contract.job import ErrorNote
from dbrestore.contract.record import RestoreEvent
from dbrestore.contract.request import RestoreRequest
from lambdas.runtime import events
from lambdas.runtime.aws import translated
from lambdas.runtime.inputs import PlanInput
from lambdas.runtime.state import Surroundings

REFUSED: Final = "Restore Refused"


@contextmanager
def told(section: PlanInput, surroundings: Surroundings, began: datetime) -> Iterator[None]:
    """Tells of what ends the planning in here, but not of what will be tried again."""
    try:
        yield
    except (RestoreError, ClientError, BotoCoreError) as error:
        known = error if isinstance(error, RestoreError) else translated(error)
        if not isinstance(known, NotReady) and (request := _request(section)):
            events.tell(surroundings.control, _event(section, request, known, section.started_at or began, surroundings.clock()), REFUSED)
        raise


def _request(section: PlanInput) -> RestoreRequest | None:
    """What was asked for; None if it was a plan alone, or if it can't be read, so that nobody knows for which ticket it was."""
    try:
        request = RestoreRequest.model_validate(section.request)
    except ValidationError:
        return None
    return None if request.mode == "plan" else request


def _event(section: PlanInput, request: RestoreRequest, error: RestoreError, started_at: datetime, now: datetime) -> RestoreEvent:
    return RestoreEvent(
        restore_id=names.restore_id(section.execution_arn),
        execution_arn=section.execution_arn,
        status="FAILED",
        error=ErrorNote.of(error),
        target=request.target.db_instance,
        started_at=started_at,
        ended_at=now,
        ticket=request.ticket,
        caller=events.caller(request),
    )
