"""Step 4: S3 copies the files into the temporary bucket itself; no byte passes a Lambda or the worker.

An invocation copies for a while and stops between two parts; the next one finds in S3 what is there. Invariant: a key holds the whole file
or nothing, because an upload is completed only with every part of the plan. Two invocations at once do no harm: the same part of the same
upload is the same bytes, and so is the same key of two uploads.
"""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import ClientError

from dbrestore.contract.errors import BackupArchived, BackupDamaged, NotReady, RestoreError
from dbrestore.contract.refusals import error_code
from dbrestore.contract.sqlserver_errors import CrossRegionCopyRefused, StagedBackupMissing
from dbrestore.points import parts as staging_parts
from dbrestore.points.parts import Part
from lambdas.archive import references
from lambdas.staging import damage as staging_damage
from lambdas.staging import objects as staging_objects
from lambdas.staging.files import StagedFile

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

Done = TypeVar("Done")


@dataclass(frozen=True)
class Place:
    """A bucket, whose it is, and a client that may use it."""

    s3: "S3Client"
    bucket: str
    owner: str

    @property
    def arguments(self) -> dict[str, Any]:
        """What every call about the bucket has."""
        return {"Bucket": self.bucket, "ExpectedBucketOwner": self.owner}


@dataclass(frozen=True)
class Pace:
    """How fast and how long an invocation works: how many requests at once, the least size of a part, and whether its time is over.
    `with_damage`: one bit of each file becomes another on the way."""

    is_over: Callable[[], bool]
    threads: int
    part_bytes: int
    with_damage: bool = False

    def parts(self, file: StagedFile) -> tuple[Part, ...]:
        """None for a file that is copied whole."""
        cut = staging_damage.parts if self.with_damage else staging_parts.parts
        return cut(file.length, self.part_bytes)


@dataclass(frozen=True)
class _Upload:
    """A file that is copied in these parts; `parts` holds what S3 has."""

    file: StagedFile
    planned: tuple[Part, ...]
    etag: str
    id: str
    parts: "dict[int, CompletedPartTypeDef]"

    @property
    def missing(self) -> list[Part]:
        return [part for part in self.planned if part.number not in self.parts]


def copy(files: Iterable[StagedFile], source: Place, target: Place, prefix: str, pace: Pace) -> None:
    """Make sure that every file lies under its key. It stops when the pace's
    time is over. Raises NotReady, which says how much is
    there, BackupDamaged, CrossRegionCopyRefused, StagedBackupMissing."""
    try:
        _copy(tuple(files), source, target, prefix, pace)
    except ClientError as error:
        if error_code(error) != "NoSuchBucket":
            raise
        raise StagedBackupMissing(f"{target.bucket} is gone: somebody deleted it; start the restore again") from error


def _copy(files: tuple[StagedFile, ...], source: Place, target: Place, prefix: str, pace: Pace) -> None:
    there = _lengths(target, prefix)
    missing = [file for file in files if there.get(file.key) != file.length]
    if not missing:
        return
    begun = _uploads(target, prefix)
    uploads = [u for u in _at_once(lambda f: _begin(f, source, target, begun.get(f.key), pace), missing, pace) if u]
    # What an earlier invocation copied to its end comes first, and then what lacks least: a whole file is safe from the rule that aborts
    # uploads, and time may run out before the last part of the last file.
    _complete_whole(uploads, target, pace)
    unfinished = sorted((upload for upload in uploads if upload.missing), key=lambda upload: len(upload.missing))
    pieces = [(upload, part) for upload in unfinished for part in upload.missing]
    _at_once(lambda piece: _copy_part(piece[0], piece[1], source, target, pace), pieces, pace)
    _complete_whole(unfinished, target, pace)
    _require_all(files, target, prefix, uploads, pace)


def _lengths(target: Place, prefix: str) -> dict[str, int]:
    pages = target.s3.get_paginator("list_objects_v2").paginate(**target.arguments, Prefix=prefix)
    return {item["Key"]: item["Size"] for page in pages for item in page.get("Contents", [])}


