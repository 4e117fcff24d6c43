"""Phase rows, written: when each state of the flow began and ended, how often it was tried, and what it waits for."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dbrestore.contract.job import ErrorNote
from dbrestore.contract.record import PhaseRow
from dbrestore.ledger.reading import PHASE
from lambdas.runtime.ledger import Ledger


@dataclass(frozen=True)
class Beginning:
    """When a state began: at all, and in the execution that it is in now, which bounds what it may wait there. `is_first`: it begins
    with this attempt."""

    first: datetime
    here: datetime
    is_first: bool


def began(ledger: Ledger, state: str, execution: str = "") -> Beginning:
    """Note the beginning of an attempt. The first one's time stays, and that of the first one in this execution: a clean-up that comes
    days later has as long as any other. Of a state that had ended, when it was entered again is noted besides."""
    found = ledger.table.get(ledger.restore_id, PHASE + state) or {}
    now = ledger.clock().isoformat()
    first = str(found.get("startedAt", now))
    here = str(found["waitsSince"]) if found.get("execution") == execution else now
    change = (
        "SET #state = :state, #status = :running, #startedAt = :first, #waitsSince = :here, #execution = :execution "
        "REMOVE #endedAt, #error, #waitingFor ADD #attempts :one"
    )
    values: dict[str, Any] = {"state": state, "running": "RUNNING", "first": first, "here": here, "execution": execution, "one": 1}
    if "endedAt" in found:
        change, values = change.replace(" REMOVE", ", #againAt = :now REMOVE"), values | {"now": now}
    ledger.table.write(ledger.table.update(ledger.restore_id, PHASE + state, change, **values))
    return Beginning(datetime.fromisoformat(first), datetime.fromisoformat(here), is_first="startedAt" not in found)


def waits(ledger: Ledger, state: str, what: str) -> None:
    """Note what the state waits for; it is still running."""
    ledger.table.write(ledger.table.update(ledger.restore_id, PHASE + state, "SET #waitingFor = :what", what=what))


def succeeded(ledger: Ledger, state: str) -> None:
    """Note the end."""
    change = "SET #status = :status, #endedAt = :now"
    ledger.table.write(ledger.table.update(ledger.restore_id, PHASE + state, change, status="SUCCEEDED", now=ledger.clock().isoformat()))


def is_noted(ledger: Ledger, state: str) -> bool:
    """Whether the state has begun, as far as the ledger knows."""
    return ledger.table.get(ledger.restore_id, PHASE + state) is not None


def passed(ledger: Ledger, state: str, started_at: datetime) -> None:
    """Note a state that was over before the ledger was opened."""
    row = PhaseRow(state=state, started_at=started_at, ended_at=ledger.clock(), status="SUCCEEDED")
    ledger.table.write(ledger.table.put({"pk": ledger.restore_id, "sk": PHASE + state} | row.to_state()))


def failed(ledger: Ledger, state: str, error: ErrorNote, ended_at: datetime | None = None) -> None:
    """Note the end (now, unless it was earlier) and the error; a later attempt of a remover may still succeed."""
    change = "SET #status = :status, #endedAt = :now, #error = :error"
    values: dict[str, Any] = {
        "status": "FAILED",
        "now": ended_at.isoformat() if ended_at else ledger.clock().isoformat(),
        "error": error.to_state(),
    }
    ledger.table.write(ledger.table.update(ledger.restore_id, PHASE + state, change, **values))
