"""Objects copied into the repository by S3 itself; no byte passes the caller, whatever the size.

A run that was broken off is carried on: what lies under a key whole is not copied again, and an upload goes on with the parts that S3 has.
Invariant: a key holds the whole object or nothing, because an upload is completed only with every part; and all of it is of the version
that was pinned, because each request names it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from botocore.exceptions import ClientError

from dbrestore.contract import limits
from dbrestore.contract.errors import BackupDamaged, NotReady
from dbrestore.contract.manifest import StoredFile
from dbrestore.contract.refusals import error_code
from dbrestore.points import parts as s3_parts
from dbrestore.points.in_s3 import checksums
from dbrestore.points.in_s3.refusals import explained
from dbrestore.points.in_s3.source import PinnedObject
from dbrestore.points.parts import Part
from dbrestore.points.unfinished_point import StoredObject

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

Done = TypeVar("Done")
# As many as one request takes (Amazon S3 API Reference, "DeleteObjects").
_DELETED_AT_ONCE: Final = 1_000


@dataclass(frozen=True)
class Pace:
    """How many requests at once, the least size of a part, and whether the caller's time is over; a function has some minutes, a person
    has as long as it takes."""

    threads: int = limits.STAGING_THREADS
    part_bytes: int = limits.STAGING_PART_BYTES
    is_over: Callable[[], bool] = lambda: False


UNHURRIED: Final = Pace()


@dataclass(frozen=True)
class Wanted:
    """The copy of one object under one key of the repository."""

    source: PinnedObject
    key: str


@dataclass(frozen=True)
class Repository:
    """Where copies go. `requester_pays` is of the bucket they come from, whose requests these are, too. `keeps_versions`: who copies may
    hide an object, but delete no version of it."""

    s3: "S3Client"
    bucket: str
    requester_pays: bool = False
    keeps_versions: bool = False


@dataclass(frozen=True)
class Copied:
    """What lies in the repository. `file` has what S3 computed of it: the SHA-256 if it was copied in one request, else the CRC-32."""

    file: StoredFile
    stored: StoredObject


@dataclass(frozen=True)
class _Upload:
    wanted: Wanted
    planned: tuple[Part, ...]
    id: str
    parts: "dict[int, CompletedPartTypeDef]"

    @property
    def missing(self) -> list[Part]:
        return [part for part in self.planned if part.number not in self.parts]


def copy(
    wanted: Sequence[Wanted], to: Repository, prefix: str, pace: Pace, copied: Callable[[int, str], None] = lambda count, key: None
) -> tuple[Copied, ...]:
    """Make sure that every object lies under its key, as `bring` does, and tell what S3 has of each. Raises BackupDamaged for a copy that
    differs, and what `bring` does."""
    bring(wanted, to, prefix, pace, copied)
    return tuple(described(wanted, to, Pace(pace.threads)))


def bring(
    wanted: Sequence[Wanted], to: Repository, prefix: str, pace: Pace, copied: Callable[[int, str], None] = lambda count, key: None
) -> None:
    """Make sure that every object lies under its key, which begins with `prefix`. `copied` gets bytes as they arrive, those that were there
    before too. Raises SourceChanged, SourceAccessDenied, BackupArchived, and NotReady when the pace's time is over: then the next call
    carries on."""
    there = _lengths(to, prefix)
    missing = [one for one in wanted if there.get(one.key) != one.source.length]
    for one in wanted:
        if there.get(one.key) == one.source.length:
            copied(one.source.length, one.key)
    begun = dict(_uploads(to, prefix)) if missing else {}
    uploads = [u for u in _at_once(lambda one: _begin(one, to, begun, pace, copied), missing, pace) if u]
    _complete_whole(uploads, to, pace)
    unfinished = sorted((upload for upload in uploads if upload.missing), key=lambda upload: len(upload.missing))
    pieces = [(upload, part) for upload in unfinished for part in upload.missing]
    _at_once(lambda piece: _copy_part(piece[0], piece[1], to, copied), pieces, pace)
    _complete_whole(unfinished, to, pace)
    if pace.is_over() and not _all_there(wanted, to, prefix):
        raise NotReady(f"copying {len(missing)} of {len(wanted)} files")


def described(wanted: Sequence[Wanted], to: Repository, pace: Pace) -> list[Copied]:
    """What S3 has of these copies, of the first of them if the pace's time is over before the last. Raises BackupDamaged for a copy that
    differs."""
    return _at_once(lambda one: _described(one, to), wanted, pace)


def abort(to: Repository, prefix: str) -> None:
    """End the uploads under a prefix: their parts would be paid for."""
    for key, upload_id in _uploads(to, prefix):
        # Another one ended it meanwhile.
        with suppress(NotReady), _of_upload(key):
            to.s3.abort_multipart_upload(Bucket=to.bucket, Key=key, UploadId=upload_id)


def hide(to: Repository, prefix: str) -> int:
    """Delete what lies under a prefix; a bucket that keeps versions keeps these. How many objects it were. Raises NotReady for what S3
    didn't delete."""
    present = sorted(_lengths(to, prefix))
    for first in range(0, len(present), _DELETED_AT_ONCE):
        some: Any = [{"Key": key} for key in present[first : first + _DELETED_AT_ONCE]]
        refused = to.s3.delete_objects(Bucket=to.bucket, Delete={"Objects": some, "Quiet": True}).get("Errors", [])
        if refused:
            why = refused[0]
            raise NotReady(f"waiting for S3 to delete {why.get('Key')} ({why.get('Code')}: {why.get('Message')})")
    return len(present)


