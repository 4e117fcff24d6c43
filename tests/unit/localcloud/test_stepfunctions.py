"""Step Functions runs the definition as AWS would."""

import json
import time
import uuid
from typing import Any

import pytest

from localcloud.cloud import Cloud
from tests.unit.localcloud import lambda_functions


@pytest.fixture(scope="module")
def function(cloud: Cloud) -> str:
    return lambda_functions.create(cloud)


@pytest.fixture(scope="module")
def role(cloud: Cloud) -> str:
    return lambda_functions.role(cloud)


def _machine(cloud: Cloud, role: str, states: dict[str, Any]) -> str:
    definition = json.dumps({"StartAt": next(iter(states)), "States": states})
    answer = cloud.client("stepfunctions").create_state_machine(
        name=f"machine-{uuid.uuid4().hex[:8]}", definition=definition, roleArn=role
    )
    return str(answer["stateMachineArn"])


def _task(function: str, event: dict[str, Any], **more: Any) -> dict[str, Any]:
    arn = f"arn:aws:lambda:eu-central-1:123456789012:function:{function}"
    return {"Type": "Task", "Resource": arn, "Parameters": {**event, "test": uuid.uuid4().hex}, "End": True, **more}


def _finished(cloud: Cloud, execution: str) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while (seen := cloud.client("stepfunctions").describe_execution(executionArn=execution))["status"] == "RUNNING":
        assert time.monotonic() < deadline, "The execution never ended."
        time.sleep(0.05)
    return dict(seen)


def _run(cloud: Cloud, role: str, states: dict[str, Any], document: Any = None) -> dict[str, Any]:
    machine = _machine(cloud, role, states)
    started = cloud.client("stepfunctions").start_execution(stateMachineArn=machine, input=json.dumps(document or {}))
    return _finished(cloud, started["executionArn"])


def _history(cloud: Cloud, execution: dict[str, Any]) -> list[dict[str, Any]]:
    answer = cloud.client("stepfunctions").get_execution_history(executionArn=execution["executionArn"])
    return list(answer["events"])


def test_the_branch_of_a_parallel_is_a_try_block_and_its_result_is_unpacked(cloud: Cloud, role: str) -> None:
    branch = {"StartAt": "Make", "States": {"Make": {"Type": "Pass", "Result": {"made": 1}, "End": True}}}

    ended = _run(cloud, role, {"Try": {"Type": "Parallel", "Branches": [branch], "OutputPath": "$[0]", "End": True}})

    assert ended["status"] == "SUCCEEDED"
    assert json.loads(ended["output"]) == {"made": 1}


def test_executions_without_a_name_are_told_apart(cloud: Cloud, role: str) -> None:
    machine = _machine(cloud, role, {"Nothing": {"Type": "Succeed"}})

    names = {cloud.client("stepfunctions").start_execution(stateMachineArn=machine)["executionArn"] for _ in range(2)}

    assert len(names) == 2
    listed = cloud.client("stepfunctions").list_executions(stateMachineArn=machine)["executions"]
    assert {execution["executionArn"] for execution in listed} == names


def test_a_function_is_invoked_by_the_role_of_the_machine(cloud: Cloud, role: str, function: str) -> None:
    before = len(cloud.calls)

    _run(cloud, role, {"Call": _task(function, {})})

    assert [call.action for call in cloud.calls[before:] if call.principal == role] == ["lambda:Invoke"]


def test_an_unknown_function_fails_the_execution(cloud: Cloud, role: str) -> None:
    ended = _run(cloud, role, {"Call": _task("nobody", {})})

    assert (ended["status"], ended["error"]) == ("FAILED", "Lambda.ResourceNotFoundException")
    assert "nobody" in ended["cause"]


