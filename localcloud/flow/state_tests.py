"""TestState with a mocked error: which Retry or Catch takes it. moto has no TestState.

Nothing of a state runs: an error must be mocked, everything else is refused. Answers as in the AWS Step Functions Developer Guide, "Testing
state machines with TestState API"; what it doesn't say: a pause is a whole number of seconds, rounded down.
"""

import json
from collections.abc import Iterator
from typing import Any

from moto.core.exceptions import JsonRESTError
from moto.core.responses import ActionResult
from moto.stepfunctions.responses import StepFunctionResponse

from localcloud.base.corrections import add

NAMED_BY_NOBODY = "States.ALL"


def install() -> None:
    """Give moto's Step Functions the call."""
    add(StepFunctionResponse, "test_state", _test_state)


def _test_state(response: Any) -> ActionResult:
    mocked = (response._get_param("mock") or {}).get("errorOutput")
    name, machine = response._get_param("stateName"), json.loads(response._get_param("definition"))
    states = dict(_all(machine)) if "States" in machine else {}
    if not mocked or name not in states:
        raise JsonRESTError("ValidationException", "The local cloud tests a state of a state machine with a mocked error alone.")
    configuration = response._get_param("stateConfiguration") or {}
    if states[name]["Type"] in ("Map", "Parallel") and configuration.get("errorCausedByState") not in dict(_below(states[name])):
        raise JsonRESTError("ValidationException", "errorCausedByState must name a state within the state that is tested.")
    outcome = _outcome(states[name], mocked["error"], int(configuration.get("retrierRetryCount", 0)))
    return ActionResult({**outcome, "error": mocked["error"], "cause": mocked.get("cause", "")})


def _all(machine: Any) -> Iterator[tuple[str, Any]]:
    for name, state in machine["States"].items():
        yield name, state
        yield from _below(state)


def _below(state: Any) -> Iterator[tuple[str, Any]]:
    for machine in [*state.get("Branches", ()), *filter(None, [state.get("ItemProcessor")])]:
        yield from _all(machine)


def _outcome(state: Any, error: str, tried: int) -> dict[str, Any]:
    for place, retrier in enumerate(state.get("Retry", ())):
        if _takes(retrier, error):
            if tried < retrier.get("MaxAttempts", 3):
                details = {"retryIndex": place, "retryBackoffIntervalSeconds": _backoff(retrier, tried)}
                return {"status": "RETRIABLE", "inspectionData": {"errorDetails": details}}
            break
    for place, catcher in enumerate(state.get("Catch", ())):
        if _takes(catcher, error):
            return {"status": "CAUGHT_ERROR", "nextState": catcher["Next"], "inspectionData": {"errorDetails": {"catchIndex": place}}}
    return {"status": "FAILED", "inspectionData": {}}


def _takes(policy: Any, error: str) -> bool:
    return error in policy["ErrorEquals"] or NAMED_BY_NOBODY in policy["ErrorEquals"]


def _backoff(retrier: Any, tried: int) -> int:
    seconds = float(retrier.get("IntervalSeconds", 1))
    for _ in range(tried):
        seconds *= retrier.get("BackoffRate", 2.0)
    return int(min(seconds, retrier.get("MaxDelaySeconds", seconds)))
