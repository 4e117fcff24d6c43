"""Tasks of which there are several: removers, and those that somebody wakes."""

from typing import Any

from dbrestore.contract import errors, pauses
from dbrestore.contract.pauses import Pauses
from statemachine.asl import ALL, TIMEOUT, Json, State, catch, task
from statemachine.retries import REMOVER_FAILED, TOKEN_FUNCTION_FAILED, look_again, never_again


def remover(name: str, comment: str, *, leftovers: str, then: str, first: tuple[Json, ...] = ()) -> State:
    """Leads to the next one however it ends; if it fails for good, that is noted under `leftovers`. `first` is caught before anything."""
    return task(
        name,
        Comment=comment,
        ResultPath=None,
        Retry=[never_again(errors.RestoreNotFound), look_again(pauses.REMOVAL), REMOVER_FAILED],
        Catch=[*first, catch(ALL, into=f"$.leftovers.{leftovers}", then=then)],
        Next=then,
    )


def woken(name: str, comment: str, *, seconds: int, looks: Pauses, **fields: Any) -> State:
    """Waits for its task's token, and looks again after so many seconds if nobody sends it."""
    return task(
        name,
        Comment=comment,
        Resource="arn:aws:states:::lambda:invoke.waitForTaskToken",
        Parameters={"FunctionName": f"${{{name}}}", "Payload": {"plan.$": "$.plan", "taskToken.$": "$$.Task.Token"}},
        TimeoutSeconds=seconds,
        Retry=[look_again(looks), look_again(looks, TIMEOUT), TOKEN_FUNCTION_FAILED],
        **fields,
    )
