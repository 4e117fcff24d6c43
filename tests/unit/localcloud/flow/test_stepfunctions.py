"""Step Functions runs the definition as AWS would."""

import json
import time

import pytest

from localcloud.cloud import Cloud
from tests.unit.localcloud.flow import lambda_functions
from tests.unit.localcloud.flow.executions import history, machine, run, task


@pytest.fixture(scope="module")
def function(cloud: Cloud) -> str:
    return lambda_functions.create(cloud)


@pytest.fixture(scope="module")
def role(cloud: Cloud) -> str:
    return lambda_functions.role(cloud)


def test_the_branch_of_a_parallel_is_a_try_block_and_its_result_is_unpacked(cloud: Cloud, role: str) -> None:
    branch = {"StartAt": "Make", "States": {"Make": {"Type": "Pass", "Result": {"made": 1}, "End": True}}}

    ended = run(cloud, role, {"Try": {"Type": "Parallel", "Branches": [branch], "OutputPath": "$[0]", "End": True}})

    assert ended["status"] == "SUCCEEDED"
    assert json.loads(ended["output"]) == {"made": 1}


def test_executions_without_a_name_are_told_apart(cloud: Cloud, role: str) -> None:
    made = machine(cloud, role, {"Nothing": {"Type": "Succeed"}})

    names = {cloud.client("stepfunctions").start_execution(stateMachineArn=made)["executionArn"] for _ in range(2)}

    assert len(names) == 2
    listed = cloud.client("stepfunctions").list_executions(stateMachineArn=made)["executions"]
    assert {execution["executionArn"] for execution in listed} == names


def test_a_function_is_invoked_by_the_role_of_the_machine(cloud: Cloud, role: str, function: str) -> None:
    before = len(cloud.calls)

    run(cloud, role, {"Call": task(function, {})})

    assert [call.action for call in cloud.calls[before:] if call.principal == role] == ["lambda:Invoke"]


def test_an_unknown_function_fails_the_execution(cloud: Cloud, role: str) -> None:
    ended = run(cloud, role, {"Call": task("nobody", {})})

    assert (ended["status"], ended["error"]) == ("FAILED", "Lambda.ResourceNotFoundException")
    assert "nobody" in ended["cause"]


def test_retry_comes_back_by_class_of_error_and_its_delay_is_scaled_and_bounded(cloud: Cloud, role: str, function: str) -> None:
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

    ended = run(cloud, role, {"Wait": task(function, {"error": "NotReady", "failures": 3}, Retry=retry)})

    # 30 + 40 + 40 seconds at a scale of 100 are 1.1 s; without the bound they would be 3,000 s.
    assert ended["status"] == "SUCCEEDED"
    assert 1.1 <= time.monotonic() - started < 10
    assert [event["type"] for event in history(cloud, ended["executionArn"])].count("LambdaFunctionFailed") == 3


def test_retry_gives_up_after_its_attempts_with_the_error_of_the_function(cloud: Cloud, role: str, function: str) -> None:
    retry = [{"ErrorEquals": ["NotReady"], "IntervalSeconds": 1, "BackoffRate": 1.0, "MaxAttempts": 2}]

    ended = run(cloud, role, {"Wait": task(function, {"error": "NotReady", "failures": 9}, Retry=retry)})

    assert (ended["status"], ended["error"]) == ("FAILED", "NotReady")
    assert json.loads(ended["cause"])["errorMessage"] == "attempt 3"


def test_a_task_that_times_out_in_a_branch_is_caught_and_leaves_under_its_name(cloud: Cloud, role: str, function: str) -> None:
    slow = task(function, {"sleep": 3}, TimeoutSeconds=1)
    states = {
        "Try": {
            "Type": "Parallel",
            "Branches": [{"StartAt": "Slow", "States": {"Slow": slow}}],
            "End": True,
            "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.failure", "Next": "CleanUp"}],
        },
        "CleanUp": {"Type": "Pass", "Next": "HowDidItEnd"},
        "HowDidItEnd": {
            "Type": "Choice",
            "Default": "Good",
            "Choices": [{"Variable": "$.failure", "IsPresent": True, "Next": "Bad"}],
        },
        "Bad": {"Type": "Fail", "ErrorPath": "$.failure.Error", "CausePath": "States.JsonToString($.failure)"},
        "Good": {"Type": "Succeed"},
    }

    ended = run(cloud, role, states)

    assert (ended["status"], ended["error"]) == ("FAILED", "States.Timeout")
    entered = [
        event["stateEnteredEventDetails"]["name"] for event in history(cloud, ended["executionArn"]) if "stateEnteredEventDetails" in event
    ]
    assert entered == ["Try", "Slow", "CleanUp", "HowDidItEnd", "Bad"]


