"""The files that a restore reads, and whether S3 lets them be read at once.

The truth is the class of today, not that of the manifest: lifecycle rules move files. Many files are looked at by listing, a thousand at a
time; only those in Intelligent-Tiering are asked one by one, because a listing does not tell their archive tier.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from dbrestore.contract import limits
from dbrestore.contract.errors import BackupDamaged
from dbrestore.contract.keys import StoredPlace
from dbrestore.contract.manifest import DatabaseBackup, Engine, Manifest, StoredFile
from dbrestore.contract.plan import Plan, PlannedDatabase
from dbrestore.contract.refusals import error_code
from lambdas.archive import references
from lambdas.lookup.sqlserver import planned_sets
from lambdas.runtime.clock import system_clock

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

INTELLIGENT = "INTELLIGENT_TIERING"
# What is not in here is read at once, S3 Glacier Instant Retrieval too. A tier of Intelligent-Tiering is named as HeadObject names it.
ARCHIVES = ("GLACIER", "DEEP_ARCHIVE", "ARCHIVE_ACCESS", "DEEP_ARCHIVE_ACCESS")


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file as it lies in S3. `storage_class` of an object in an archive tier of Intelligent-Tiering is that tier. `readable_until` is
    when the retrieved copy of an archived file goes; None while there is none. What it can be used for is judged by the moment of
    the look. `elsewhere` is where it lies if that isn't the repository."""

    key: str
    length: int
    storage_class: str
    in_progress: bool = False
    readable_until: datetime | None = None
    looked_at: datetime = field(default_factory=system_clock)
    elsewhere: StoredPlace | None = None

    def place(self, repository: str) -> StoredPlace:
        """Where it lies."""
        return self.elsewhere or StoredPlace(repository, self.key)

    @property
    def is_archived(self) -> bool:
        return self.storage_class in ARCHIVES

    @property
    def is_readable(self) -> bool:
        return self.lasts(timedelta(0))

    def lasts(self, needed: timedelta) -> bool:
        """Whether it can be read now and for so long."""
        if not self.is_archived:
            return True
        return self.readable_until is not None and self.readable_until > self.looked_at + needed


def of_plan(plan: Plan, manifest: Manifest) -> tuple[StoredFile, ...]:
    """Every file that the plan's databases are restored from, in the order in which S3 lists them. Raises DatabaseNotInRestorePoint,
    PlanOfAnotherVersion."""
    of_database = ENGINES[plan.engine]
    found = {file.key: file for database in plan.databases for file in of_database(manifest, database)}
    return tuple(found[key] for key in sorted(found))


def _of_dump(manifest: Manifest, database: PlannedDatabase) -> Iterable[StoredFile]:
    return manifest.backup(database.name, DatabaseBackup).files


def _of_sets(manifest: Manifest, database: PlannedDatabase) -> Iterable[StoredFile]:
    return (file for one in planned_sets(manifest, database) for file in one.files)


ENGINES: Final[dict[Engine, Callable[[Manifest, PlannedDatabase], Iterable[StoredFile]]]] = {
    "postgres": _of_dump,
    "sqlserver": _of_sets,
}


def look(s3: "S3Client", bucket: str, files: Sequence[StoredFile]) -> tuple[FoundFile, ...]:
    """Each file as it is now, in the same order. Raises BackupDamaged if one is missing or has another length, SourceAccessDenied for
    one that lies in somebody's bucket and is denied."""
    found = _look_in_repository(s3, bucket, [file for file in files if not file.reference])
    with ThreadPoolExecutor(limits.ARCHIVE_THREADS) as pool:
        found |= {one.key: one for one in pool.map(lambda file: look_at(s3, bucket, file), [file for file in files if file.reference])}
    return tuple(found[file.key] for file in files)


def _look_in_repository(s3: "S3Client", bucket: str, files: Sequence[StoredFile]) -> dict[str, FoundFile]:
    folders = groupby(sorted(file.key for file in files), key=lambda key: key.rpartition("/")[0] + "/")
    listed = {file.key: file for folder, keys in folders for file in _listed(s3, bucket, folder, tuple(keys))}
    for file in files:
        _require_as_stored(file, listed.get(file.key))
    unclear = [file for file in files if _must_ask(listed[file.key])]
    with ThreadPoolExecutor(limits.ARCHIVE_THREADS) as pool:
        listed |= {one.key: one for one in pool.map(lambda file: look_at(s3, bucket, file), unclear)}
    return {file.key: listed[file.key] for file in files}


def _listed(s3: "S3Client", bucket: str, folder: str, keys: Sequence[str]) -> Iterator[FoundFile]:
    """From the first of these keys, which are sorted, to the last: a batch of a large folder is a page or two of it."""
    # S3 lists by the bytes of UTF-8, which is the order of Python's strings; what is shorter by its end comes before a key.
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix=folder, StartAfter=keys[0][:-1], OptionalObjectAttributes=["RestoreStatus"]
    )
    for page in pages:
        items = page.get("Contents", [])
        yield from map(_found, items)
        if items and items[-1]["Key"] >= keys[-1]:
            return


def _require_as_stored(file: StoredFile, found: FoundFile | None) -> None:
    if found is None:
        raise gone(StoredPlace("", file.key))
    if found.length != file.length:
        raise BackupDamaged(f"{file.key} has {found.length} bytes, the manifest says {file.length}: choose another restore point")


def gone(place: StoredPlace) -> BackupDamaged:
    """The error for a file that somebody deleted."""
    lacks = "is gone" if place.version_id else "is missing from the repository"
    return BackupDamaged(f"{place} {lacks}: choose another restore point")


def _found(item: Mapping[str, Any]) -> FoundFile:
    status = item.get("RestoreStatus", {})
    return FoundFile(
        key=item["Key"],
        length=item["Size"],
        storage_class=item.get("StorageClass", "STANDARD"),
        in_progress=bool(status.get("IsRestoreInProgress")),
        readable_until=status.get("RestoreExpiryDate"),
    )


def _must_ask(file: FoundFile) -> bool:
    return file.storage_class == INTELLIGENT


def look_at(s3: "S3Client", bucket: str, file: StoredFile) -> FoundFile:
    """One file, by HeadObject: `x-amz-restore` is `ongoing-request="true"`, or `ongoing-request="false", expiry-date="..."`, or absent
    (Amazon S3 API reference, "HeadObject"). Raises BackupDamaged if it is missing or isn't the version that was added,
    SourceAccessDenied."""
    try:
        head = s3.head_object(**file.place(bucket).arguments)
    except ClientError as error:
        raise (references.refused(error, file.reference) if file.reference else _missing(error, file.key)) from error
    if file.reference:
        references.require_same(file, file.reference, head)
    restore = head.get("Restore", "")
    _, _, expiry = restore.partition('expiry-date="')
    storage_class = head.get("StorageClass", "STANDARD")
    return FoundFile(
        key=file.key,
        length=head["ContentLength"],
        storage_class=head.get("ArchiveStatus", storage_class) if storage_class == INTELLIGENT else storage_class,
        in_progress='ongoing-request="true"' in restore,
        readable_until=parsedate_to_datetime(expiry.rstrip('"')) if expiry else None,
        elsewhere=file.reference.place if file.reference else None,
    )


def _missing(error: ClientError, key: str) -> Exception:
    return gone(StoredPlace("", key)) if error_code(error) == "404" else error
