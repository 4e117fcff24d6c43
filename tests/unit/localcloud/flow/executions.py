"""Small state machines in the local cloud: made, run, and what is known of an execution."""

import json
import time
import uuid
from typing import Any

from localcloud.cloud import Cloud


def machine(cloud: Cloud, role: str, states: dict[str, Any]) -> str:
    """The ARN of a new machine that starts at the first of these states."""
    definition = json.dumps({"StartAt": next(iter(states)), "States": states})
    answer = cloud.client("stepfunctions").create_state_machine(name=f"machine-{uuid.uuid4().hex[:8]}", definition=definition, roleArn=role)
    return str(answer["stateMachineArn"])


def task(function: str, event: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A state that calls a function, unlike every other call of it."""
    return {"Type": "Task", "Resource": arn(function), "Parameters": _unlike(event), "End": True, **more}


def token_task(function: str, event: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A state that calls a function with a token, and waits until somebody answers that."""
    payload = {**_unlike(event), "token.$": "$$.Task.Token"}
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
        "Parameters": {"FunctionName": arn(function), "Payload": payload},
        "End": True,
        **more,
    }


def start(cloud: Cloud, role: str, states: dict[str, Any], document: Any = None) -> str:
    """The ARN of a new execution of a new machine."""
    arn = machine(cloud, role, states)
    started = cloud.client("stepfunctions").start_execution(stateMachineArn=arn, input=json.dumps(document or {}))
    return str(started["executionArn"])


def finished(cloud: Cloud, execution: str) -> dict[str, Any]:
    """DescribeExecution's answer when it is over."""
    deadline = time.monotonic() + 60
    while (seen := cloud.client("stepfunctions").describe_execution(executionArn=execution))["status"] == "RUNNING":
        assert time.monotonic() < deadline, "The execution never ended."
        time.sleep(0.05)
    return dict(seen)


def run(cloud: Cloud, role: str, states: dict[str, Any], document: Any = None) -> dict[str, Any]:
    """An execution from its start to its end."""
    return finished(cloud, start(cloud, role, states, document))


def history(cloud: Cloud, execution: str) -> list[dict[str, Any]]:
    """Its events."""
    return list(cloud.client("stepfunctions").get_execution_history(executionArn=execution)["events"])


def kinds(cloud: Cloud, execution: str) -> list[str]:
    """The types of its events."""
    return [event["type"] for event in history(cloud, execution)]


def token(cloud: Cloud, execution: str, attempt: int = 1) -> str:
    """The token that this attempt's function was given, once it is being waited for."""
    deadline = time.monotonic() + 60
    while kinds(cloud, execution).count("TaskSubmitted") < attempt:
        assert time.monotonic() < deadline, "The token is not being waited for."
        time.sleep(0.05)
    scheduled = [event for event in history(cloud, execution) if event["type"] == "TaskScheduled"][attempt - 1]
    return str(json.loads(scheduled["taskScheduledEventDetails"]["parameters"])["Payload"]["token"])


def arn(function: str) -> str:
    """The ARN of a function of the local cloud."""
    return f"arn:aws:lambda:eu-central-1:123456789012:function:{function}"


def _unlike(event: dict[str, Any]) -> dict[str, Any]:
    return {**event, "test": uuid.uuid4().hex}
