"""EventBridge: rules reach Lambda functions, state machines and topics, and rules with a schedule fire on the local cloud's clock.

| moto 5.2.5 | fixed to |
|---|---|
| targets `lambda`, `states` and `sns` raise NotImplementedError | delivered in a thread of their own |
| a disabled rule delivers | it doesn't |
| a rule with a schedule and no pattern is reached by every event | by none |
| API destinations get an empty call, or none | `localcloud.flow.api_destinations` |
| no events from Step Functions | `Step Functions Execution Status Change` on the default bus |
| rules with a schedule never fire | `rate(...)` fires, scaled, once what it started has ended; `cron(...)` doesn't, we have none |
| `rate(1 hours)` and `rate(5 hour)` are taken | refused (EventBridge User Guide, "Rate expressions reference") |

EventBridge Scheduler is another service: `localcloud.flow.scheduler`.
"""

import json
import logging
import re
import threading
import time
import uuid
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from moto.events.models import EventsBackend, Rule, events_backends

from localcloud.base import clock
from localcloud.base.clients import Clients, Place
from localcloud.base.corrections import fix, replace
from localcloud.flow import api_destinations, event_input, lambda_runtime, stepfunctions
from localcloud.flow.api_destinations import ApiDestinations

_RATE = re.compile(r"^rate\((?:1 (?:minute|hour|day)|(?!0*1? )\d+ (?:minute|hour|day)s)\)$")
_SECONDS = {"minute": 60.0, "hour": 3600.0, "day": 86400.0}

_clients: Clients | None = None
_destinations: ApiDestinations | None = None
_log = logging.getLogger(__name__)


def install(clients: Clients, destinations: ApiDestinations) -> None:
    """Fix moto's EventBridge. `clients` and `destinations` are those with which it reaches its targets."""
    global _clients, _destinations
    _clients, _destinations = clients, destinations
    fix(Rule, "send_to_targets", _send)
    replace(EventsBackend, "_RATE_REGEX", lambda _: _RATE)
    if _publish_status not in stepfunctions.status_listeners:
        stepfunctions.status_listeners.append(_publish_status)


class Schedules:
    """The thread that fires `rate(...)` rules while the cloud runs."""

    # Real seconds between two looks; a rate shorter than this fires at every look.
    LOOK = 0.25

    def __init__(self) -> None:
        self._due: dict[str, float] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Nothing fires after this."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(self.LOOK):
            for arn, seconds, target, event in _scheduled():
                due = self._due.setdefault(arn, time.monotonic() + clock.shortened(seconds))
                if time.monotonic() >= due and not _is_at_work(target):
                    self._due[arn] = time.monotonic() + clock.shortened(seconds)
                    _deliver(target, event)


def _is_at_work(target: dict[str, Any]) -> bool:
    """AWS would start the function again. There it has five minutes for what it does in a second; here its seconds are real ones, and on a
    machine that is busy, calls that come by a shortened rate would keep it so."""
    return _service(target) == "lambda" and lambda_runtime.is_at_work(target["Arn"])


def _scheduled() -> list[tuple[str, float, dict[str, Any], dict[str, Any]]]:
    """Every enabled rate: ARN, seconds, target, and the event that says so."""
    found = []
    buses = [bus for backend in _everywhere(events_backends) for bus in list(backend.event_buses.values())]
    for rule in [rule for bus in buses for rule in list(bus.rules.values())]:
        seconds = _rate(rule.scheduled_expression)
        if seconds and rule.state == "ENABLED":
            event = _event("aws.events", "Scheduled Event", {}, [rule.arn])
            found += [(f"{rule.arn}/{target['Id']}", seconds, target, event) for target in rule.targets]
    return found


def _everywhere(backends: Any) -> list[Any]:
    """moto's backends of a service in every account and Region that anybody has used."""
    return [backend for account in list(backends.values()) for backend in list(account.values())]


