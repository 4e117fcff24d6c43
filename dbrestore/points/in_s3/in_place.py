"""Backups that stay where they are: a restore point refers to versions of objects in somebody's bucket, and S3 copies nothing.

Invariant: each file is pinned by the id of its version, which nobody can overwrite; what has none is refused. What only the bucket's owner
can prevent (that the version is deleted or archived) is told while the point is added, as far as the bucket tells.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from dbrestore.contract import limits
from dbrestore.contract.errors import BackupUnreadable, RestoreRequestInvalid, SourceAccessDenied, SourceChanged, SourceNotFound
from dbrestore.contract.manifest import Manifest, ObjectReference, StoredFile
from dbrestore.contract.refusals import error_code
from dbrestore.points.in_s3 import checksums
from dbrestore.points.in_s3.copying import Wanted
from dbrestore.points.in_s3.location import S3Location
from dbrestore.points.in_s3.refusals import explained
from dbrestore.points.in_s3.source import PinnedObject, Source

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import LifecycleRuleOutputTypeDef

_AT_ONCE: Final = 16
_NO_RULES: Final = "NoSuchLifecycleConfiguration"
# A reader of S3's own: it waits for no retrieval.
_READABLE: Final = ("STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR")


def require_usable(source: Source, home: str | None) -> None:
    """Raises RestoreRequestInvalid for a bucket that no restore can read from; `home` is the repository's Region."""
    if source.requester_pays:
        raise RestoreRequestInvalid("--requester-pays: restores would pay for each reading: add the backups as copies, without --in-place")
    if (region := source.s3.meta.region_name) != home:
        raise RestoreRequestInvalid(
            f"--in-place: s3://{source.bucket} lies in {region}, and what restores read must lie in {home}, as the repository does: add "
            "the backups as copies, without --in-place"
        )


def require_allowed(objects: Sequence[PinnedObject], places: Collection[str]) -> None:
    """Raises SourceAccessDenied for an object outside of `places` (s3://bucket/prefix), which restores may read from."""
    for one in objects:
        if not one.uri.startswith(tuple(places)):
            named = ", ".join(sorted(places)) or "none"
            raise SourceAccessDenied(
                f"{one.uri}: restores may not read there; the places they may read are: {named}: name its bucket and prefix in "
                "configuration/in_place.json and deploy both stacks, or add it as a copy, without --in-place"
            )


def require_fixed(objects: Sequence[PinnedObject], most: int = limits.REFERENCED_FILES) -> None:
    """Raises BackupUnreadable for what could be overwritten, and for more files than a plan can look at."""
    if loose := next((one for one in objects if not one.version_id), None):
        raise BackupUnreadable(
            f"{loose.uri}: has no version id, because its bucket kept no versions when it was written, and what can be overwritten is no "
            "backup: switch versioning on and write it again, or add it as a copy, without --in-place"
        )
    if len(objects) > most:
        raise BackupUnreadable(
            f"these are {len(objects):,} files, and at most {most:,} can stay in place: add them as copies, without --in-place"
        )


def referred(source: Source, wanted: Sequence[Wanted]) -> dict[str, StoredFile]:
    """The files by their keys in the point, with what S3 computed of their bytes. Raises SourceChanged for a version that is gone by now,
    and what `explained` says of other refusals."""
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="refer") as threads:
        return {file.key: file for file in threads.map(lambda one: _file(source, one), wanted)}


def _file(source: Source, wanted: Wanted) -> StoredFile:
    pinned = wanted.source
    try:
        told = source.s3.head_object(**source.arguments, **pinned.version, Key=pinned.key, IfMatch=pinned.etag, ChecksumMode="ENABLED")
    except ClientError as error:
        # HeadObject has no text: what was there a moment ago was deleted.
        gone = SourceChanged(
            f"{pinned.uri}: somebody deleted the version that was to be added: wait until the backup is written, then add it"
        )
        told_of_it = explained(error, pinned.uri)
        raise (gone if isinstance(told_of_it, SourceNotFound) else told_of_it) from error
    reference = ObjectReference(bucket=pinned.bucket, key=pinned.key, version_id=pinned.version_id or "", etag=pinned.etag)
    sha256, crc32 = checksums.whole(told)
    return StoredFile(key=wanted.key, length=pinned.length, sha256=sha256, crc32=crc32, origin=pinned.uri, reference=reference)


def warnings(source: Source, points: Sequence[Manifest]) -> tuple[str, ...]:
    """Sentences about what the bucket's lifecycle rules do to what these points refer to; if S3 doesn't tell, that it can't be known."""
    objects = [(file.reference.key, file.length) for point in points for file in point.files if file.reference]
    where = str(S3Location(source.bucket, ""))
    try:
        rules = source.s3.get_bucket_lifecycle_configuration(Bucket=source.bucket).get("Rules", [])
    except ClientError as error:
        if error_code(error) == _NO_RULES:
            return ()
        return (f"{where}: its lifecycle rules can't be read ({error_code(error)}): ask its owner whether one deletes these versions",)
    return tuple(dict.fromkeys(sentence for rule in rules if _is_about(rule, objects) for sentence in _of_rule(where, rule)))


def _is_about(rule: "LifecycleRuleOutputTypeDef", objects: Sequence[tuple[str, int]]) -> bool:
    """Whether it may mean one of them: which tags an object has isn't asked."""
    chosen: Mapping[str, Any] = rule.get("Filter", {})
    both: Mapping[str, Any] = chosen.get("And", {})
    prefix = chosen.get("Prefix") or both.get("Prefix") or rule.get("Prefix") or ""
    least, most = (chosen.get(name) or both.get(name) for name in ("ObjectSizeGreaterThan", "ObjectSizeLessThan"))
    return rule["Status"] == "Enabled" and any(
        key.startswith(prefix) and (least is None or length > least) and (most is None or length < most) for key, length in objects
    )


def _of_rule(where: str, rule: "LifecycleRuleOutputTypeDef") -> Iterator[str]:
    name = f"{where}: its lifecycle rule {rule.get('ID', 'without a name')!r}"
    expired, deleted = rule.get("Expiration", {}), rule.get("NoncurrentVersionExpiration", {})
    hides = "Days" in expired or "Date" in expired
    after = f"{expired['Days']} days after it was written" if "Days" in expired else f"on {expired.get('Date')}"
    if deleted:
        keeps = f" (of which it keeps {deleted['NewerNoncurrentVersions']} newer ones)" if "NewerNoncurrentVersions" in deleted else ""
        begins = f"it hides an object {after}, and " if hides else ""
        yield (
            f"{name}: {begins}deletes a version {deleted.get('NoncurrentDays')} days after another one or a delete marker took its place"
            f"{keeps}: then the restore point is lost"
        )
    elif hides:
        yield f"{name}: hides an object {after}; its versions stay, and the restore point with them"
    moves = [*rule.get("Transitions", []), *rule.get("NoncurrentVersionTransitions", [])]
    for storage_class in dict.fromkeys(move["StorageClass"] for move in moves if move["StorageClass"] not in _READABLE):
        yield f"{name}: moves versions to {storage_class}: a restore has to retrieve them first"
