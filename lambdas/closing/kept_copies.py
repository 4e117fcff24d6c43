"""Databases that were replaced are dropped when their time is over: by an execution of the same machine, as `dbrestore drop-old` starts it.

One per restore and day, which its name says: Step Functions starts none twice. What keeps a copy, such as a session in it, is met again the
next day. The copies of one restore go together, when the last of them may.
"""

from itertools import groupby

from dbrestore.contract.swaps.exchanges import SwapRecord
from dbrestore.contract.swaps.orders import SwapOrder, SwapStart
from dbrestore.ledger import exchanges
from lambdas.runtime.state import Surroundings
from lambdas.runtime.telemetry import log

_ASKED_BY = "the sweeper: the time of the copy is over"


def drop(surroundings: Surroundings) -> list[str]:
    """Start what is due; the names of the executions that were started."""
    now = surroundings.clock()
    kept = [record for record in exchanges.every(surroundings.table) if record.state == "SWAPPED" and record.keep_until]
    by_restore = {of: tuple(records) for of, records in groupby(sorted(kept, key=_of), _of)}
    due = [of for of, records in by_restore.items() if all(one.keep_until and one.keep_until <= now for one in records)]
    started = [_started(surroundings, of, f"drop-{of}-{now:%Y%m%d}") for of in due]
    return [name for name in started if name]


def _of(record: SwapRecord) -> str:
    return record.of


def _started(surroundings: Surroundings, restore_id: str, name: str) -> str | None:
    stepfunctions = surroundings.control.stepfunctions
    order = SwapStart(swap=SwapOrder(action="drop", restore_id=restore_id, requested_by=_ASKED_BY))
    try:
        stepfunctions.start_execution(stateMachineArn=surroundings.settings.state_machine_arn, name=name, input=order.input_text())
    except stepfunctions.exceptions.ExecutionAlreadyExists:
        return None
    log.info("the copies that %s keeps are dropped by %s: their time is over", restore_id, name)
    return name
