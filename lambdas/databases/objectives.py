"""What a drill must keep to: measured when its databases are verified, once, and kept in the ledger for the report.

pk            sk        what
<restore id>  MEASURED  the moment at which all databases were verified for the first time
"""

from datetime import datetime, timedelta
from typing import Final

from dbrestore.contract.drills import MeasuredObjective, PlannedDrill
from dbrestore.contract.errors import DrillFailed
from dbrestore.ledger.table import ConditionFailed
from lambdas.runtime.ledger import Ledger
from lambdas.runtime.state import Restore

_MEASURED: Final = "MEASURED"


def require(restore: Restore, drill: PlannedDrill, unmet_checks: list[str]) -> None:
    """Raises DrillFailed with everything that the drill missed; the databases themselves are verified."""
    recovered = _recovered(restore)
    found = measured(drill, restore.ledger.meta().started_at, recovered)
    missed = ["the backup was read with damage on purpose, and nothing noticed it"] if drill.with_damage else []
    missed += [_told(one) for one in found if not one.met]
    if missed or unmet_checks:
        raise DrillFailed("\n".join([*missed, *unmet_checks]))


def measured(drill: PlannedDrill, started_at: datetime, recovered_at: datetime | None) -> tuple[MeasuredObjective, ...]:
    """Each objective that was set, with what was measured of it; `recovered_at` None: the drill didn't come so far."""
    age = (started_at - drill.point_made_at) / timedelta(hours=1)
    took = (recovered_at - started_at) / timedelta(minutes=1) if recovered_at else None
    asked = drill.objectives
    recovery = _measured("recoveryMinutes", asked.recovery_minutes, took)
    return tuple(one for one in (recovery, _measured("pointHours", asked.point_hours, age)) if one)


def recovered_at(ledger: Ledger) -> datetime | None:
    """When all databases of the drill had been verified; None if that never was."""
    item = ledger.table.get(ledger.restore_id, _MEASURED)
    return datetime.fromisoformat(str(item["at"])) if item else None


def _recovered(restore: Restore) -> datetime:
    """A later call of the state finds what the first one measured."""
    ledger, now = restore.ledger, restore.now()
    row = {"pk": ledger.restore_id, "sk": _MEASURED, "at": now.isoformat()}
    try:
        ledger.table.write(ledger.table.put(row, "attribute_not_exists(pk)"))
    except ConditionFailed:
        return recovered_at(ledger) or now
    return now


def _measured(name: str, asked: float | None, found: float | None) -> MeasuredObjective | None:
    if asked is None:
        return None
    value = None if found is None else round(found, 6)
    return MeasuredObjective.model_validate({"name": name, "asked": asked, "measured": value, "met": value is not None and value <= asked})


def _told(objective: MeasuredObjective) -> str:
    found = objective.measured or 0.0
    if objective.name == "pointHours":
        return f"the restore point was {found:,.1f} hours old, and the objective is {objective.asked:,.15g}"
    return f"the databases were verified {found:,.1f} minutes after the drill began, and the objective is {objective.asked:,.15g}"