def is_empty(to: Repository, prefix: str) -> bool:
    """Whether nothing lies under a prefix and no upload is open there."""
    return not _lengths(to, prefix) and next(_uploads(to, prefix), None) is None


def is_there(to: Repository, key: str) -> bool:
    """Whether there is an object of exactly this key."""
    return key in _lengths(to, key)


def _lengths(to: Repository, prefix: str) -> dict[str, int]:
    pages = to.s3.get_paginator("list_objects_v2").paginate(Bucket=to.bucket, Prefix=prefix)
    return {item["Key"]: item["Size"] for page in pages for item in page.get("Contents", [])}


def _all_there(wanted: Sequence[Wanted], to: Repository, prefix: str) -> bool:
    there = _lengths(to, prefix)
    return all(there.get(one.key) == one.source.length for one in wanted)


def _uploads(to: Repository, prefix: str) -> Iterator[tuple[str, str]]:
    for page in to.s3.get_paginator("list_multipart_uploads").paginate(Bucket=to.bucket, Prefix=prefix):
        for upload in page.get("Uploads", []):
            yield upload["Key"], upload["UploadId"]


def _at_once(work: Callable[[Any], Done], items: Sequence[Any], pace: Pace) -> list[Done]:
    """The results of what was begun in time, in the order of the items. The first error ends it, when the requests under way have been
    answered."""

    def in_time(item: Any) -> list[Done]:
        return [work(item)] if not pace.is_over() else []

    with ThreadPoolExecutor(pace.threads, thread_name_prefix="copy") as threads:
        futures = [threads.submit(in_time, item) for item in items]
        try:
            for future in as_completed(futures):
                future.result()
        except BaseException:
            threads.shutdown(cancel_futures=True)
            raise
        return [result for future in futures for result in future.result()]


