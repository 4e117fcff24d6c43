"""What PlanRestore learns in the repository: the restore point, its databases, and whether its files can be read at once."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from lambdas.aws import error_code
from lambdas.request import RestoreRequest
from lambdas.request_problems import Problems
from lambdas.settings import CA_BUNDLE_KEY
from repository.errors import BackupDamaged, CertificateBundleMissing, DatabaseNotInRestorePoint, NotSupportedYet
from repository.manifest import DatabaseBackup, Manifest, StoredFile

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef

ARCHIVE_CLASSES = ("GLACIER", "DEEP_ARCHIVE")


def backups(manifest: Manifest, request: RestoreRequest, problems: Problems) -> list[DatabaseBackup]:
    """The asked databases of the point; one that it hasn't got is a problem, with what it has."""
    if manifest.engine == "sqlserver":
        return []  # The engine's own check answers for native backups: what they hold is not the question yet.
    found = {backup.name: backup for backup in manifest.databases}
    for n, database in enumerate(request.databases):
        if database.name not in found:
            has = ", ".join(sorted(found))
            sentence = f"the restore point {manifest.point_id} has no database {database.name!r}; it has {has}"
            problems.add(DatabaseNotInRestorePoint, f"/databases/{n}/name", sentence)
    return [found[database.name] for database in request.databases if database.name in found]


def require_readable(s3: "S3Client", bucket: str, backup: DatabaseBackup) -> None:
    """Raises NotSupportedYet if a file is archived, BackupDamaged if one is missing or has another length."""
    for file in backup.files:
        head = _head(s3, bucket, file.key)
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


def version_problems(found: list[DatabaseBackup], target_version: str) -> Iterator[str]:
    """Databases that were dumped from a newer server than the target."""
    for backup in found:
        if _major(backup.server_version) > _major(target_version):
            yield (
                f"runs PostgreSQL {target_version}, the database {backup.name!r} was dumped from {backup.server_version}: "
                "upgrade the instance or restore into a newer one"
            )


def _major(version: str) -> tuple[int, ...]:
    """`(16,)` of `16.4 (Debian 16.4-1)`; before 10 two numbers made the major version."""
    numbers = [int(part) for part in version.split(" ")[0].split(".") if part.isdecimal()]
    return tuple(numbers[:1]) if numbers and numbers[0] >= 10 else tuple(numbers[:2])


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
