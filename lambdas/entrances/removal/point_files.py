"""The files of a restore point are removed from the repository, its manifest first.

Invariant: a point without a manifest is listed by nobody and planned by nobody, so one that is half removed is never taken for a good one.
Only what lies under the point's own prefix is removed, and no version of it: in a versioned bucket it is hidden, and can be had back.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from dbrestore.contract import keys
from dbrestore.contract.errors import AwsRefused, RestorePointRetained
from dbrestore.contract.questions.removal import BilledLonger
from dbrestore.contract.refusals import error_code
from lambdas.entrances.removal.bucket_keeping import MINIMUM_DAYS

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_THREADS: Final = 16
_NO_LOCK: Final = ("NoSuchObjectLockConfiguration", "ObjectLockConfigurationNotFoundError", "NoSuchKey")


@dataclass(frozen=True)
class StoredObject:
    """An object under a point's prefix, as a listing shows it."""

    key: str
    size: int
    storage_class: str
    written_at: datetime


@dataclass(frozen=True)
class PointPlace:
    """Where a point lies: the bucket, and the prefix that is its own."""

    s3: "S3Client"
    bucket: str
    instance: str
    point_id: str

    @property
    def prefix(self) -> str:
        """`<instance>/<point id>/`."""
        return keys.point_prefix(self.instance, self.point_id)

    @property
    def manifest(self) -> str:
        """The manifest's key."""
        return keys.manifest_key(self.instance, self.point_id)

    def objects(self) -> Iterator[StoredObject]:
        """Everything under the prefix that isn't hidden."""
        for page in self._pages():
            yield from page

    def is_listed(self) -> bool:
        """Whether the manifest is there."""
        try:
            self.s3.head_object(Bucket=self.bucket, Key=self.manifest)
        except ClientError as error:
            if error_code(error) not in ("404", "NoSuchKey", "NotFound"):
                raise
            return False
        return True

    def require_unlocked(self, objects: Iterable[StoredObject], now: datetime) -> None:
        """Raises RestorePointRetained if the current version of one of them is retained or held. Each is asked about: HeadObject leaves out
        in silence what its caller may not see."""
        with ThreadPoolExecutor(_THREADS) as threads:
            locks = list(threads.map(self._lock, objects))
        held = [key for key, until, is_held in locks if is_held]
        if held:
            raise RestorePointRetained(
                f"{self.point_id}: somebody holds {len(held)} of its files (legal hold of S3's Object Lock, {held[0]}): nothing of "
                "it was removed; ask whoever placed the hold, and have it lifted first"
            )
        until = max((until for _, until, _ in locks if until), default=now)
        if until > now:
            raise RestorePointRetained(
                f"{self.point_id}: S3's Object Lock retains it until {until.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC: nothing was removed "
                "of it; remove it after that"
            )

    def _lock(self, item: StoredObject) -> tuple[str, datetime | None, bool]:
        return item.key, self._retained_until(item.key), self._is_held(item.key)

    def _retained_until(self, key: str) -> datetime | None:
        try:
            return self.s3.get_object_retention(Bucket=self.bucket, Key=key)["Retention"].get("RetainUntilDate")
        except ClientError as error:
            if error_code(error) not in _NO_LOCK:
                raise
            return None

    def _is_held(self, key: str) -> bool:
        try:
            return self.s3.get_object_legal_hold(Bucket=self.bucket, Key=key)["LegalHold"].get("Status") == "ON"
        except ClientError as error:
            if error_code(error) not in _NO_LOCK:
                raise
            return False

    def unlist(self) -> None:
        """The manifest goes: from here on nobody finds the point."""
        if self.is_listed():
            self.s3.delete_object(Bucket=self.bucket, Key=self.manifest)

    def remove_files(self, is_time_up: Callable[[], bool]) -> bool:
        """What is left of it goes, and True is returned when nothing is; False if the time was up before. Raises AwsRefused."""
        # A page has a thousand, and DeleteObjects takes as many.
        for page in self._pages():
            if is_time_up():
                return False
            self._delete([item.key for item in page])
        return True

    def _pages(self) -> Iterator[list[StoredObject]]:
        for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=self.prefix):
            if found := page.get("Contents", []):
                yield [
                    StoredObject(item["Key"], item["Size"], item.get("StorageClass", "STANDARD"), item["LastModified"]) for item in found
                ]

    def _delete(self, some: list[str]) -> None:
        answer = self.s3.delete_objects(Bucket=self.bucket, Delete={"Objects": [{"Key": key} for key in some], "Quiet": True})
        for refused in answer.get("Errors", []):
            raise AwsRefused(
                f"s3:DeleteObjects of s3://{self.bucket}/{refused.get('Key')}: {refused.get('Code')}: {refused.get('Message')}. The point "
                f"{self.point_id} is no longer listed; the removal goes on when it is asked for again"
            )


def billed_longer(objects: Iterable[StoredObject], freed_at: datetime | None) -> tuple[BilledLonger, ...]:
    """What S3 bills beyond `freed_at`, by storage class; nothing for bytes that are never freed."""
    found: dict[str, list[tuple[int, datetime]]] = defaultdict(list)
    for item in objects:
        until = item.written_at + timedelta(days=MINIMUM_DAYS.get(item.storage_class, 0))
        if freed_at and until > freed_at:
            found[item.storage_class].append((item.size, until))
    return tuple(
        BilledLonger(storage_class=name, bytes=sum(size for size, _ in some), until=max(until for _, until in some))
        for name, some in sorted(found.items())
    )
