"""A restore point in the making. Invariant: its manifest is written last, and an error or an interruption before that removes every object
that was stored for it.
"""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from dbrestore.contract import keys
from dbrestore.contract.errors import BackupUnreadable
from dbrestore.contract.manifest import Manifest
from dbrestore.points.manifest_reading import LONGEST as LONGEST_MANIFEST

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class StoredObject:
    """An object that was written whole; `version_id` in a versioned bucket."""

    key: str
    version_id: str | None


def new_point_id(now: datetime) -> str:
    """`20261123T051200Z-3fa9c1d2`: two points of one second still sort by time, since the first four digits are its fraction."""
    fraction = (now.microsecond << 16) // 1_000_000
    return f"{now:%Y%m%dT%H%M%SZ}-{fraction:04x}{secrets.token_hex(2)}"


@dataclass(frozen=True)
class Name:
    """A point's id, and when it is made."""

    point_id: str
    made_at: datetime


def new_names(count: int) -> list[Name]:
    """For points that are made together: their ids sort as they do."""
    now = datetime.now(UTC)
    return [Name(new_point_id(moment), moment) for moment in (now + n * timedelta(milliseconds=1) for n in range(count))]


def write_manifest(s3: "S3Client", bucket: str, manifest: Manifest) -> StoredObject:
    """Make the point visible; what was stored for it. Raises BackupUnreadable for a manifest that nobody could load afterwards."""
    body = manifest.to_json().encode()
    if len(body) > LONGEST_MANIFEST:
        raise BackupUnreadable(
            f"the point's manifest would have {len(body):,} bytes, but at most {LONGEST_MANIFEST:,} can be read: make a point of fewer "
            "databases, or dump in parts (pg_dump -n)"
        )
    key = keys.manifest_key(manifest.instance, manifest.point_id)
    answer = s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType="application/json", ChecksumAlgorithm="CRC32")
    return StoredObject(key, answer.get("VersionId"))


class Meter:
    """Adds up what was read over all files of a point, and tells (bytes done, bytes in all, what is being read)."""

    def __init__(self, total: int, progress: Progress) -> None:
        self._done, self._total, self._progress = 0, total, progress

    def add(self, count: int, label: str) -> None:
        """`count` more bytes of `label` were read."""
        self._done += count
        self._progress(self._done, self._total, label)


@contextmanager
def removal_on_failure(s3: "S3Client", bucket: str) -> Iterator[list[StoredObject]]:
    """A list for the objects of a point that isn't whole yet; an error (or Ctrl-C) deletes exactly these, versions included."""
    stored: list[StoredObject] = []
    try:
        yield stored
    except BaseException as error:
        for item in stored:
            _remove(s3, bucket, item, error)
        raise


def _remove(s3: "S3Client", bucket: str, item: StoredObject, cause: BaseException) -> None:
    try:
        if item.version_id:
            s3.delete_object(Bucket=bucket, Key=item.key, VersionId=item.version_id)
        else:
            s3.delete_object(Bucket=bucket, Key=item.key)
    except Exception as second:  # the first error is the one to report; the leftover goes with it
        cause.add_note(f"{item.key} could not be deleted from the repository: {second}")