@pytest.mark.parametrize("wait", ["in a retry delay", "in a function"])
def test_stop_takes_effect_at_once_and_keeps_error_and_cause(cloud: Cloud, role: str, function: str, wait: str) -> None:
    retry = [{"ErrorEquals": ["NotReady"], "IntervalSeconds": 6000, "MaxAttempts": 9}]
    event = {"error": "NotReady", "failures": 1} if wait == "in a retry delay" else {"sleep": 3}
    made = machine(cloud, role, {"Wait": task(function, event, Retry=retry), "Never": {"Type": "Succeed"}})
    steps = cloud.client("stepfunctions")
    execution = steps.start_execution(stateMachineArn=made)["executionArn"]
    time.sleep(1)

    steps.stop_execution(executionArn=execution, error="RestoreCancelled", cause="by hand")

    ended = steps.describe_execution(executionArn=execution)
    assert (ended["status"], ended["error"], ended["cause"]) == ("ABORTED", "RestoreCancelled", "by hand")
    last = history(cloud, ended["executionArn"])[-1]
    assert (last["type"], last["executionAbortedEventDetails"]["cause"]) == ("ExecutionAborted", "by hand")
    time.sleep(3)
    assert steps.describe_execution(executionArn=execution) | {"ResponseMetadata": 0} == ended | {"ResponseMetadata": 0}
    assert history(cloud, ended["executionArn"])[-1] == last


def test_a_state_that_is_entered_again_has_all_its_attempts_again(cloud: Cloud, role: str, function: str) -> None:
    retry = [{"ErrorEquals": ["NotReady"], "IntervalSeconds": 1, "BackoffRate": 1.0, "MaxAttempts": 2}]
    catch = [{"ErrorEquals": ["NotReady"], "ResultPath": "$.failure", "Next": "WasItTheSecondTime"}]
    states = {
        "Work": {**task(function, {"error": "NotReady", "failures": 99}, Retry=retry, Catch=catch)},
        "WasItTheSecondTime": {
            "Type": "Choice",
            "Default": "GoBack",
            "Choices": [{"Variable": "$.again", "IsPresent": True, "Next": "Done"}],
        },
        "GoBack": {"Type": "Pass", "Result": True, "ResultPath": "$.again", "Next": "Work"},
        "Done": {"Type": "Succeed"},
    }

    ended = run(cloud, role, states)

    kinds = [event["type"] for event in history(cloud, ended["executionArn"])]
    assert kinds.count("LambdaFunctionFailed") == 6


def test_a_map_over_numbers_retries_and_catches_for_each_of_them(cloud: Cloud, role: str, function: str) -> None:
    retry = [{"ErrorEquals": ["NotReady"], "IntervalSeconds": 1, "MaxAttempts": 2}]
    catch = [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.failure", "Next": "Note"}]
    work = {**task(function, {"error": "NotReady"}, Retry=retry, Catch=catch), "ResultPath": "$.done", "Next": "Good"}
    work["Parameters"] |= {"failures.$": "$.batch", "batch.$": "$.batch"}
    del work["End"]
    processor = {
        "ProcessorConfig": {"Mode": "INLINE"},
        "StartAt": "Work",
        "States": {
            "Work": work,
            "Good": {"Type": "Pass", "Parameters": {"batch.$": "$.batch"}, "End": True},
            "Note": {"Type": "Pass", "Parameters": {"failed.$": "$.failure.Error"}, "End": True},
        },
    }
    each = {
        "Type": "Map",
        "ItemsPath": "$.batches",
        "ItemSelector": {"batch.$": "$$.Map.Item.Value"},
        "MaxConcurrency": 1,
        "ItemProcessor": processor,
        "End": True,
    }

    ended = run(cloud, role, {"Each": each}, {"batches": [0, 2, 5]})

    assert json.loads(ended["output"]) == [{"batch": 0}, {"batch": 2}, {"failed": "NotReady"}]
