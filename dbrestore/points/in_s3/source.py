"""A bucket that backups lie in, read with the caller's own rights. Invariant: what was looked at is what is read and copied later, or an
error is raised: an object is pinned by its version id, and by its ETag where the bucket keeps no versions.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from dbrestore.contract.document import Document
from dbrestore.contract.errors import BackupUnreadable, SourceNotFound
from dbrestore.contract.refusals import error_code
from dbrestore.points.in_s3.location import S3Location
from dbrestore.points.in_s3.refusals import archived, explained

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef

_COLD: Final = ("GLACIER", "DEEP_ARCHIVE")
_LOOKS_AT_ONCE: Final = 16
# More than any backup job leaves, and twenty seconds of listing.
MOST_LISTED: Final = 200_000


class PinnedObject(Document):
    """One object as it was when it was looked at. `version_id` is None where the bucket keeps no versions."""

    bucket: str
    key: str
    version_id: str | None
    etag: str
    length: int

    @property
    def uri(self) -> str:
        """What messages call it."""
        return str(S3Location(self.bucket, self.key))

    @property
    def version(self) -> dict[str, Any]:
        """What a request about this version has besides."""
        return {"VersionId": self.version_id} if self.version_id else {}


@dataclass(frozen=True)
class Listed:
    """One object of a listing."""

    key: str
    length: int
    modified: datetime
    storage_class: str
    etag: str = ""


@dataclass
class Source:
    """`s3` is a client for the bucket's Region. `received` counts the bytes of objects that came to the caller."""

    s3: "S3Client"
    bucket: str
    requester_pays: bool = False
    received: int = field(default=0)

    @property
    def arguments(self) -> dict[str, Any]:
        """What every call about the bucket has."""
        return {"Bucket": self.bucket, "RequestPayer": "requester"} if self.requester_pays else {"Bucket": self.bucket}

    def listed(self, prefix: str) -> Iterator[Listed]:
        """Every object whose key begins with the prefix. Raises BackupUnreadable if there are too many to be looked through."""
        found = 0
        try:
            for page in self.s3.get_paginator("list_objects_v2").paginate(**self.arguments, Prefix=prefix):
                for item in page.get("Contents", []):
                    yield Listed(item["Key"], item["Size"], item["LastModified"], item.get("StorageClass", "STANDARD"), item["ETag"])
                found += page.get("KeyCount", 0)
                if found > MOST_LISTED:
                    where = S3Location(self.bucket, prefix)
                    raise BackupUnreadable(f"{where}: has more than {MOST_LISTED:,} objects: name a prefix that leads to fewer")
        except ClientError as error:
            raise explained(error, str(S3Location(self.bucket, prefix))) from error

    def exists(self, key: str) -> bool:
        """Whether there is an object of exactly this key. Raises what `explained` says of other refusals."""
        try:
            self.s3.head_object(**self.arguments, Key=key)
        except ClientError as error:
            if error_code(error) in ("404", "NoSuchKey"):
                return False
            raise explained(error, str(S3Location(self.bucket, key))) from error
        return True

    def pinned(self, key: str) -> PinnedObject:
        """The object as it is now. Raises SourceNotFound, SourceAccessDenied, BackupArchived."""
        where = str(S3Location(self.bucket, key))
        try:
            told = self.s3.head_object(**self.arguments, Key=key)
        except ClientError as error:
            raise explained(error, where) from error
        if _is_archived(told):
            raise archived(where)
        # A bucket that no longer keeps versions calls the present one `null`, which the next upload replaces.
        version = told.get("VersionId")
        pinned_by = None if version == "null" else version
        return PinnedObject(bucket=self.bucket, key=key, version_id=pinned_by, etag=told["ETag"], length=told["ContentLength"])

    def all_pinned(self, keys: Sequence[str]) -> tuple[PinnedObject, ...]:
        """The same of many, at once."""
        with ThreadPoolExecutor(_LOOKS_AT_ONCE, thread_name_prefix="pin") as threads:
            return tuple(threads.map(self.pinned, keys))

    def reader(self, pinned: PinnedObject) -> Callable[[int, int], bytes]:
        """`read(offset, count)` of exactly this version."""
        return lambda offset, count: self._range(pinned, offset, count)

    def _range(self, pinned: PinnedObject, offset: int, count: int) -> bytes:
        if count <= 0:
            return b""
        wanted = f"bytes={offset}-{offset + count - 1}"
        try:
            answer = self.s3.get_object(**self.arguments, **pinned.version, Key=pinned.key, IfMatch=pinned.etag, Range=wanted)
        except ClientError as error:
            raise explained(error, pinned.uri) from error
        with closing(answer["Body"]) as body:
            found = body.read()
        self.received += len(found)
        return found


def _is_archived(told: "HeadObjectOutputTypeDef") -> bool:
    cold = told.get("StorageClass") in _COLD or bool(told.get("ArchiveStatus"))
    return cold and 'ongoing-request="false"' not in told.get("Restore", "")


def in_its_region(client: Callable[[str | None], "S3Client"], bucket: str, *, requester_pays: bool = False) -> Source:
    """The bucket with a client for the Region it lies in; `client(None)` is one for the caller's. Raises SourceNotFound."""
    s3 = client(None)
    region = _region(s3, bucket)
    at_home = region in (None, s3.meta.region_name)
    return Source(s3 if at_home else client(region), bucket, requester_pays)


def _region(s3: "S3Client", bucket: str) -> str | None:
    """None if S3 doesn't tell: what it denies is then told of the first request that matters."""
    try:
        return s3.head_bucket(Bucket=bucket).get("BucketRegion")
    except ClientError as error:
        # HeadBucket's 404 has no text of its own.
        if error_code(error) in ("404", "NoSuchBucket"):
            raise SourceNotFound(f"s3://{bucket}: there is no such bucket: compare the name") from error
        # S3 tells the Region even to those whom it tells nothing else.
        return error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("x-amz-bucket-region")
