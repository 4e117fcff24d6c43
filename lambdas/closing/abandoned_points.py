"""Copies for restore points that nobody finished: whoever made them died, or walked away before the worker failed.

For two days the same command carries on with them, as long as S3 keeps the parts of its uploads; then they are deleted here, and can be
had back for a while, for the bucket keeps versions. Invariant: nothing is deleted beside a manifest, nothing that an open execution reads,
and nothing but what lies below a note's own prefixes.
"""

from datetime import datetime, timedelta
from typing import Final

from pydantic import AwareDatetime

from dbrestore.contract import keys, limits
from dbrestore.contract.document import Document
from dbrestore.ledger.reading import open_restores
from dbrestore.points.in_s3 import copying, unfinished
from dbrestore.points.in_s3.copying import Repository
from dbrestore.points.in_s3.unfinished import Heading
from lambdas.runtime.inputs import SweepInput
from lambdas.runtime.state import Surroundings, handler
from lambdas.runtime.telemetry import log

STATE: Final = "RemoveAbandonedPoints"


class Abandoned(Document):
    """The ids of points whose copies were deleted, and how many objects those were."""

    looked_at: AwareDatetime
    points: tuple[str, ...]
    objects: int


@handler(STATE, SweepInput)
def remove_abandoned_points(_: SweepInput, surroundings: Surroundings) -> Abandoned:
    """What was deleted."""
    s3, bucket, now = surroundings.control.s3, surroundings.settings.repository_bucket, surroundings.clock()
    # The notes first: what is begun afterwards is none of theirs.
    notes = [note for note in unfinished.headings(s3, bucket) if _is_old(note, now)]
    at_work = _points_at_work(surroundings) if notes else set()
    repository = Repository(s3, bucket)
    removed = {note.point_ids[0]: _remove(repository, note) for note in notes if not at_work.intersection(note.point_ids)}
    return Abandoned(looked_at=now, points=tuple(removed), objects=sum(removed.values()))


def _is_old(note: Heading, now: datetime) -> bool:
    return now - note.begun_at > timedelta(hours=limits.ABANDONED_AFTER_HOURS)


def _points_at_work(surroundings: Surroundings) -> set[str]:
    anchors = (surroundings.ledger(restore_id).meta().anchor for restore_id in open_restores(surroundings.table))
    return {anchor.source.restore_point for anchor in anchors}


def _remove(repository: Repository, note: Heading) -> int:
    """The note goes last: until then the next look finds the rest."""
    unmade = [prefix for prefix in note.prefixes if not copying.is_there(repository, prefix + keys.MANIFEST)]
    count = sum(copying.hide(repository, prefix) for prefix in unmade)
    repository.s3.delete_object(Bucket=repository.bucket, Key=note.key)
    log.warning("%s of %s was abandoned on %s: %d objects deleted", note.point_ids[0], note.instance, note.begun_at, count)
    return count