def _uploads(target: Place, prefix: str) -> dict[str, str]:
    """Key -> the upload that is carried on: of several, all invocations choose the same."""
    found = staging_objects.uploads(target.s3, target.bucket, prefix, target.owner)
    newest_first = sorted(found, key=lambda upload: (upload["Initiated"], upload["UploadId"]), reverse=True)
    return {upload["Key"]: upload["UploadId"] for upload in newest_first}


def _at_once(work: Callable[[Any], Done], items: Iterable[Any], pace: Pace) -> list[Done]:
    """The results of what was begun in time. The first error ends it, when the requests under way have been answered."""

    def in_time(item: Any) -> list[Done]:
        return [work(item)] if not pace.is_over() else []

    with ThreadPoolExecutor(pace.threads, thread_name_prefix="stage") as threads:
        futures = [threads.submit(in_time, item) for item in items]
        try:
            return [result for future in as_completed(futures) for result in future.result()]
        except BaseException:
            threads.shutdown(cancel_futures=True)
            raise


def _begin(file: StagedFile, source: Place, target: Place, upload_id: str | None, pace: Pace) -> _Upload | None:
    """Copy a small file, or begin or find the upload of a large one."""
    etag, planned = _source_etag(file, source), pace.parts(file)
    if not planned:
        _copy_whole(file, etag, source, target, with_damage=pace.with_damage)
        return None
    if upload_id is None:
        created = target.s3.create_multipart_upload(**target.arguments, Key=file.key, ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")
        return _Upload(file, planned, etag, created["UploadId"], {})
    return _Upload(file, planned, etag, upload_id, _parts(file, planned, target, upload_id))


def _source_etag(file: StagedFile, source: Place) -> str:
    try:
        found = source.s3.head_object(**_place(file, source))
    except ClientError as error:
        raise _explained(error, file) from error
    if found["ContentLength"] != file.length:
        raise BackupDamaged(
            f"{file.source_key} has {found['ContentLength']:,} bytes, and the manifest says {file.length:,}: choose another restore point"
        )
    if file.stored.reference and found["ETag"] != file.stored.reference.etag:
        raise BackupDamaged(f"{file.source_key} has the ETag {found['ETag']}, and the manifest says {file.stored.reference.etag}")
    return found["ETag"]


def _place(file: StagedFile, source: Place) -> dict[str, Any]:
    """What every request about the source has. Somebody's bucket is somebody's: what pins its object is the version."""
    owner = {} if file.stored.reference else {"ExpectedBucketOwner": source.owner}
    return {**file.stored.place(source.bucket).arguments, **owner}


def _copy_whole(file: StagedFile, etag: str, source: Place, target: Place, *, with_damage: bool) -> None:
    # One request has one checksum: SHA-256 is the one that every manifest has. Tags would need permissions of their own.
    try:
        if with_damage:
            target.s3.put_object(**target.arguments, Key=file.key, Body=_damaged(file, etag, source), ChecksumAlgorithm="SHA256")
            return
        target.s3.copy_object(**_from(file, etag, source, target), ChecksumAlgorithm="SHA256", TaggingDirective="REPLACE")
    except ClientError as error:
        raise _explained(error, file) from error


def _parts(file: StagedFile, planned: tuple[Part, ...], target: Place, upload_id: str) -> "dict[int, CompletedPartTypeDef]":
    lengths = {part.number: part.length for part in planned}
    pages = target.s3.get_paginator("list_parts").paginate(**target.arguments, Key=file.key, UploadId=upload_id)
    try:
        found = [part for page in pages for part in page.get("Parts", [])]
    except ClientError as error:
        raise _explained(error, file) from error
    return {p["PartNumber"]: _completed(p["PartNumber"], p) for p in found if p["Size"] == lengths.get(p["PartNumber"])}


def _damaged(file: StagedFile, etag: str, source: Place) -> bytes:
    return staging_damage.head(source.s3, etag, **_place(file, source))


def _copy_part(upload: _Upload, part: Part, source: Place, target: Place, pace: Pace) -> None:
    copied: Mapping[str, Any]
    place: Any = {"UploadId": upload.id, "PartNumber": part.number}
    try:
        if pace.with_damage and part.number == 1:
            body = _damaged(upload.file, upload.etag, source)
            copied = target.s3.upload_part(**target.arguments, **place, Key=upload.file.key, Body=body, ChecksumAlgorithm="CRC32")
        else:
            copied = _copied_part(upload, part, source, target, place)
    except ClientError as error:
        raise _explained(error, upload.file) from error
    upload.parts[part.number] = _completed(part.number, copied)


def _copied_part(upload: _Upload, part: Part, source: Place, target: Place, place: Any) -> Mapping[str, Any]:
    copied = target.s3.upload_part_copy(
        **_from(upload.file, upload.etag, source, target), **place, CopySourceRange=f"bytes={part.first}-{part.last}"
    )
    return copied["CopyPartResult"]


def _from(file: StagedFile, etag: str, source: Place, target: Place) -> dict[str, Any]:
    """Copied from exactly what was looked at: a file that is replaced meanwhile gives an error and not a mixture."""
    owner = {} if file.stored.reference else {"ExpectedSourceBucketOwner": source.owner}
    return {
        **target.arguments,
        "Key": file.key,
        "CopySource": file.stored.place(source.bucket).arguments,
        "CopySourceIfMatch": etag,
        **owner,
    }


def _completed(number: int, told: Mapping[str, Any]) -> "CompletedPartTypeDef":
    part: CompletedPartTypeDef = {"PartNumber": number, "ETag": told["ETag"]}
    if checksum := told.get("ChecksumCRC32"):
        part["ChecksumCRC32"] = checksum
    return part


def _complete_whole(uploads: list[_Upload], target: Place, pace: Pace) -> None:
    whole = [upload for upload in uploads if not upload.missing]
    _at_once(lambda upload: _complete(upload, target), whole, pace)


def _complete(upload: _Upload, target: Place) -> None:
    parts = [upload.parts[number] for number in sorted(upload.parts)]
    try:
        target.s3.complete_multipart_upload(**target.arguments, Key=upload.file.key, UploadId=upload.id, MultipartUpload={"Parts": parts})
    except ClientError as error:
        raise _explained(error, upload.file) from error


def _require_all(files: tuple[StagedFile, ...], target: Place, prefix: str, uploads: list[_Upload], pace: Pace) -> None:
    there = _lengths(target, prefix)
    pieces = {file.key: len(pace.parts(file)) or 1 for file in files}
    done = sum(pieces[file.key] for file in files if there.get(file.key) == file.length)
    done += sum(len(upload.parts) for upload in uploads if there.get(upload.file.key) != upload.file.length)
    if any(there.get(file.key) != file.length for file in files):
        raise NotReady(f"{done:,} of {sum(pieces.values()):,} parts are copied")


def _explained(error: ClientError, file: StagedFile) -> RestoreError | ClientError:
    """What S3's refusal of a copy means."""
    code, message = error_code(error), error.response.get("Error", {}).get("Message", "")
    if file.stored.reference and (told := references.refused(error, file.stored.reference)) is not error:
        return told
    if code in ("NoSuchKey", "404"):
        return BackupDamaged(f"{file.source_key} is no longer in the repository: choose another restore point")
    if code in ("PreconditionFailed", "412"):
        return BackupDamaged(f"{file.source_key} was replaced while it was copied: start the restore again")
    if code in ("InvalidObjectState", "ObjectNotInActiveTierError"):
        return BackupArchived(f"{file.source_key} is archived")
    if code == "NoSuchUpload":
        return NotReady(f"waiting for another invocation, which ended the upload of {file.key}")
    if "cross-region" in message.lower():
        return CrossRegionCopyRefused(
            f"S3 refused to copy {file.source_key} to the target's Region ({message}): the functions must not run in a VPC with a gateway "
            "endpoint for S3"
        )
    return error
