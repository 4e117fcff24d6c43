"""The net under everything: restores that aren't CLOSED and whose execution no longer runs are cleaned up by a clean-up execution.

No Catch runs when an execution is stopped, times out or breaks at the top level. The rows under OPEN name every such restore, so this
function needs no event's content: an event and a clock merely wake it. One clean-up at a time per restore, with names that say which.
After some that failed the next ones come at growing distances: what only a person can fix must not cost a worker every few minutes.
Copies of a drill that may stay for a while are dropped in the same way when that is over, and so are databases that were replaced."""

import json
from datetime import datetime
from typing import TYPE_CHECKING

from dbrestore.contract import limits
from dbrestore.contract.document import Document
from dbrestore.contract.errors import LedgerRowUnreadable
from dbrestore.ledger.reading import META, open_restores
from dbrestore.ledger.stored_rows import Meta
from dbrestore.ledger.table import ConditionFailed
from lambdas.closing import kept_copies
from lambdas.runtime import telemetry
from lambdas.runtime.executions import described
from lambdas.runtime.inputs import SweepInput
from lambdas.runtime.ledger import Ledger
from lambdas.runtime.open_restores import open_meta
from lambdas.runtime.state import Surroundings, handler
from lambdas.runtime.telemetry import log

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions.type_defs import DescribeExecutionOutputTypeDef


class Swept(Document):
    """The executions that were started: clean-ups, and those that drop what was kept."""

    started: tuple[str, ...]


@handler("SweepLedger", SweepInput)
def sweep_ledger(section: SweepInput, surroundings: Surroundings) -> Swept:
    """Start what is needed; the names of what was started. Raises LedgerRowUnreadable, after that, if a restore's row can't be read."""
    started: list[str | None] = []
    unreadable: list[LedgerRowUnreadable] = []
    for restore_id in open_restores(surroundings.table):
        try:
            started.append(_sweep(surroundings, restore_id))
        except LedgerRowUnreadable as error:
            # The others must not wait for it; it is told when they have been looked at, so that the alarm rings.
            log.error("%s: %s", restore_id, error)
            unreadable.append(error)
    started += kept_copies.drop(surroundings)
    if unreadable:
        raise LedgerRowUnreadable("\n".join([*map(str, unreadable), "All other restores were looked at"]))
    return Swept(started=tuple(filter(None, started)))


def _sweep(surroundings: Surroundings, restore_id: str) -> str | None:
    telemetry.log.append_keys(restoreId=restore_id)
    ledger = surroundings.ledger(restore_id)
    meta = open_meta(ledger)
    if meta.status == "CLOSED" or meta.keeps_copies(surroundings.clock()) or _runs(described(surroundings, meta.execution_arn)):
        return None
    number = _number_of_next(surroundings, ledger, meta)
    return _start(surroundings, restore_id, number) if number else None


def _number_of_next(surroundings: Surroundings, ledger: Ledger, meta: Meta) -> int | None:
    """None while a clean-up runs. One that was counted but never started is started under its number."""
    number = meta.clean_ups
    if number:
        last = described(surroundings, _execution_arn(surroundings, _name(ledger.restore_id, number)))
        if last is None:
            return number
        if _runs(last) or _age(last, surroundings.clock()) < pause(number):
            return None
    change = "SET cleanUps = :next"
    condition = "attribute_not_exists(cleanUps) OR cleanUps = :seen"
    try:
        ledger.table.write(ledger.table.update(ledger.restore_id, META, change, condition, next=number + 1, seen=number))
    except ConditionFailed:
        return None
    return number + 1


def _start(surroundings: Surroundings, restore_id: str, number: int) -> str | None:
    stepfunctions = surroundings.control.stepfunctions
    name = _name(restore_id, number)
    try:
        stepfunctions.start_execution(
            stateMachineArn=surroundings.settings.state_machine_arn,
            name=name,
            input=json.dumps({"cleanUp": {"restoreId": restore_id}}),
        )
    except stepfunctions.exceptions.ExecutionAlreadyExists:
        return None
    telemetry.count("CleanUps")
    log.warning("restore %s is cleaned up by %s: its execution runs no more", restore_id, name)
    return name


def pause(failed: int) -> float:
    """Seconds between the end of the last of so many clean-ups and the next."""
    doublings = failed - limits.CLEAN_UPS_AT_ONCE
    return min(limits.CLEAN_UP_PAUSE * 2.0**doublings, limits.LONGEST_CLEAN_UP_PAUSE) if doublings >= 0 else 0.0


def _runs(execution: "DescribeExecutionOutputTypeDef | None") -> bool:
    return execution is not None and execution["status"] == "RUNNING"


def _age(execution: "DescribeExecutionOutputTypeDef", now: datetime) -> float:
    """Seconds since its end."""
    return (now - execution["stopDate"]).total_seconds()


def _execution_arn(surroundings: Surroundings, name: str) -> str:
    return surroundings.settings.state_machine_arn.replace(":stateMachine:", ":execution:", 1) + ":" + name


def _name(restore_id: str, number: int) -> str:
    return f"cleanup-{restore_id}-{number}"