def test_retry_comes_back_by_class_of_error_and_its_delay_is_scaled_and_bounded(
    cloud: Cloud, role: str, function: str
) -> None:
    retry = [
        {
            "ErrorEquals": ["NotReady"],
            "IntervalSeconds": 30,
            "BackoffRate": 100.0,
            "MaxDelaySeconds": 40,
            "MaxAttempts": 9,
        }
    ]
    lambda_functions.invoke(cloud, function)
    started = time.monotonic()

    ended = _run(cloud, role, {"Wait": _task(function, {"error": "NotReady", "failures": 3}, Retry=retry)})

    # 30 + 40 + 40 seconds at a scale of 100 are 1.1 s; without the bound they would be 3,000 s.
    assert ended["status"] == "SUCCEEDED"
    assert 1.1 <= time.monotonic() - started < 10
    assert [event["type"] for event in _history(cloud, ended)].count("LambdaFunctionFailed") == 3


def test_retry_gives_up_after_its_attempts_with_the_error_of_the_function(
    cloud: Cloud, role: str, function: str
) -> None:
    retry = [{"ErrorEquals": ["NotReady"], "IntervalSeconds": 1, "BackoffRate": 1.0, "MaxAttempts": 2}]

    ended = _run(cloud, role, {"Wait": _task(function, {"error": "NotReady", "failures": 9}, Retry=retry)})

    assert (ended["status"], ended["error"]) == ("FAILED", "NotReady")
    assert json.loads(ended["cause"])["errorMessage"] == "attempt 3"


def test_a_task_that_times_out_in_a_branch_is_caught_and_leaves_under_its_name(
    cloud: Cloud, role: str, function: str
) -> None:
    slow = _task(function, {"sleep": 3}, TimeoutSeconds=1)
    states = {
        "Try": {
            "Type": "Parallel", "Branches": [{"StartAt": "Slow", "States": {"Slow": slow}}], "End": True,
            "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.failure", "Next": "CleanUp"}],
        },
        "CleanUp": {"Type": "Pass", "Next": "HowDidItEnd"},
        "HowDidItEnd": {
            "Type": "Choice", "Default": "Good",
            "Choices": [{"Variable": "$.failure", "IsPresent": True, "Next": "Bad"}],
        },
        "Bad": {"Type": "Fail", "ErrorPath": "$.failure.Error", "CausePath": "States.JsonToString($.failure)"},
        "Good": {"Type": "Succeed"},
    }  # fmt: skip

    ended = _run(cloud, role, states)

    assert (ended["status"], ended["error"]) == ("FAILED", "States.Timeout")
    entered = [
        event["stateEnteredEventDetails"]["name"]
        for event in _history(cloud, ended)
        if "stateEnteredEventDetails" in event
    ]
    assert entered == ["Try", "Slow", "CleanUp", "HowDidItEnd", "Bad"]


@pytest.mark.parametrize("wait", ["in a retry delay", "in a function"])
def test_stop_takes_effect_at_once_and_keeps_error_and_cause(cloud: Cloud, role: str, function: str, wait: str) -> None:
    retry = [{"ErrorEquals": ["NotReady"], "IntervalSeconds": 6000, "MaxAttempts": 9}]
    event = {"error": "NotReady", "failures": 1} if wait == "in a retry delay" else {"sleep": 3}
    machine = _machine(cloud, role, {"Wait": _task(function, event, Retry=retry), "Never": {"Type": "Succeed"}})
    steps = cloud.client("stepfunctions")
    execution = steps.start_execution(stateMachineArn=machine)["executionArn"]
    time.sleep(1)

    steps.stop_execution(executionArn=execution, error="RestoreCancelled", cause="by hand")

    ended = steps.describe_execution(executionArn=execution)
    assert (ended["status"], ended["error"], ended["cause"]) == ("ABORTED", "RestoreCancelled", "by hand")
    last = _history(cloud, ended)[-1]
    assert (last["type"], last["executionAbortedEventDetails"]["cause"]) == ("ExecutionAborted", "by hand")
    time.sleep(3)
    assert steps.describe_execution(executionArn=execution) | {"ResponseMetadata": 0} == ended | {"ResponseMetadata": 0}
    assert _history(cloud, ended)[-1] == last
