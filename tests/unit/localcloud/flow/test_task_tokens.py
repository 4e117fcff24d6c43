"""A state that waits for its token ends when the token is answered, when its time is over or when the execution is stopped."""

import json
import threading
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.cloud import Cloud
from localcloud.flow import stepfunctions
from tests.unit.localcloud.flow import lambda_functions
from tests.unit.localcloud.flow.executions import finished, history, kinds, run, start, task, token, token_task

SOON = {"IntervalSeconds": 1, "BackoffRate": 1.0, "MaxAttempts": 2}
LONG = 100 * 24 * 3600


@pytest.fixture(scope="module")
def function(cloud: Cloud) -> str:
    return lambda_functions.create(cloud)


@pytest.fixture(scope="module")
def role(cloud: Cloud) -> str:
    return lambda_functions.role(cloud)


def _answer(cloud: Cloud, token: str, **failure: str) -> str | None:
    """Answer with success or this failure; the code of the error with which the answer was refused."""
    steps = cloud.client("stepfunctions")
    try:
        if failure:
            steps.send_task_failure(taskToken=token, **failure)
        else:
            steps.send_task_success(taskToken=token, output=json.dumps({"answered": True}))
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return None


def test_the_answer_is_the_result_and_the_function_is_called_by_the_machines_role(cloud: Cloud, role: str, function: str) -> None:
    before = len(cloud.calls)
    execution = start(cloud, role, {"Wait": token_task(function, {}, TimeoutSeconds=LONG)})

    refused = _answer(cloud, token(cloud, execution))

    ended = finished(cloud, execution)
    assert (refused, ended["status"], json.loads(ended["output"])) == (None, "SUCCEEDED", {"answered": True})
    assert [call.action for call in cloud.calls[before:] if call.principal == role] == ["lambda:Invoke"]
    assert kinds(cloud, execution)[2:6] == ["TaskScheduled", "TaskStarted", "TaskSubmitted", "TaskSucceeded"]


def test_its_time_is_scaled_and_a_retry_on_the_time_out_waits_again_with_a_token_of_its_own(cloud: Cloud, role: str, function: str) -> None:
    retry = [{"ErrorEquals": ["States.Timeout"], **SOON}]
    started = time.monotonic()

    execution = start(cloud, role, {"Wait": token_task(function, {}, TimeoutSeconds=60, Retry=retry)})

    ended = finished(cloud, execution)
    # Three times 60 seconds at a scale of 100 are 1.8 s.
    assert (ended["status"], ended["error"]) == ("FAILED", "States.Timeout")
    assert 1.8 <= time.monotonic() - started < 30
    assert kinds(cloud, execution)[2:-1] == ["TaskScheduled", "TaskStarted", "TaskSubmitted", "TaskTimedOut"] * 3
    assert len({token(cloud, execution, attempt) for attempt in (1, 2, 3)}) == 3
    told = [event["taskTimedOutEventDetails"] for event in history(cloud, execution) if event["type"] == "TaskTimedOut"]
    assert told[0] == {"resourceType": "lambda", "resource": "invoke.waitForTaskToken", "error": "States.Timeout"}


def test_the_time_of_a_task_without_a_token_is_not_scaled(cloud: Cloud, role: str, function: str) -> None:
    ended = run(cloud, role, {"Work": task(function, {"sleep": 1}, TimeoutSeconds=10)})

    assert ended["status"] == "SUCCEEDED"


def test_the_functions_own_time_is_not_scaled(cloud: Cloud, role: str, function: str) -> None:
    execution = start(cloud, role, {"Wait": token_task(function, {"sleep": 1}, TimeoutSeconds=60)})

    refused = _answer(cloud, token(cloud, execution))

    assert (refused, finished(cloud, execution)["status"]) == (None, "SUCCEEDED")


def test_a_failure_that_is_sent_is_retried_by_its_name(cloud: Cloud, role: str, function: str) -> None:
    retry = [{"ErrorEquals": ["NotReady"], **SOON}]
    execution = start(cloud, role, {"Wait": token_task(function, {}, TimeoutSeconds=LONG, Retry=retry)})

    _answer(cloud, token(cloud, execution, 1), error="NotReady", cause="one of three files")
    _answer(cloud, token(cloud, execution, 2))

    assert finished(cloud, execution)["status"] == "SUCCEEDED"
    failed = [event["taskFailedEventDetails"] for event in history(cloud, execution) if event["type"] == "TaskFailed"]
    assert [(detail["error"], detail["cause"]) for detail in failed] == [("NotReady", "one of three files")]


