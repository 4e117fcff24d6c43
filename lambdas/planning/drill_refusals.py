"""A drill that can't even begin is told like one that failed: in the list of restores, by an event, and in the metrics.

A refused restore has somebody who reads the refusal; a drill that a schedule started has nobody.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from botocore.exceptions import BotoCoreError, ClientError

from dbrestore.contract import names
from dbrestore.contract.drills import DrillVerdict
from dbrestore.contract.errors import DrillSkipped, NotReady, RestoreCancelled, RestoreError
from dbrestore.contract.evidence import ListedProof
from dbrestore.contract.job import ErrorNote
from dbrestore.contract.record import RestoreEvent
from dbrestore.ledger import restore_list
from dbrestore.ledger.restore_list import ListedRestore, ListedTarget
from lambdas.planning.drills import Ordered
from lambdas.runtime import events, telemetry
from lambdas.runtime.aws import translated
from lambdas.runtime.inputs import PlanInput
from lambdas.runtime.state import Surroundings


@contextmanager
def told(ordered: Ordered, section: PlanInput, surroundings: Surroundings, began: datetime) -> Iterator[None]:
    """Tells of whatever ends the drill in here, but not of what will be tried again."""
    try:
        yield
    except NotReady:
        raise
    except (RestoreError, ClientError, BotoCoreError) as error:
        known = error if isinstance(error, RestoreError) else translated(error)
        if not isinstance(known, NotReady | RestoreCancelled):
            _tell(ordered, section, surroundings, began, known)
        raise


def _tell(ordered: Ordered, section: PlanInput, surroundings: Surroundings, began: datetime, error: RestoreError) -> None:
    skipped = isinstance(error, DrillSkipped)
    if not skipped:
        telemetry.count("FailedDrills")
    else:
        telemetry.count("SkippedDrills")
        if ordered.rows.skipped_in_a_row() > 1:
            telemetry.count("DrillsSkippedInARow")
    target, order = ordered.drill.target, ordered.order
    listed = ListedRestore(
        restore_id=names.restore_id(section.execution_arn),
        execution_arn=section.execution_arn,
        mode="drill",
        target=ListedTarget(db_instance=target.db_instance, account=target.account, region=target.region),
        started_at=section.started_at or began,
        ended_at=surroundings.clock(),
        outcome="FAILED",
        error=ErrorNote.of(error),
        reason=f"the drill {ordered.drill.name}",
        requested_by=order.requested_by or order.schedule_arn,
        proof=ListedProof(outcome="FAIL", why=type(error).__name__, drill=ordered.drill.name, source=ordered.drill.source.db_instance),
    )
    restore_list.refused_drill(surroundings.table, listed, section.started_at or began)
    events.tell(surroundings.control, _event(ordered, listed, skipped=skipped), "Drill Completed")


def _event(ordered: Ordered, listed: ListedRestore, *, skipped: bool) -> RestoreEvent:
    began, ended, error = listed.started_at, listed.ended_at, listed.error
    why = error.in_short if error else ""
    return RestoreEvent.model_validate(
        {
            "restore_id": listed.restore_id,
            "execution_arn": listed.execution_arn,
            "mode": "drill",
            "drill_name": ordered.drill.name,
            "status": "FAILED",
            "error": error,
            "target": ordered.drill.target.db_instance,
            "started_at": began,
            "ended_at": ended,
            "report": "",
            "drill": DrillVerdict(name=ordered.drill.name, verdict="SKIPPED" if skipped else "FAILED", why=why),
        }
    )