def _rate(expression: str | None) -> float | None:
    match = re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", expression or "")
    return int(match[1]) * _SECONDS[match[2]] if match else None


def _publish_status(execution: Any, status: str) -> None:
    has_ended = status != "RUNNING"
    detail = {
        "executionArn": execution.exec_arn,
        "stateMachineArn": execution.state_machine.arn,
        "name": execution.name,
        "status": status,
        "startDate": round(execution.start_date.timestamp() * 1000),
        "stopDate": round(execution.stop_date.timestamp() * 1000) if has_ended else None,
        "input": json.dumps(execution.input_data),
        "output": json.dumps(execution.output) if has_ended and execution.output is not None else None,
        "error": execution.error if has_ended else None,
        "cause": execution.cause if has_ended else None,
    }
    entry = {
        "Source": "aws.states",
        "DetailType": "Step Functions Execution Status Change",
        "Detail": json.dumps(detail),
        "Resources": [execution.exec_arn],
    }
    events_backends[execution.account_id][execution.region_name].put_events([entry])


def _send(original: Any, rule: Any, event: Any, *arguments: Any, **keywords: Any) -> None:
    if rule.state != "ENABLED" or not rule.event_pattern.get_pattern() or not rule.event_pattern.matches_event(event):
        return
    ours = [target for target in rule.targets if _service(target) in ("lambda", "states", "sns")]
    called = [target for target in rule.targets if api_destinations.is_one(target)]
    told = {**event, "time": datetime.fromtimestamp(float(event["time"]), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}
    for target in ours:
        _deliver(target, told)
    for target in called:
        assert _destinations is not None  # noqa: S101 - install() sets it before the fix
        _destinations.deliver(rule.arn, target, told)
    others = [target for target in rule.targets if target not in (*ours, *called)]
    if others:
        original(_with_targets(rule, others), event, *arguments, **keywords)


def _with_targets(rule: Any, targets: list[dict[str, Any]]) -> Any:
    remaining = Rule.__new__(Rule)
    remaining.__dict__.update(rule.__dict__, targets=targets)
    return remaining


def _service(target: dict[str, Any]) -> str:
    return str(target["Arn"].split(":")[2])


def _deliver(target: dict[str, Any], event: dict[str, Any]) -> None:
    name = f"{event.get('id') or uuid.uuid4()}_{target.get('Id', '')}"[:80]
    threading.Thread(target=_call, args=(target, event_input.rendered(target, event), name), daemon=True).start()


def _call(target: dict[str, Any], text: str, name: str) -> None:
    assert _clients is not None  # noqa: S101 - install() sets it before the fix
    role = target.get("RoleArn")
    _, _, _, region, account, _ = target["Arn"].split(":", 5)
    place = Place(account, region)
    try:
        if _service(target) == "states":
            _start_once(_clients.client("stepfunctions", role, place), target["Arn"], name, text)
        elif _service(target) == "sns":
            _clients.client("sns", role, place).publish(TopicArn=target["Arn"], Message=text)
        else:
            _clients.client("lambda", role, place).invoke(FunctionName=target["Arn"], InvocationType="Event", Payload=text.encode())
    except Exception:
        # EventBridge tells nobody either; but a person who rehearses wants to know.
        _log.exception("The event could not be delivered to %s", target["Arn"])


def _start_once(steps: Any, machine: str, name: str, text: str) -> None:
    # As on AWS the execution bears the event's id, so a repeated call (the SDK repeats one whose answer was lost) starts nothing more.
    with suppress(steps.exceptions.ExecutionAlreadyExists):
        steps.start_execution(stateMachineArn=machine, name=name, input=text)


def _event(source: str, detail_type: str, detail: dict[str, Any], resources: list[str]) -> dict[str, Any]:
    _, _, _, region, account, _ = resources[0].split(":", 5)
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "source": source,
        "detail-type": detail_type,
        "account": account,
        "region": region,
        "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "resources": resources,
        "detail": detail,
    }
