"""`POST /v1/restores`, `/v1/plans` and `/v1/drills/{name}/runs`: a permitted call becomes an execution, once."""

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from dbrestore.contract import limits
from dbrestore.contract.approval import ApprovalRequest
from dbrestore.contract.drills import DrillOrder, DrillStart, named
from dbrestore.contract.errors import InternalContradiction, NotPermitted, RestoreRequestInvalid
from dbrestore.contract.refusals import error_code
from dbrestore.contract.request import RestoreRequest
from dbrestore.contract.request_problems import Problems, read
from lambdas.configuration import drills as drill_configuration
from lambdas.configuration.access import AccessConfiguration, Action, Wish
from lambdas.entrances.api import permission, received
from lambdas.entrances.api.callers import Caller
from lambdas.entrances.api.permission import Asked
from lambdas.entrances.api.received import Kind, Received
from lambdas.entrances.api.refusals import of_query
from lambdas.runtime.executions import described
from lambdas.runtime.state import Surroundings

# What only the API itself may say of a request.
_OURS: Final = ("permittedBy",)
_WISHES: Final[tuple[tuple[Wish, str], ...]] = (("worker", "worker"), ("checks", "checks"), ("owners", "owners"), ("owners", "roles"))


@dataclass(frozen=True)
class Call:
    """One call: who makes it, its key, and where it is answered."""

    caller: Caller
    key: str
    access: AccessConfiguration
    surroundings: Surroundings


def key_of(header: str | None, ticket: Any = None) -> str:
    """The Idempotency-Key, or what stands for it: the id of a request's ticket. Raises Refusal if it is missing or could not be told apart
    from another in a log."""
    if header is None or not header.strip():
        if isinstance(ticket, dict) and isinstance(ticket.get("id"), str) and ticket["id"].strip():
            # With a blank, which no header's key has.
            return f"ticket {ticket.get('system')!a} {ticket['id']!a}"
        raise of_query("Idempotency-Key", "is missing: send a header with a key that is the same for each repetition of this request")
    if len(header) > limits.LONGEST_IDEMPOTENCY_KEY or not re.fullmatch(r"[\x21-\x7e]+", header.strip()):
        raise of_query("Idempotency-Key", f"must be 1 to {limits.LONGEST_IDEMPOTENCY_KEY} printable ASCII characters without blanks")
    return header.strip()


def restore(call: Call, body: dict[str, Any], digest: str | None = None) -> Received:
    """Start a restore. `digest`: of what the key stands for, if that isn't the request itself. Raises Refusal, RestoreRequestInvalid and
    what else a request is refused for before anything is looked up."""
    if body.get("mode", "restore") != "restore":
        raise RestoreRequestInvalid("/mode: must be restore here, or be left out: POST /v1/plans plans, POST /v1/drills/<name>/runs drills")
    return started(call, "restore", {"sent": digest} if digest else body, _input(call, checked(body), "restore"))


def plan(call: Call, body: dict[str, Any]) -> Received:
    """Start a plan. Raises what `restore` does."""
    if body.get("mode", "plan") != "plan":
        raise RestoreRequestInvalid("/mode: must be plan here, or be left out: POST /v1/restores restores")
    return started(call, "plan", body, _input(call, checked({**body, "mode": "plan"}), "plan"))


def drill(call: Call, name: str) -> Received:
    """Start a declared drill. Raises Refusal, DrillNotFound, NotPermitted."""
    declared = named(drill_configuration.deployed(call.surroundings.settings.drill_configuration).drills, name)
    account, region = _home(call.surroundings)
    asked = Asked(
        call.caller.name,
        "drill",
        source=declared.source.db_instance,
        target=declared.target.db_instance,
        account=declared.target.account or account,
        region=declared.target.region or region,
    )
    reason = _permitted(call.access, asked).reason
    order = DrillStart(drill=DrillOrder(name=declared.name, requested_by=call.caller.name))
    text = json.dumps(order.model_dump(mode="json", by_alias=True, exclude_none=True), sort_keys=True)
    return started(call, "drill", {"name": name}, (text, reason))


