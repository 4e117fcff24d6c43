"""Step 1: an archived restore point's data is there before anything is deployed.

RequestRetrieval (lambdas.archive.request_retrieval) asks S3 for it; RetrieveArchive waits until all of it can be read, and is entered again
when what is still being read would soon be archived again, or is.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from dbrestore.contract import limits
from dbrestore.contract.errors import BackupArchived, NotReady, RestoreError, RetrievalTimedOut
from dbrestore.contract.manifest import StoredFile
from dbrestore.contract.plan import Plan
from dbrestore.contract.sections import ArchiveSection
from dbrestore.points.archive_classes import LONGEST_WAIT
from lambdas.archive import arrivals
from lambdas.archive import files as archive_files
from lambdas.archive import request_retrieval as archive_requests
from lambdas.archive.files import FoundFile
from lambdas.lookup.source import source_manifest
from lambdas.runtime import task_tokens
from lambdas.runtime.inputs import RetrievalInput
from lambdas.runtime.ledger import Ledger
from lambdas.runtime.state import Restore, Surroundings, state

RETRIEVED = "RETRIEVED"
ROUNDS = "RETRIEVAL#ROUNDS"


@state("RetrieveArchive", RetrievalInput, makes=True)
def _wait(section: RetrievalInput, restore: Restore) -> ArchiveSection:
    """The data is there. Raises NotReady when it isn't and somebody will tell, BackupArchived if it must be asked for again,
    RetrievalTimedOut."""
    plan = section.plan
    s3, bucket = restore.surroundings.control.s3, restore.settings.repository_bucket
    key = arrivals.awaited(restore.ledger)
    files = {file.key: file for file in _files(restore, plan)}
    missing: Sequence[FoundFile] = ()
    while True:
        if key:
            # The order matters: what arrives after the look finds the token.
            arrivals.wait_for(restore.ledger, key, section.task_token)
            if (file := archive_files.look_at(s3, bucket, files[key])).in_progress:
                _require_in_time(restore, file)
                raise NotReady(_told(restore, key, len(missing)))
        found = archive_files.look(s3, bucket, tuple(files.values()))
        missing = [file for file in found if not file.is_readable]
        if not missing:
            return _arrived(restore, found)
        _require_none(restore, [file for file in missing if not file.in_progress])
        key = arrivals.choose(restore.ledger, missing)


def _require_in_time(restore: Restore, file: FoundFile) -> None:
    # By the class of today; Standard is what Expedited falls back to.
    possible = LONGEST_WAIT.get(file.storage_class, {"Standard": limits.LONGEST_RETRIEVAL_HOURS})
    tiers = ("Standard", archive_requests.planned(restore).tier)
    longest = max(hours for tier, hours in possible.items() if tier in tiers)
    hours = (restore.now() - _asked_at(restore)).total_seconds() / 3600
    if hours > longest * limits.RETRIEVAL_PATIENCE + limits.RETRIEVAL_GRACE_HOURS:
        raise RetrievalTimedOut(
            f"S3 has not retrieved all files after {hours:.0f} hours, and says that it takes {longest:g} at most: ask AWS, then start the "
            "restore again; what has arrived stays for some days"
        )


def _asked_at(restore: Restore) -> datetime:
    """When the last round of retrieval began."""
    rounds = restore.ledger.table.get(restore.ledger.restore_id, ROUNDS)
    return datetime.fromisoformat(rounds["since"]) if rounds else restore.began_at


def _told(restore: Restore, key: str, missing: int) -> str:
    wish = archive_requests.planned(restore)
    # More than the plan knew of, if a lifecycle rule moved some since.
    total = f"{max(wish.objects, missing):,} files" if wish.objects or missing else "the files"
    still = f"{missing:,} of {total}" if missing else f"some of {total}"
    return f"waiting for S3 to retrieve {still} ({wish.tier}), {key} among them"


def _files(restore: Restore, plan: Plan) -> Sequence[StoredFile]:
    return archive_files.of_plan(plan, source_manifest(restore, plan))


def _found(restore: Restore, plan: Plan) -> Sequence[FoundFile]:
    """Every file that the restore reads, as it lies in S3 now."""
    return archive_files.look(restore.surroundings.control.s3, restore.settings.repository_bucket, _files(restore, plan))


def _require_none(restore: Restore, cold: Sequence[FoundFile]) -> None:
    if cold:
        raise again(restore, f"{len(cold):,} files are archived again, {cold[0].key} among them")


def _arrived(restore: Restore, found: Sequence[FoundFile]) -> ArchiveSection:
    arrivals.end(restore.ledger)
    rows = archive_requests.asked(restore.ledger)
    ends = [file.readable_until for file in found if file.is_archived and file.readable_until]
    wish = archive_requests.planned(restore)
    asked = sum(int(row["asked"]) for row in rows)
    # Lifecycle rules may have moved more since the plan; what was in Intelligent-Tiering is in no archive any more.
    archived = [file for file in found if file.is_archived]
    objects = max(wish.objects, asked, len(archived))
    section = ArchiveSection(
        objects=objects,
        bytes=max(wish.bytes, sum(file.length for file in archived)),
        tier=wish.tier,
        requested=asked,
        found_ready=objects - asked,
        fell_back=sum(int(row["fellBack"]) for row in rows),
        readable_until=min(ends, default=None),
    )
    restore.ledger.table.write(restore.ledger.table.put({"pk": restore.ledger.restore_id, "sk": RETRIEVED, "section": section.to_json()}))
    return section


def retrieve_archive(event: dict[str, Any], context: Any, surroundings: Surroundings | None = None) -> dict[str, Any]:
    """The function of the state RetrieveArchive, which waits for its task token and not for this function's answer. It succeeds when
    everything is there; S3's event, or the state's own time-out, has it look again. Raises NotReady, upon which the state calls it again,
    if Step Functions did not take the answer."""
    try:
        section = _wait(event, context, surroundings)
    except NotReady:
        return {}
    task_tokens.succeed((surroundings or Surroundings()).control.stepfunctions, event["taskToken"], section)
    return section


def require_readable(restore: Restore) -> None:
    """For states that read from the repository: raises BackupArchived in good time before the retrieved copies go."""
    section = retrieved(restore.ledger)
    if section is None or section.readable_until is None:
        return
    left = section.readable_until - restore.now()
    if left < timedelta(hours=limits.ARCHIVE_MARGIN_HOURS):
        raise again(restore, f"the retrieved copies expire at {section.readable_until}, and the restore is still reading them")


def require_retrieved(restore: Restore, plan: Plan) -> None:
    """For a state that was refused a file: raises BackupArchived unless all can be read by now."""
    _require_none(restore, [file for file in _found(restore, plan) if not file.is_readable])


def again(restore: Restore, why: str) -> RestoreError:
    """The error that leads back to RequestRetrieval, a limited number of times."""
    table, restore_id, now = restore.ledger.table, restore.ledger.restore_id, restore.now().isoformat()
    table.write(table.update(restore_id, ROUNDS, "SET since = :now ADD rounds :one", one=1, now=now))
    rounds = int((table.get(restore_id, ROUNDS) or {"rounds": 1})["rounds"])
    if rounds <= restore.bounds.archive_rounds:
        return BackupArchived(f"{why}; what the restore reads is retrieved once more")
    return RetrievalTimedOut(
        f"{why}, after {rounds} retrievals: a lifecycle rule of the repository's bucket may remove the copies before they expire; take "
        "the prefix out of the rule, or copy the files to a storage class that can be read at once, then start the restore again"
    )


def retrieved(ledger: Ledger) -> ArchiveSection | None:
    """What the last round of retrieval brought, if the restore had one."""
    item = ledger.table.get(ledger.restore_id, RETRIEVED)
    return ArchiveSection.from_json_of_any_version(item["section"]) if item else None
