"""In this process too a state may wait for its token, and does so in hundredths of a second."""

import json
import time
from typing import Any

import boto3

from tests.statemachine import plain_moto
from tests.statemachine.world import ACCOUNT, REGION, World

FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:Wake"
HALF_AN_HOUR = 1800


def _run(world: World) -> dict[str, Any]:
    wait = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
        "TimeoutSeconds": HALF_AN_HOUR,
        "Parameters": {"FunctionName": FUNCTION, "Payload": {"token.$": "$$.Task.Token"}},
        "End": True,
        "Retry": [{"ErrorEquals": ["States.Timeout"], "IntervalSeconds": 1, "MaxAttempts": 1}],
    }
    steps = boto3.client("stepfunctions")
    machine = steps.create_state_machine(
        name="waiting",
        definition=json.dumps({"StartAt": "Wake", "States": {"Wake": wait}}),
        roleArn="arn:aws:iam::123456789012:role/machine",
    )["stateMachineArn"]
    return world.wait(steps.start_execution(stateMachineArn=machine, input="{}")["executionArn"])


def test_the_answer_to_the_token_is_the_result(world: World) -> None:
    called = []

    def wake(state: str, event: dict[str, Any]) -> dict[str, Any]:
        called.append(state)
        boto3.client("stepfunctions").send_task_success(taskToken=event["token"], output='{"awake": true}')
        return {}

    plain_moto.serve(world.patch, wake)
    ended = _run(world)

    assert (ended["status"], ended["output"], called) == ("SUCCEEDED", '{"awake": true}', ["Wake"])


def test_half_an_hour_is_over_in_a_moment_when_nobody_answers(world: World) -> None:
    tokens = []
    plain_moto.serve(world.patch, lambda _, event: tokens.append(event["token"]))
    started = time.monotonic()

    ended = _run(world)

    assert (ended["status"], ended["error"]) == ("FAILED", "States.Timeout")
    assert len(set(tokens)) == 2
    assert time.monotonic() - started < 10
