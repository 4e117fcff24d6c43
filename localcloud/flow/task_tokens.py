"""Task tokens of Step Functions (`lambda:invoke.waitForTaskToken`): one per attempt, one answer each, and a wait in the cloud's own time.

| moto 5.2.5 | fixed to |
|---|---|
| one token for all attempts of a state: the second ends at once, with the answer to the first | a new one for every attempt |
| an answer to a token whose task is over is taken, or its token called unknown | `TaskTimedOut` |
| any answer while an execution begins: a 500 | its token is looked up in the others |
| SendTaskFailure forgets the cause | kept |
| TimeoutSeconds in real time, deaf to StopExecution | scaled, and the wait ends with the execution |

Invariant: an answer that was taken is the outcome of its attempt. The time-out counts from the end of the function's call, which is
real work and therefore not scaled. Heartbeats stay as moto has them.
"""

import threading
from typing import Any

from moto.core.exceptions import AWSError
from moto.core.responses import EmptyResult
from moto.stepfunctions.exceptions import InvalidToken
from moto.stepfunctions.parser.api import ExecutionStatus
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.resource import ResourceCondition
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service import StateTaskService
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_callback import (
    StateTaskServiceCallback,
)
from moto.stepfunctions.parser.asl.eval.callback.callback import (
    CallbackConsumerTimeout,
    CallbackOutcomeFailure,
    CallbackOutcomeSuccess,
    CallbackOutcomeTimedOut,
)
from moto.stepfunctions.responses import StepFunctionResponse

from localcloud.base import clock
from localcloud.base.corrections import fix

_answering = threading.Lock()


def install() -> None:
    """Fix moto's tasks that wait for their token."""
    fix(StateTaskService, "_eval_execution", _attempt)
    fix(StateTaskServiceCallback, "_eval_wait_for_task_token", _wait)
    fix(StepFunctionResponse, "send_task_success", _succeed)
    fix(StepFunctionResponse, "send_task_failure", _fail)


def _attempt(original: Any, state: Any, env: Any) -> None:
    if state.resource.condition != ResourceCondition.WaitForTaskToken:
        original(state, env)
        return
    endpoint = env.callback_pool_manager.add(env.states.context_object.update_task_token())
    try:
        original(state, env)
    finally:
        _close(endpoint)


def _wait(original: Any, state: Any, env: Any, timeout_seconds: int, callback_endpoint: Any, heartbeat_endpoint: Any) -> Any:
    if heartbeat_endpoint is not None:
        return original(state, env, timeout_seconds, callback_endpoint, heartbeat_endpoint)
    clock.wait(timeout_seconds, lambda: _is_over(env, callback_endpoint), callback_endpoint.wait)
    _close(callback_endpoint)
    return callback_endpoint.get_outcome() or CallbackOutcomeTimedOut(callback_id=callback_endpoint.callback_id)


def _is_over(env: Any, endpoint: Any) -> bool:
    return endpoint.get_outcome() is not None or not env.is_running()


def _close(endpoint: Any) -> None:
    with _answering:
        endpoint.report(CallbackConsumerTimeout())


def _succeed(original: Any, response: Any) -> Any:
    token = response._get_param("taskToken")
    return _answer(response, token, CallbackOutcomeSuccess(callback_id=token, output=response._get_param("output")))


def _fail(original: Any, response: Any) -> Any:
    token, error, cause = (response._get_param(name) for name in ("taskToken", "error", "cause"))
    return _answer(response, token, CallbackOutcomeFailure(callback_id=token, error=error, cause=cause))


def _answer(response: Any, token: str, outcome: Any) -> Any:
    for execution in response.stepfunction_backend._get_executions():
        environment = execution.exec_worker and execution.exec_worker.env
        endpoint = environment and environment.callback_pool_manager.get(token)
        if endpoint:
            with _answering:
                if endpoint.consumer_error or endpoint.get_outcome() or execution.exec_status != ExecutionStatus.RUNNING:
                    raise AWSError("Task Timed Out: 'Provided task does not exist anymore'", "TaskTimedOut")
                endpoint.notify(outcome)
            return EmptyResult()
    raise InvalidToken()
