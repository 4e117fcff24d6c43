"""Step Functions: moto's interpreter runs the real definition; what it gets wrong for this product is fixed here.

| moto 5.2.5 | fixed to |
|---|---|
| machines made by CloudFormation never execute, substitutions and type ignored | they execute, as substituted |
| an execution without a name is called "None" | a UUID |
| the machine's role is ignored | its Lambda functions are invoked under a session of that role |
| a refused invocation is the error "Exception" | `Lambda.<code>`, as in `Lambda.ResourceNotFoundException` |
| a `States.*` error kills the run before any Catch is looked at | caught, and leaves through ErrorPath unchanged |
| StopExecution waits for the running task and forgets error and cause | at once, kept, the last event of the history |
| no status events | told to `status_listeners` |
| for every failed task the whole program goes to the log | only what is not in the history does |
| a definition is parsed three times for an execution, 0.2 s each | once per process |

Invariant: an execution has one end; whatever its threads still do after that changes neither status nor history.
Retries: `localcloud.flow.step_retries`; waits for a token: `localcloud.flow.task_tokens`; TestState: `localcloud.flow.state_tests`.
Other TimeoutSeconds and HeartbeatSeconds aren't
scaled: they bound real work.
"""

import logging
import re
import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import moto.stepfunctions.models as plain_models
from botocore.exceptions import ClientError
from moto.core.config import default_user_config
from moto.core.responses import ActionResult
from moto.stepfunctions.parser.api import ExecutionStatus, HistoryEventType
from moto.stepfunctions.parser.asl.component.common.error_name.custom_error_name import CustomErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.error_name import ErrorName
from moto.stepfunctions.parser.asl.component.eval_component import EvalComponent
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils
from moto.stepfunctions.parser.asl.component.state.exec.state_task.lambda_eval_utils import LambdaFunctionErrorException
from moto.stepfunctions.parser.asl.component.state.exec.state_task.state_task_lambda import StateTaskLambda
from moto.stepfunctions.parser.asl.eval.event.event_manager import EventHistoryContext
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
from moto.stepfunctions.parser.backend.execution import BaseExecutionWorkerCommunication, Execution
from moto.stepfunctions.parser.models import StepFunctionsParserBackend, stepfunctions_parser_backends
from moto.stepfunctions.responses import StepFunctionResponse

from localcloud.base.clients import Clients
from localcloud.base.corrections import fix
from localcloud.flow import state_tests, step_retries, task_tokens

# Called with every execution that starts or ends, and the status that it took by that: a short one has ended before its start is told.
status_listeners: list[Callable[[Any, str], None]] = []

_clients: Clients | None = None
_closing = threading.Lock()
_naming = threading.Lock()
# Under moto's name, so that it goes where moto's errors go.
_log = logging.getLogger("moto.stepfunctions.localcloud")


def install(clients: Clients) -> None:
    """Fix moto's Step Functions. `clients` are those with which a machine invokes its functions."""
    global _clients
    _clients = clients
    default_user_config["stepfunctions"] = {"execute_state_machine": True}
    plain_models.stepfunctions_backends = stepfunctions_parser_backends
    fix(AmazonStateLanguageParser, "parse", _parse)
    fix(plain_models.StateMachine, "create_from_cloudformation_json", _create_from_template)
    fix(EvalComponent, "heap_key", _key_in_environment)
    fix(EvalComponent, "_log_failure_event_exception", _say_nothing)
    fix(EvalComponent, "_log_exception", _log_unexpected)
    fix(StepFunctionsParserBackend, "start_execution", _start)
    fix(lambda_eval_utils, "boto_client_for", _client_of_machine)
    fix(StateTaskLambda, "_from_error", _lambda_error)
    fix(CustomErrorName, "__init__", _any_error_name)
    fix(StepFunctionResponse, "stop_execution", _stop)
    fix(Execution, "to_history_output", _history)
    fix(BaseExecutionWorkerCommunication, "terminated", _end)
    step_retries.install()
    task_tokens.install()
    state_tests.install()


def shutdown() -> None:
    """End every execution, or it would go on against the next cloud of this process."""
    for account in list(stepfunctions_parser_backends.values()):
        for backend in list(account.values()):
            for execution in backend._get_executions(ExecutionStatus.RUNNING):
                with _closing:
                    _abort(execution, _started_environment(execution), "LocalCloudStopped", None)


def _parse(original: Any, definition: str) -> tuple[Any, Any]:
    program, tree = _parsed(original, definition)
    return program, tree


