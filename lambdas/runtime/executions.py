"""Executions of the state machine, as Step Functions describes them."""

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
