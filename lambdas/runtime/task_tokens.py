"""Tasks of the flow that wait for their token: one ends with an answer, or is woken to look again. A token serves once."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from dbrestore.contract.errors import NotReady
from dbrestore.contract.refusals import error_code
from lambdas.runtime.aws import translated
from lambdas.runtime.telemetry import log

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

# The execution went on, or was ended, without it.
TOO_LATE = {"TaskTimedOut", "TaskDoesNotExist", "InvalidToken"}


def succeed(stepfunctions: "SFNClient", token: str, answer: Mapping[str, Any]) -> None:
    """End the task with its section. Raises NotReady, upon which the state calls its function again, if Step Functions did not take it."""
    try:
        stepfunctions.send_task_success(taskToken=token, output=json.dumps(answer))
    except (ClientError, BotoCoreError) as error:
        if not isinstance(error, ClientError) or error_code(error) not in TOO_LATE:
            raise translated(error) from error
        log.info("the execution went on without this answer: %s", error)


def wake(stepfunctions: "SFNClient", token: str, cause: str) -> bool:
    """Have the task's state look again; False if nobody waits with this token any more."""
    try:
        stepfunctions.send_task_failure(taskToken=token, error=NotReady.__name__, cause=cause)
    except ClientError as error:
        if error_code(error) not in TOO_LATE:
            raise
        return False
    return True