# What an execution notes it notes in its environment, so that the iterations of a Map can run one program at once; and so can executions.
@lru_cache(maxsize=8)
def _parsed(original: Any, definition: str) -> Any:
    return original(definition)


def _key_in_environment(original: Any, component: Any) -> str:
    # Whoever asks first makes it, and two may be first.
    with _naming:
        return str(original(component))


def _create_from_template(original: Any, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **_: Any) -> Any:
    properties = cloudformation_json["Properties"]
    return stepfunctions_parser_backends[account_id][region_name].create_state_machine(
        properties.get("StateMachineName", resource_name),
        _substituted(properties["DefinitionString"], properties.get("DefinitionSubstitutions", {})),
        properties["RoleArn"],
        tags=[{"key": tag["Key"], "value": tag["Value"]} for tag in properties.get("Tags", [])],
        sm_type=properties.get("StateMachineType", "STANDARD"),
    )


def _substituted(definition: str, substitutions: dict[str, Any]) -> str:
    return re.sub(r"\$\{(\w+)\}", lambda match: str(substitutions.get(match[1], match[0])), definition)


def _start(original: Any, backend: Any, state_machine_arn: str, name: str | None = None, *rest: Any, **keywords: Any) -> Any:
    execution = original(backend, state_machine_arn, name or str(uuid.uuid4()), *rest, **keywords)
    _announce(execution, "RUNNING")
    return execution


def _say_nothing(original: Any, *arguments: Any, **keywords: Any) -> None:
    """A modelled failure is in the history of the execution."""


def _log_unexpected(original: Any, component: Any, exception: Exception) -> None:
    _log.error("%s: %r", type(component).__name__, exception)


def _client_of_machine(original: Any, region: str, service: str, state_credentials: Any = None) -> Any:
    assert _clients is not None  # noqa: S101 - install() sets it before the fix
    return _clients.client(service, state_credentials.role_arn)


def _lambda_error(original: Any, state: Any, env: Any, ex: Exception) -> Any:
    if isinstance(ex, ClientError):
        error = ex.response["Error"]
        payload = f'{{"errorType": "Lambda.{error["Code"]}"}}'
        failure = original(state, env, LambdaFunctionErrorException("Unhandled", payload))
        failure.event_details["lambdaFunctionFailedEventDetails"]["cause"] = error["Message"]
        return failure
    return original(state, env, ex)


def _any_error_name(original: Any, error: Any, error_name: str | None) -> None:
    ErrorName.__init__(error, error_name=error_name)


def _stop(original: Any, response: Any) -> Any:
    execution = response.stepfunction_backend.describe_execution(response._get_param("executionArn"))
    with _closing:
        environment = _started_environment(execution)
        stopped = bool(execution.exec_status == ExecutionStatus.RUNNING and environment.is_running())
        if stopped:
            _abort(execution, environment, response._get_param("error"), response._get_param("cause"))
    if stopped:
        _announce(execution, "ABORTED")
    return ActionResult({"stopDate": execution.stop_date})


def _started_environment(execution: Any) -> Any:
    """Its thread may not have got as far as making it."""
    while execution.exec_worker.env is None or execution.exec_worker.env.program_state() is None:
        time.sleep(0.01)
    return execution.exec_worker.env


def _abort(execution: Any, environment: Any, error: str | None, cause: str | None) -> None:
    execution.stop_date = datetime.now(UTC)
    execution.error, execution.cause = error, cause
    last = environment.event_manager.add_event(
        context=EventHistoryContext.of_program_start(),
        event_type=HistoryEventType.ExecutionAborted,
        event_details={"executionAbortedEventDetails": {"error": error, "cause": cause}},
    )
    events = environment.event_manager.get_event_history()
    execution.final_history = [event for event in events if event["id"] <= last]
    execution.exec_status = ExecutionStatus.ABORTED
    environment.set_stop(stop_date=execution.stop_date, error=error, cause=cause)


def _history(original: Any, execution: Any) -> Any:
    final = getattr(execution, "final_history", None)
    return {"events": final} if final is not None else original(execution)


def _end(original: Any, communication: Any) -> None:
    execution = communication.execution
    with _closing:
        if execution.exec_status != ExecutionStatus.RUNNING:
            return
        original(communication)
    _announce(execution, str(execution.exec_status.value))


def _announce(execution: Any, status: str) -> None:
    for listener in status_listeners:
        listener(execution, status)
