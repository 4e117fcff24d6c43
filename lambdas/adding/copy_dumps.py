"""Dumps that lie in somebody's bucket are copied into the repository by S3 itself, for a point that is read and published afterwards.

An invocation copies for a while and stops between two parts; the next one finds in S3 what is there. So nobody's computer has to stay
switched on, whatever the size. Invariant: where the copies go stands in the ledger before the first of them, and no copy makes a point
visible. What becomes of them in the end: a point's files, what the same order carries on with, or nothing.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from dbrestore.contract import keys, limits
from dbrestore.contract.error_names import by_name
from dbrestore.contract.errors import (
    BackupUnfit,
    InternalContradiction,
    NotReady,
    RequestRefused,
    RestoreCancelled,
    SourceAccessDenied,
)
from dbrestore.contract.plan import Plan
from dbrestore.contract.record import ResourceRow
from dbrestore.contract.sections import CopiedSection
from dbrestore.contract.things import DUMP_COPIES
from dbrestore.points.in_s3 import copying, ordered, refusals, unfinished
from dbrestore.points.in_s3.copying import Pace, Repository
from dbrestore.points.in_s3.ordered import Copies
from dbrestore.points.in_s3.unfinished import Unfinished
from lambdas.adding import read_dumps
from lambdas.runtime import invocations
from lambdas.runtime.inputs import CopiesInput, PlannedInput
from lambdas.runtime.state import Restore, state

COPYING: Final = "CopyDumps"
ROLE: Final = "copies"
# Nothing but another dump, another order, or nobody's wish any more.
_FOR_GOOD: Final = (BackupUnfit, RequestRefused, RestoreCancelled)
_OF_THE_POINT: Final = "the restore point's files"
_FOR_LATER: Final = (
    f"no restore point yet: the same order carries on with them, until {limits.ABANDONED_AFTER_HOURS} hours after it was begun; then "
    "RemoveAbandonedPoints deletes them"
)


@state(COPYING, PlannedInput, makes=True)
def copy_dumps(section: PlannedInput, restore: Restore) -> CopiedSection:
    """All copies are there, and S3 has told what it computed of each. Raises NotReady until then, what is wrong with the note, and what
    keeps S3 from copying: SourceChanged, SourceAccessDenied, BackupArchived, BackupDamaged."""
    copies = _ordered(restore, section.plan)
    bucket = restore.settings.repository_bucket
    row = restore.ledger.intend(DUMP_COPIES, ROLE, f"{bucket}/{copies.prefix}")
    if row.state == "INTENT":
        with invocations.at_work(restore.ledger, COPYING), _reader_named(restore):
            ordered.copied(copies, _repository(restore, copies.note), _pace(restore), lambda note: _keep(restore, note))
        restore.ledger.created(row, f"s3://{bucket}/{copies.prefix}")
    return CopiedSection(bucket=bucket, prefix=copies.prefix, objects=len(copies.wanted), bytes=copies.length)


def _ordered(restore: Restore, plan: Plan) -> Copies:
    if plan.addition is None:
        raise InternalContradiction("/plan/addition: is missing: report this as a bug")
    key = unfinished.key(plan.addition.instance, plan.addition.point_id)
    note = unfinished.read(restore.surroundings.control.s3, restore.settings.repository_bucket, key)
    return ordered.of(note, restore.settings.own_buckets)


def _repository(restore: Restore, note: Unfinished | None = None) -> Repository:
    """What is removed there stays as a version, as with all functions."""
    s3 = restore.surroundings.control.copying_s3(None)
    pays = note is not None and note.requester_pays
    return Repository(s3, restore.settings.repository_bucket, pays, keeps_versions=True)


def _pace(restore: Restore) -> Pace:
    stopwatch, bounds = restore.surroundings.stopwatch, restore.bounds
    until = stopwatch() + bounds.copying_seconds
    return Pace(bounds.staging_threads, bounds.staging_part_bytes, lambda: stopwatch() >= until)


def _keep(restore: Restore, note: Unfinished) -> None:
    unfinished.write(restore.surroundings.control.s3, restore.settings.repository_bucket, note)


@contextmanager
def _reader_named(restore: Restore) -> Iterator[None]:
    """Who was refused is a function's role, and not whoever gave the order; S3 tells other accounts' callers no name."""
    try:
        yield
    except SourceAccessDenied as error:
        caller = refusals.role(restore.surroundings.control.sts.get_caller_identity()["Arn"])
        raise SourceAccessDenied(
            f"{error}; the caller is {caller}, the role of the function {COPYING}: by itself it may read only the places of "
            "configuration/in_place.json (bucket, prefix, kmsKey) and of rules of adoption"
        ) from error


@state("RemoveCopies", CopiesInput)
def remove_copies(section: CopiesInput, restore: Restore) -> None:
    """No upload is open any more, and the copies are a point's, are kept for another try, or were seen absent. Raises NotReady."""
    restore.ledger.advance("CLOSING")
    rows = restore.ledger.unsettled(DUMP_COPIES)
    if not rows:
        return
    for maker in (COPYING, read_dumps.STATE):
        invocations.require_none_at_work(restore.ledger, maker)
    for row in rows:
        _settle(section, restore, row)


def _settle(section: CopiesInput, restore: Restore, row: ResourceRow) -> None:
    to, source = _repository(restore), restore.ledger.meta().anchor.source
    bucket, _, prefix = row.name.partition("/")
    note = unfinished.key(source.db_instance, source.restore_point)
    copying.abort(to, prefix)
    if copying.is_there(to, keys.manifest_key(source.db_instance, source.restore_point)):
        to.s3.delete_object(Bucket=bucket, Key=note)
        restore.ledger.kept(row, f"s3://{row.name}", _OF_THE_POINT)
    elif row.state == "CREATED" and not _is_for_good(section, restore):
        restore.ledger.kept(row, f"s3://{row.name}", _FOR_LATER)
    else:
        _remove(restore, to, row, note)


def _is_for_good(section: CopiesInput, restore: Restore) -> bool:
    """Whether the same order would end the same way. Of an execution that was stopped nobody knows."""
    meta = restore.ledger.meta()
    name = meta.error.name if meta.error else section.failure.error if section.failure else ""
    return meta.cancel_requested or (bool(name) and issubclass(by_name(name), _FOR_GOOD))


def _remove(restore: Restore, to: Repository, row: ResourceRow, note: str) -> None:
    prefix = row.name.partition("/")[2]
    count = copying.hide(to, prefix)
    if not copying.is_empty(to, prefix):
        raise NotReady(f"waiting for what lies under s3://{row.name} to be gone")
    to.s3.delete_object(Bucket=to.bucket, Key=note)
    restore.ledger.deleted(row, f"{count:,} objects, whose versions S3 keeps for a while" if count else None)
