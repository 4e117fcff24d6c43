"""Executions of the state machine, as Step Functions describes them."""

import json
from typing import TYPE_CHECKING

from lambdas.runtime.state import Surroundings

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions.type_defs import DescribeExecutionOutputTypeDef


def is_running(surroundings: Surroundings, execution_arn: str) -> bool:
    """Whether the execution is under way; one that Step Functions doesn't know any more is not."""
    found = described(surroundings, execution_arn)
    return found is not None and found["status"] == "RUNNING"


def described(surroundings: Surroundings, execution_arn: str) -> "DescribeExecutionOutputTypeDef | None":
    """None if there is no such execution."""
    stepfunctions = surroundings.control.stepfunctions
    try:
        return stepfunctions.describe_execution(executionArn=execution_arn)
    except stepfunctions.exceptions.ExecutionDoesNotExist:
        return None


def message_of(cause: str) -> str:
    """The sentence in an execution's cause: a function's own is what Lambda wraps it in, under `errorMessage`; others are text."""
    try:
        value = json.loads(cause)
    except ValueError:
        return cause
    return str(value.get("errorMessage", cause)) if isinstance(value, dict) else cause
