"""Copies for restore points that nobody finished: whoever made them died, or walked away before the worker failed.

For two days the same command carries on with them, as long as S3 keeps the parts of its uploads; then they are deleted here, and can be
had back for a while, for the bucket keeps versions. Invariant: nothing is deleted beside a manifest, nothing that an open execution reads,
and nothing but what lies below a note's own prefixes.
"""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from pydantic import AwareDatetime

from dbrestore.contract import keys, limits
from dbrestore.contract.document import Document
from dbrestore.ledger.reading import open_restores
from dbrestore.points.in_s3 import unfinished
from dbrestore.points.in_s3.unfinished import Unfinished
from lambdas.runtime.inputs import SweepInput
from lambdas.runtime.state import Surroundings, handler
from lambdas.runtime.telemetry import log

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

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
    notes = [note for note in unfinished.every(s3, bucket) if _is_old(note, now)]
    at_work = _points_at_work(surroundings) if notes else set()
    removed = {note.point_ids[0]: _remove(s3, bucket, note) for note in notes if not at_work.intersection(note.point_ids)}
    return Abandoned(looked_at=now, points=tuple(removed), objects=sum(removed.values()))


def _is_old(note: Unfinished, now: datetime) -> bool:
    return now - note.begun_at > timedelta(hours=limits.ABANDONED_AFTER_HOURS)


def _points_at_work(surroundings: Surroundings) -> set[str]:
    anchors = (surroundings.ledger(restore_id).meta().anchor for restore_id in open_restores(surroundings.table))
    return {anchor.source.restore_point for anchor in anchors}


def _remove(s3: "S3Client", bucket: str, note: Unfinished) -> int:
    """The note goes last: until then the next look finds the rest."""
    count = sum(_below(s3, bucket, keys.point_prefix(note.instance, point_id)) for point_id in note.point_ids)
    s3.delete_object(Bucket=bucket, Key=note.key)
    log.warning("%s of %s was abandoned on %s: %d objects deleted", note.point_ids[0], note.instance, note.begun_at, count)
    return count


def _below(s3: "S3Client", bucket: str, prefix: str) -> int:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    present = [item["Key"] for page in pages for item in page.get("Contents", [])]
    if prefix + keys.MANIFEST in present:
        return 0
    for key in present:
        s3.delete_object(Bucket=bucket, Key=key)
    return len(present)
