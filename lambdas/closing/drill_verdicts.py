"""What a drill proved, for the report, the event and the metrics: made of what the ledger and the worker's results say."""

from typing import Literal

from dbrestore.contract.drills import DrillVerdict, PlannedDrill
from dbrestore.contract.job import ErrorNote
from dbrestore.contract.things import DATABASE
from dbrestore.ledger.stored_rows import Meta
from lambdas.databases import objectives
from lambdas.runtime.state import Restore


def of(restore: Restore, meta: Meta, planned: PlannedDrill | None, error: ErrorNote | None) -> DrillVerdict | None:
    """None of a restore that is no drill. `planned` is None if the plan can't be read: then the name alone is known."""
    anchored = meta.anchor.drill
    if anchored is None:
        return None
    verdict = DrillVerdict(
        name=anchored.name,
        verdict="FAILED" if error else "PASSED",
        why=error.in_short if error else "",
        copies=_copies(restore, meta),
        copies_until=meta.kept_until,
    )
    if planned is None:
        return verdict
    recovered = objectives.recovered_at(restore.ledger)
    return verdict.model_copy(
        update={
            "recovery_seconds": (recovered - meta.started_at).total_seconds() if recovered else None,
            "point_age_seconds": (meta.started_at - planned.point_made_at).total_seconds(),
            "objectives": objectives.measured(planned, meta.started_at, recovered),
        }
    )


def _copies(restore: Restore, meta: Meta) -> Literal["SUCCESSFUL", "FAILED", "DELETING", "NONE"]:
    rows = restore.ledger.rows(DATABASE)
    if not rows:
        return "NONE"
    if meta.keeps_copies(restore.now()) and any(row.state == "CREATED" for row in rows):
        return "DELETING"
    return "SUCCESSFUL" if all(row.state == "DELETED" for row in rows) else "FAILED"
