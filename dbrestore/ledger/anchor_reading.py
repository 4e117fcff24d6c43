"""An anchor out of a row of any version: unknown keys are ignored, what is missing is taken from the stored plan as plain JSON, or follows
from something else in the row. What nothing tells is named.

The strict model of the plan has no part in it: a plan that doesn't validate tells the anchor all the same.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from dbrestore.contract.allowed import engines
from dbrestore.contract.anchor import Anchor, lock_names, unreadable
from dbrestore.ledger import stored_plan
from dbrestore.ledger.table import Item

Values = dict[str, Any]
# The version of an anchor that was never written, but follows from the plan of an older version.
DERIVED = "0"


@dataclass(frozen=True)
class Reading:
    """The anchor, and what of the row could not be read and was left out."""

    anchor: Anchor
    flaws: tuple[str, ...]


def read(restore_id: str, item: Item) -> Reading:
    """The anchor of a restore's own row. Raises LedgerRowUnreadable."""
    stored = _object(item.get("anchor"))
    told = _merged(_object(item.get("plan")), stored)
    told["schemaVersion"] = str(stored.get("schemaVersion") or DERIVED)
    told["restoreId"] = restore_id
    told["executionArn"] = item.get("executionArn") or told.get("executionArn")
    told["plannedAt"] = told.get("plannedAt") or item.get("startedAt")
    told["target"] = _target(told.get("target"), str(told["executionArn"] or ""))
    told["engine"] = told.get("engine") or engines.of_instance(str(told["target"].get("engine", "")))
    anchor, flaws = _validated(restore_id, told)
    if not anchor.locks and anchor.target.arn and anchor.engine:
        anchor = anchor.model_copy(update={"locks": tuple(lock_names(anchor))})
    return Reading(anchor, tuple(flaws))


def _object(text: Any) -> Values:
    try:
        found = json.loads(text) if isinstance(text, str) else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _merged(below: Values, above: Values) -> Values:
    """What `above` says, and where it says nothing what `below` does."""
    merged = dict(below)
    for key, value in above.items():
        if isinstance(value, dict):
            under = merged.get(key)
            merged[key] = _merged(under if isinstance(under, dict) else {}, value)
        elif value not in (None, "", []):
            merged[key] = value
    return merged


def _target(told: Any, execution_arn: str) -> Values:
    """The ARN of an instance or a cluster and its account, Region and name tell each other. Nothing else tells the account: the target's
    may be any."""
    target: Values = dict(told) if isinstance(told, dict) else {}
    parts = str(target.get("arn") or "").split(":")
    if len(parts) == 7:
        for key, value in (("region", parts[3]), ("account", parts[4]), ("dbInstance", parts[6])):
            target[key] = target.get(key) or value
    elif all(target.get(key) for key in ("account", "region", "dbInstance")) and execution_arn.count(":") > 1:
        partition, kind = execution_arn.split(":")[1], "cluster" if target.get("dbCluster") else "db"
        target["arn"] = f"arn:{partition}:rds:{target['region']}:{target['account']}:{kind}:{target['dbInstance']}"
    return target


def _validated(restore_id: str, values: Mapping[str, Any]) -> tuple[Anchor, list[str]]:
    """A value that can't be read is left out, one after the other, and named; what can't be left out makes the row unreadable."""
    left: Values = json.loads(json.dumps(values, default=str))
    flaws: list[str] = []
    while True:
        try:
            return Anchor.model_validate(left), flaws
        except ValidationError as error:
            problem = error.errors()[0]
            flaws.append(f"/anchor{stored_plan.problems(error)[0]}")
            if not _taken_out(left, problem["loc"]):
                raise unreadable(restore_id, flaws) from error


def _taken_out(values: Values, place: tuple[int | str, ...]) -> bool:
    """Whether there was something to take out."""
    found: Any = values
    try:
        for key in place[:-1]:
            found = found[key]
        del found[place[-1]]
    except (LookupError, TypeError):
        return False
    return True
