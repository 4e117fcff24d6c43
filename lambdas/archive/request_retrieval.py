"""Step 1, first half: S3 is asked for the archived files, a batch per invocation and several at once.

S3 makes the copies and takes them away by itself after the days that it was asked for: nothing of it can be removed earlier, and nothing
is left behind. Invariant: asking twice harms nothing, because S3 answers that it is at it, or keeps the copy longer.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from dbrestore.contract import limits
from dbrestore.contract.errors import InternalContradiction
from dbrestore.contract.plan import PlannedArchive
from dbrestore.contract.refusals import error_code
from dbrestore.contract.request import ArchiveTier
from dbrestore.ledger.stored_plan import WHERE_TO_REPORT
from dbrestore.ledger.table import ConditionFailed, Item
from dbrestore.points.archive_classes import LONGEST_WAIT
from lambdas.archive import files as archive_files
from lambdas.archive import references
from lambdas.archive.files import FoundFile
from lambdas.lookup.source import source_manifest
from lambdas.runtime.inputs import BatchInput
from lambdas.runtime.ledger import Ledger
from lambdas.runtime.state import Restore, state
from lambdas.runtime.telemetry import log

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BATCH = "RETRIEVAL#BATCH#"


@state("RequestRetrieval", BatchInput, makes=True)
def request_retrieval(section: BatchInput, restore: Restore) -> None:
    """Ask S3 for the archived files of one batch. Raises BackupDamaged if one is gone."""
    plan, wish = restore.ledger.meta().plan, planned(restore)
    size = restore.bounds.archive_batch
    first = section.batch * size
    files = archive_files.of_plan(plan, source_manifest(restore, plan))
    s3, bucket = restore.surroundings.control.s3, restore.settings.repository_bucket
    found = archive_files.look(s3, bucket, files[first : first + size])
    archived = [file for file in found if file.is_archived]
    _note_asked(restore.ledger, section.batch, [file for file in archived if not file.is_readable and not file.in_progress])
    # What is under way comes last: an invocation that S3 stopped goes on with what was not asked for yet.
    wanted = sorted((file for file in archived if _is_worth_asking(file, wish)), key=lambda file: file.in_progress)
    if without_capacity := _request(s3, bucket, wanted, wish.tier, wish.days):
        log.warning("Expedited had no capacity for %d files: using Standard", len(without_capacity))
        # First told and then done: of one that is under way nobody could say any more why it is slow.
        _note_fallen_back(restore.ledger, section.batch, sum(not file.in_progress for file in without_capacity))
        _request(s3, bucket, without_capacity, "Standard", wish.days)


def planned(restore: Restore) -> PlannedArchive:
    """What the plan says of the archive."""
    if (wish := restore.ledger.meta().plan.archive) is None:
        raise InternalContradiction(f"The plan holds nothing about the archive. {WHERE_TO_REPORT}")
    return wish


def _is_worth_asking(file: FoundFile, wish: PlannedArchive) -> bool:
    if file.in_progress:
        # A request under way can be made faster but not slower.
        return wish.tier != "Bulk"
    return not file.lasts(timedelta(days=wish.days - 1))


def _request(s3: "S3Client", bucket: str, files: Sequence[FoundFile], tier: ArchiveTier, days: int) -> list[FoundFile]:
    """The files for which the tier had no capacity."""
    refused = Event()

    def has_capacity(file: FoundFile) -> bool:
        # One refusal is enough: the SDK repeats each for seconds before it gives it to us.
        if not refused.is_set() and _ask(s3, bucket, file, tier, days):
            return True
        refused.set()
        return False

    with ThreadPoolExecutor(limits.ARCHIVE_THREADS, thread_name_prefix="retrieve") as threads:
        futures = [(file, threads.submit(has_capacity, file)) for file in files]
        try:
            return [file for file, future in futures if not future.result()]
        except BaseException:
            # If S3 asks for a pause, the rest of the batch would only make it longer.
            threads.shutdown(cancel_futures=True)
            raise


def _ask(s3: "S3Client", bucket: str, file: FoundFile, tier: ArchiveTier, days: int) -> bool:
    """Whether there was capacity. RestoreObject: 202 begun, 200 kept longer, 409 under way; refused with ObjectAlreadyInActiveTierError
    or InvalidObjectState if the object is in no archive any more (Amazon S3 API reference, "RestoreObject")."""
    # In Intelligent-Tiering the object itself moves to the frequent access tier: there is no copy to keep.
    kept = {"Days": days} if file.storage_class in ("GLACIER", "DEEP_ARCHIVE") else {}
    # A lifecycle rule may have moved it since the plan to where there is no such tier.
    possible = tier if tier in LONGEST_WAIT[file.storage_class] else "Standard"
    request: Any = {**kept, "GlacierJobParameters": {"Tier": possible}}
    try:
        s3.restore_object(**file.place(bucket).arguments, RestoreRequest=request)
    except ClientError as error:
        code = error_code(error)
        if code in ("RestoreAlreadyInProgress", "ObjectAlreadyInActiveTierError", "InvalidObjectState"):
            return True
        if code == "GlacierExpeditedRetrievalNotAvailable":
            return False
        if code in ("NoSuchKey", "NoSuchVersion", "404"):
            raise archive_files.gone(file.place(bucket)) from error
        if file.elsewhere and code == "AccessDenied":
            raise references.denied(file.elsewhere) from error
        raise
    return True


def _note_asked(ledger: Ledger, batch: int, files: Sequence[FoundFile]) -> None:
    """Before it is asked for, and only by the first invocation of the first round: a repeated one would count it as found."""
    row = {"pk": ledger.restore_id, "sk": f"{BATCH}{batch:06}", "asked": len(files), "fellBack": 0}
    try:
        ledger.table.write(ledger.table.put(row, "attribute_not_exists(pk)"))
    except ConditionFailed:
        log.info("batch %d was asked for before", batch)


def _note_fallen_back(ledger: Ledger, batch: int, number: int) -> None:
    """The most that an invocation had to tell: a repeated one finds those on their way that the first has told of."""
    row = f"{BATCH}{batch:06}"
    try:
        ledger.table.write(ledger.table.update(ledger.restore_id, row, "SET fellBack = :number", "fellBack < :number", number=number))
    except ConditionFailed:
        log.info("that files of batch %d fell back was told before", batch)


def asked(ledger: Ledger) -> tuple[Item, ...]:
    """One row per batch: `asked` and `fellBack` count files."""
    return ledger.table.query(ledger.restore_id, BATCH)
