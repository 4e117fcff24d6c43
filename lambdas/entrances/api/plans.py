"""`POST /v1/plans`: the plan as the caller of the API gets it. What names secrets, networks and roles stays with the operators."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from dbrestore.contract.api.restores import PlannedCopy, ShownPlan, ShownTarget
from dbrestore.contract.error_names import by_name
from dbrestore.contract.errors import InternalContradiction
from dbrestore.contract.plan import Plan
from lambdas.entrances.api.refusals import Refusal, of_error
from lambdas.runtime.executions import message_of

NOT_FOUND = 404
UNPROCESSABLE = 422


def shown_plan(execution: Mapping[str, Any]) -> ShownPlan:
    """The plan of a planning execution that is over. Raises Refusal with what speaks against it."""
    if execution["status"] != "SUCCEEDED":
        raise _refused(execution)
    try:
        plan = Plan.of_any_version(json.loads(execution["output"])["plan"])
    except (ValueError, KeyError, ValidationError) as error:
        raise InternalContradiction("The execution that planned has an output that isn't a plan") from error
    target = plan.target
    return ShownPlan(
        target=ShownTarget(db_instance=target.db_instance, account=target.account, region=target.region),
        engine=plan.engine,
        restore_point=plan.source.restore_point,
        databases=tuple(
            PlannedCopy(name=one.name, asked_name=one.asked_name, bytes=one.bytes, tables=one.tables, rows=one.rows)
            for one in plan.databases
        ),
        archived=plan.archived,
        exchanges=plan.swap.exchanges if plan.swap else (),
        estimate=plan.estimate,
        notes=plan.notes,
    )


def _refused(execution: Mapping[str, Any]) -> Refusal:
    """What isn't found is named in the body, so the path itself was found: no 404."""
    name, message = execution.get("error") or execution["status"], message_of(execution.get("cause") or "")
    refusal = of_error(by_name(name)(message))
    return replace(refusal, status=UNPROCESSABLE) if refusal.status == NOT_FOUND else refusal