def _begin(wanted: Wanted, to: Repository, begun: Mapping[str, str], pace: Pace, copied: Callable[[int, str], None]) -> _Upload | None:
    """Copy a small object, or begin or find the upload of a large one."""
    planned = s3_parts.parts(wanted.source.length, pace.part_bytes)
    if not planned:
        # One request has one checksum. Tags would need permissions of their own, and metadata is the other bucket's affair.
        with _naming(wanted):
            to.s3.copy_object(**_from(wanted, to), ChecksumAlgorithm="SHA256", TaggingDirective="REPLACE", MetadataDirective="REPLACE")
        copied(wanted.source.length, wanted.key)
        return None
    if found := begun.get(wanted.key):
        upload = _Upload(wanted, planned, found, _parts(wanted, planned, to, found))
        copied(sum(part.length for part in planned if part.number in upload.parts), wanted.key)
        return upload
    created = to.s3.create_multipart_upload(Bucket=to.bucket, Key=wanted.key, ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")
    return _Upload(wanted, planned, created["UploadId"], {})


def _parts(wanted: Wanted, planned: tuple[Part, ...], to: Repository, upload_id: str) -> "dict[int, CompletedPartTypeDef]":
    lengths = {part.number: part.length for part in planned}
    pages = to.s3.get_paginator("list_parts").paginate(Bucket=to.bucket, Key=wanted.key, UploadId=upload_id)
    with _of_upload(wanted.key):
        found = [part for page in pages for part in page.get("Parts", [])]
    return {part["PartNumber"]: _completed(part["PartNumber"], part) for part in found if part["Size"] == lengths.get(part["PartNumber"])}


def _copy_part(upload: _Upload, part: Part, to: Repository, copied: Callable[[int, str], None]) -> None:
    with _naming(upload.wanted), _of_upload(upload.wanted.key):
        answer = to.s3.upload_part_copy(
            **_from(upload.wanted, to),
            UploadId=upload.id,
            PartNumber=part.number,
            CopySourceRange=f"bytes={part.first}-{part.last}",
        )
    upload.parts[part.number] = _completed(part.number, answer["CopyPartResult"])
    copied(part.length, upload.wanted.key)


def _from(wanted: Wanted, to: Repository) -> dict[str, Any]:
    """Of the pinned version alone: what is replaced meanwhile gives an error and not a mixture."""
    source = wanted.source
    return {
        "Bucket": to.bucket,
        "Key": wanted.key,
        "CopySource": {"Bucket": source.bucket, "Key": source.key, **source.version},
        "CopySourceIfMatch": source.etag,
        **({"RequestPayer": "requester"} if to.requester_pays else {}),
    }


def _completed(number: int, told: Mapping[str, Any]) -> "CompletedPartTypeDef":
    part: CompletedPartTypeDef = {"PartNumber": number, "ETag": told["ETag"]}
    if checksum := told.get("ChecksumCRC32"):
        part["ChecksumCRC32"] = checksum
    return part


def _complete_whole(uploads: Sequence[_Upload], to: Repository, pace: Pace) -> None:
    """Those that lack nothing, of which an earlier call may have left some."""
    _at_once(lambda upload: _complete(upload, to), [upload for upload in uploads if not upload.missing], pace)


def _complete(upload: _Upload, to: Repository) -> None:
    parts = [upload.parts[number] for number in sorted(upload.parts)]
    with _of_upload(upload.wanted.key):
        to.s3.complete_multipart_upload(
            Bucket=to.bucket, Key=upload.wanted.key, UploadId=upload.id, MultipartUpload={"Parts": parts}, ChecksumType="FULL_OBJECT"
        )


def _described(wanted: Wanted, to: Repository) -> Copied:
    told = to.s3.head_object(Bucket=to.bucket, Key=wanted.key, ChecksumMode="ENABLED")
    length = told["ContentLength"]
    if length != wanted.source.length:
        raise BackupDamaged(f"{wanted.source.uri}: its copy has {length:,} bytes and not {wanted.source.length:,}: add it again")
    sha256, crc32 = checksums.whole(told)
    file = StoredFile(key=wanted.key, length=length, sha256=sha256, crc32=crc32)
    return Copied(file, StoredObject(wanted.key, told.get("VersionId")))


@contextmanager
def _naming(wanted: Wanted) -> Iterator[None]:
    """What S3 refuses is told of the object that was to be copied."""
    try:
        yield
    except ClientError as error:
        raise explained(error, wanted.source.uri) from error


@contextmanager
def _of_upload(key: str) -> Iterator[None]:
    """Two calls at once may carry on one upload: whoever comes second finds it ended, and the object there when it looks again."""
    try:
        yield
    except ClientError as error:
        if error_code(error) != "NoSuchUpload":
            raise
        raise NotReady(f"waiting for another call, which ended the upload of {key}") from error