def test_a_failure_that_the_function_raises_is_retried_by_its_class(cloud: Cloud, role: str, function: str) -> None:
    retry = [{"ErrorEquals": ["NotReady"], **SOON}]
    event = {"error": "NotReady", "failures": 9}

    ended = run(cloud, role, {"Wait": token_task(function, event, TimeoutSeconds=LONG, Retry=retry)})

    assert (ended["status"], ended["error"]) == ("FAILED", "NotReady")
    assert kinds(cloud, ended["executionArn"]).count("TaskFailed") == 3


def test_an_answer_may_come_before_the_function_has_returned(cloud: Cloud, role: str, function: str) -> None:
    execution = start(cloud, role, {"Wait": token_task(function, {"sleep": 1}, TimeoutSeconds=LONG)})
    while "TaskStarted" not in kinds(cloud, execution):
        time.sleep(0.01)
    scheduled = next(event for event in history(cloud, execution) if event["type"] == "TaskScheduled")
    early = json.loads(scheduled["taskScheduledEventDetails"]["parameters"])["Payload"]["token"]

    refused = _answer(cloud, early)

    assert (refused, finished(cloud, execution)["status"]) == (None, "SUCCEEDED")


def _timed_out(cloud: Cloud, role: str, function: str) -> str:
    retry = [{"ErrorEquals": ["States.Timeout"], "IntervalSeconds": LONG, "MaxAttempts": 1}]
    execution = start(cloud, role, {"Wait": token_task(function, {}, TimeoutSeconds=60, Retry=retry)})
    while "TaskTimedOut" not in kinds(cloud, execution):
        time.sleep(0.05)
    return execution


def _answered(cloud: Cloud, role: str, function: str) -> str:
    states = {
        "Wait": {**token_task(function, {}, TimeoutSeconds=LONG, Next="Again"), "End": False},
        "Again": token_task(function, {}, TimeoutSeconds=LONG),
    }
    execution = start(cloud, role, {name: _without_end(state) for name, state in states.items()})
    _answer(cloud, token(cloud, execution))
    token(cloud, execution, 2)
    return execution


def _without_end(state: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in state.items() if name != "End" or "Next" not in state}


def _stopped(cloud: Cloud, role: str, function: str) -> str:
    execution = start(cloud, role, {"Wait": token_task(function, {}, TimeoutSeconds=LONG)})
    token(cloud, execution)
    cloud.client("stepfunctions").stop_execution(executionArn=execution)
    return execution


@pytest.mark.parametrize("over", [_timed_out, _answered, _stopped])
@pytest.mark.parametrize("failure", [{}, {"error": "NotReady"}], ids=["success", "failure"])
def test_a_late_answer_is_refused(cloud: Cloud, role: str, function: str, over: Any, failure: dict[str, str]) -> None:
    execution = over(cloud, role, function)
    before = kinds(cloud, execution)

    refused = _answer(cloud, token(cloud, execution), **failure)

    assert refused == "TaskTimedOut"
    assert kinds(cloud, execution) == before
    cloud.client("stepfunctions").stop_execution(executionArn=execution)


def test_a_token_that_was_never_given_is_refused(cloud: Cloud, role: str, function: str) -> None:
    assert _answer(cloud, "made-up") == "InvalidToken"


def test_stop_ends_the_wait_at_once(cloud: Cloud, role: str, function: str) -> None:
    execution = start(cloud, role, {"Wait": token_task(function, {}, TimeoutSeconds=LONG)})
    token(cloud, execution)

    cloud.client("stepfunctions").stop_execution(executionArn=execution, error="RestoreCancelled", cause="by hand")

    ended = cloud.client("stepfunctions").describe_execution(executionArn=execution)
    assert (ended["status"], ended["error"]) == ("ABORTED", "RestoreCancelled")
    assert kinds(cloud, execution)[-2:] == ["TaskSubmitted", "ExecutionAborted"]


def test_no_thread_waits_on_after_a_stop(cloud: Cloud, role: str, function: str) -> None:
    before = set(threading.enumerate())
    execution = start(cloud, role, {"Wait": token_task(function, {}, TimeoutSeconds=LONG)})
    token(cloud, execution)
    waiting = {thread for thread in threading.enumerate() if thread not in before}
    assert any(thread.is_alive() for thread in waiting)

    cloud.client("stepfunctions").stop_execution(executionArn=execution)

    deadline = time.monotonic() + 20
    while any(thread.is_alive() for thread in waiting):
        assert time.monotonic() < deadline, "Somebody still waits."
        time.sleep(0.05)


def test_the_end_of_the_cloud_ends_the_wait(cloud: Cloud, role: str, function: str) -> None:
    execution = start(cloud, role, {"Wait": token_task(function, {}, TimeoutSeconds=LONG)})
    token(cloud, execution)

    stepfunctions.shutdown()

    ended = cloud.client("stepfunctions").describe_execution(executionArn=execution)
    assert (ended["status"], ended["error"]) == ("ABORTED", "LocalCloudStopped")
