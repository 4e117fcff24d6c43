"""What is read in the repository: the restore point, its databases, the certificates that the worker trusts."""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Generic

from botocore.exceptions import ClientError

from dbrestore.contract.errors import CertificateBundleMissing
from dbrestore.contract.manifest import Backup, Manifest
from dbrestore.contract.names import CA_BUNDLE_KEY, RDS_CERTIFICATES
from dbrestore.contract.plan import Plan
from dbrestore.contract.refusals import error_code
from dbrestore.contract.request import DatabaseRequest, RestoreRequest
from dbrestore.contract.request_problems import Problems
from dbrestore.points import stored_points
from lambdas.runtime.state import Restore

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True)
class Asked(Generic[Backup]):
    """One database of the request and its backup. `number` is its place in the request, counted from 1."""

    number: int
    request: DatabaseRequest
    backup: Backup

    @property
    def pointer(self) -> str:
        return _pointer(self.number)


def source_manifest(restore: Restore, plan: Plan) -> Manifest:
    """The restore point's manifest, the very one that was planned with. Raises RestorePointNotFound, BackupDamaged."""
    s3, bucket, source = restore.surroundings.control.s3, restore.settings.repository_bucket, plan.source
    return stored_points.find(s3, bucket, source.db_instance, source.restore_point, source.manifest_sha256).manifest


def asked_databases(manifest: Manifest, kind: type[Backup], request: RestoreRequest, problems: Problems) -> list[Asked[Backup]]:
    """The asked ones of the databases that the point holds; one that it hasn't got is a problem, with what it has."""
    found = []
    for number, database in enumerate(request.databases, start=1):
        backup = problems.collect(_pointer(number), partial(manifest.backup, database.name, kind))
        found += [Asked(number, database, backup)] if backup else []
    return found


def _pointer(number: int) -> str:
    return f"/databases/{number - 1}/name"


def require_ca_bundle(s3: "S3Client", bucket: str) -> None:
    """Raises CertificateBundleMissing with the fix."""
    try:
        s3.head_object(Bucket=bucket, Key=CA_BUNDLE_KEY)
    except ClientError as error:
        if error_code(error) not in ("404", "NoSuchKey"):
            raise
        raise CertificateBundleMissing(
            f"s3://{bucket}/{CA_BUNDLE_KEY} does not exist, and the worker trusts no server without it: download the bundle from "
            f"{RDS_CERTIFICATES} and copy it there"
        ) from error