def ended(call: Call, plan_: Received) -> Mapping[str, Any] | None:
    """The planning execution when it is over, or None if it takes longer than a call may."""
    stopwatch, bounds = call.surroundings.stopwatch, call.surroundings.bounds
    until = stopwatch() + bounds.api_plan_seconds
    while True:
        execution = described(call.surroundings, plan_.execution_arn)
        if execution and execution["status"] != "RUNNING":
            return execution
        if stopwatch() >= until:
            return None
        time.sleep(bounds.api_look_seconds)


def checked(body: dict[str, Any]) -> RestoreRequest:
    """The request. Raises everything that is wrong with its form at once."""
    problems = Problems()
    for key in _OURS:
        if key in body:
            problems.add(RestoreRequestInvalid, f"/{key}", "is for the API to say: leave it out")
    request = read({key: value for key, value in body.items() if key not in _OURS}, problems)
    problems.raise_if_any()
    if request is None:
        raise InternalContradiction("The request was refused without a reason")
    return request


def _input(call: Call, request: RestoreRequest, action: Action) -> tuple[str, str]:
    """The execution's input and the permission's reason. The input says who it is that API Gateway let in."""
    permitted = _permitted(call.access, _asked(call, request, action))
    who = f"{call.caller.name} for {request.requested_by}" if request.requested_by else call.caller.name
    said = request.model_copy(update={"requested_by": who[:1000], "permitted_by": permitted.reason, **_approval(request, permitted)})
    return said.input_text(), permitted.reason


def _approval(request: RestoreRequest, permitted: permission.Permission) -> dict[str, ApprovalRequest]:
    """What the rule asks for; a request may ask for more, and never for less."""
    if permitted.approval_hours is None:
        return {}
    asked = request.approval.hours if request.approval else permitted.approval_hours
    return {"approval": ApprovalRequest(hours=min(asked, permitted.approval_hours))}


def _asked(call: Call, request: RestoreRequest, action: Action) -> Asked:
    account, region = _home(call.surroundings)
    names = dict.fromkeys(name for one in request.databases for name in (one.name, one.asked_name))
    given = request.model_fields_set
    wishes: dict[Wish, None] = {wish: None for wish, key in _WISHES if key in given}
    if request.target.credentials:
        wishes["credentials"] = None
    if request.on_conflict == "replace":
        wishes["replace"] = None
    return Asked(
        call.caller.name,
        action,
        source=request.source.db_instance or request.target.db_instance,
        target=request.target.db_instance,
        account=request.target.account or account,
        region=request.target.region or region,
        databases=tuple(names),
        wishes=tuple(wishes),
        replaces=tuple(one.asked_name for one in request.databases) if request.on_conflict == "replace" else (),
    )


def _home(surroundings: Surroundings) -> tuple[str, str]:
    """The control account and its Region, which a request means when it names none."""
    parts = surroundings.settings.state_machine_arn.split(":")
    return parts[4], parts[3]


def _permitted(access: AccessConfiguration, asked: Asked) -> permission.Permission:
    found = permission.of(access, asked)
    if not found.granted:
        raise NotPermitted(f"{found.reason[0].upper()}{found.reason[1:]}")
    return found


def started(call: Call, kind: Kind, body: Mapping[str, Any], told: tuple[str, str]) -> Received:
    """Accepted, and started unless it was before; `told` is the execution's input and the permission's reason. Whoever dies between the
    two leaves a row, and the next one with the key starts it."""
    surroundings = call.surroundings
    arn = received.execution_arn(surroundings.settings.state_machine_arn, call.caller.name, call.key)
    text, reason = told
    digest = received.digest_of(kind, body)
    accepted = received.accept(surroundings.table, received.by(call.caller, arn, kind, digest, text, reason, surroundings.clock()))
    if not accepted.started:
        _start(surroundings, accepted)
        received.note_started(surroundings.table, accepted)
    return accepted


def _start(surroundings: Surroundings, accepted: Received) -> None:
    try:
        surroundings.control.stepfunctions.start_execution(
            stateMachineArn=surroundings.settings.state_machine_arn,
            name=accepted.execution_arn.rpartition(":")[2],
            input=accepted.text,
        )
    except ClientError as error:
        # Started by a call at the same moment, and over already.
        if error_code(error) != "ExecutionAlreadyExists":
            raise
