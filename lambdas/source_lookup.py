"""What PlanRestore learns in the repository: the restore point, its databases, and whether its files can be read at once."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from botocore.exceptions import ClientError

from lambdas import limits
from lambdas.aws import error_code
from lambdas.request import DatabaseRequest, RestoreRequest
from lambdas.request_problems import Problems
from lambdas.settings import CA_BUNDLE_KEY
from repository.errors import BackupDamaged, CertificateBundleMissing, DatabaseNotInRestorePoint, NotSupportedYet
from repository.manifest import DatabaseBackup, Manifest, NativeDatabaseBackup, StoredFile

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef

ARCHIVE_CLASSES = ("GLACIER", "DEEP_ARCHIVE")
Backup = TypeVar("Backup", DatabaseBackup, NativeDatabaseBackup)


@dataclass(frozen=True)
class Asked(Generic[Backup]):
    """One database of the request and its backup. `number` is its place in the request, counted from 1."""

    number: int
    request: DatabaseRequest
    backup: Backup

    @property
    def pointer(self) -> str:
        return f"/databases/{self.number - 1}/name"


def asked_databases(
    manifest: Manifest, held: Sequence[Backup], request: RestoreRequest, problems: Problems
) -> list[Asked[Backup]]:
    """The asked ones of the databases that the point holds; one that it hasn't got is a problem, with what it has."""
    known = {backup.name: backup for backup in held}
    found = []
    for number, database in enumerate(request.databases, start=1):
        if database.name in known:
            found.append(Asked(number, database, known[database.name]))
            continue
        has = ", ".join(sorted(known))
        sentence = f"the restore point {manifest.point_id} has no database {database.name!r}; it has {has}"
        problems.add(DatabaseNotInRestorePoint, f"/databases/{number - 1}/name", sentence)
    return found


def require_readable(s3: "S3Client", bucket: str, files: Sequence[StoredFile]) -> None:
    """Raises NotSupportedYet if a file is archived, BackupDamaged if one is missing or has another length."""
    # A chain of log backups has hundreds of files.
    with ThreadPoolExecutor(limits.HEADS_AT_ONCE) as pool:
        heads = list(pool.map(lambda file: _head(s3, bucket, file.key), files))
    for file, head in zip(files, heads, strict=True):
        if head is None:
            raise BackupDamaged(f"{file.key} is missing from the repository: choose another restore point")
        _require_as_stored(file, head)


def _require_as_stored(file: StoredFile, head: "HeadObjectOutputTypeDef") -> None:
    # The class of today, not of the manifest: lifecycle rules move files.
    storage_class = head.get("StorageClass", "STANDARD")
    if storage_class in ARCHIVE_CLASSES and 'ongoing-request="false"' not in head.get("Restore", ""):
        raise NotSupportedYet(
            f"{file.key} is archived ({storage_class}), and retrieving archives comes in a later version: retrieve it with S3 "
            "RestoreObject first"
        )
    if head["ContentLength"] != file.length:
        raise BackupDamaged(
            f"{file.key} has {head['ContentLength']} bytes, the manifest says {file.length}: choose another restore point"
        )


def require_ca_bundle(s3: "S3Client", bucket: str) -> None:
    """Raises CertificateBundleMissing with the mend."""
    if _head(s3, bucket, CA_BUNDLE_KEY) is None:
        raise CertificateBundleMissing(
            f"s3://{bucket}/{CA_BUNDLE_KEY} does not exist, and the worker trusts no server without it: download the bundle from "
            "https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem and copy it there"
        )


def _head(s3: "S3Client", bucket: str, key: str) -> "HeadObjectOutputTypeDef | None":
    try:
        return s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error_code(error) in ("404", "NoSuchKey"):
            return None
        raise
