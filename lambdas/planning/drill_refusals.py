"""A drill that can't even begin is told like one that failed: in the list of restores, by an event, in the metrics, and by a page.

A refused restore has somebody who reads the refusal; a drill that a schedule started has nobody.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from botocore.exceptions import BotoCoreError, ClientError

from dbrestore.contract import names
from dbrestore.contract.deployed import versions
from dbrestore.contract.errors import DrillSkipped, NotReady, RestoreCancelled, RestoreError
from dbrestore.contract.evidence import ListedProof
from dbrestore.contract.job import ErrorNote
from dbrestore.contract.record import RestoreEvent
from dbrestore.evidence import listed_proof, refused, verdict
from dbrestore.evidence.refused import Refused
from dbrestore.ledger import restore_list
from dbrestore.ledger.restore_list import ListedRestore, ListedTarget
from lambdas.planning.drills import Ordered
from lambdas.runtime import events, evidence_folder, telemetry
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
    _count(ordered, error)
    found = Refused(
        restore_id=names.restore_id(section.execution_arn),
        execution_arn=section.execution_arn,
        drill=ordered.drill,
        order=ordered.order,
        error=ErrorNote.of(error),
        started_at=section.started_at or began,
        ended_at=surroundings.clock(),
    )
    restore_list.refused_drill(surroundings.table, _listed(found), found.started_at)
    events.tell(surroundings.control, _event(found), "Drill Completed")
    _keep(surroundings, found)


def _count(ordered: Ordered, error: RestoreError) -> None:
    if not isinstance(error, DrillSkipped):
        telemetry.count("FailedDrills")
        return
    telemetry.count("SkippedDrills")
    if ordered.rows.skipped_in_a_row() > 1:
        telemetry.count("DrillsSkippedInARow")


def _keep(surroundings: Surroundings, found: Refused) -> None:
    """Last, and nothing of it becomes the drill's own error: whoever listens has been told already."""
    try:
        evidence_folder.sealed(surroundings, refused.gathered(found, versions.NUMBER, versions.of_code()))
    except Exception as error:
        evidence_folder.failed("the evidence of a drill that could not begin was not written", error)


def _listed(found: Refused) -> ListedRestore:
    target = found.drill.target
    return ListedRestore(
        restore_id=found.restore_id,
        execution_arn=found.execution_arn,
        mode="drill",
        target=ListedTarget(db_instance=target.db_instance, account=target.account, region=target.region),
        started_at=found.started_at,
        ended_at=found.ended_at,
        outcome="FAILED",
        error=found.error,
        reason=found.reason,
        requested_by=found.requested_by,
        proof=ListedProof(
            outcome="FAIL",
            why=verdict.of_refused(found.error).sentence[: listed_proof.LONGEST],
            drill=found.drill.name,
            source=found.drill.source.db_instance,
        ),
    )


def _event(found: Refused) -> RestoreEvent:
    return RestoreEvent(
        restore_id=found.restore_id,
        execution_arn=found.execution_arn,
        mode="drill",
        drill_name=found.drill.name,
        status="FAILED",
        error=found.error,
        target=found.drill.target.db_instance,
        started_at=found.started_at,
        ended_at=found.ended_at,
        drill=found.verdict,
    )
