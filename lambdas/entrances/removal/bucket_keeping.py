"""How a bucket keeps what is deleted from it: versions, lifecycle rules, Object Lock; and what storage classes bill for.

Invariant: what isn't known to be freed is not called freed. In a versioned bucket a deletion only puts a delete marker over the object
(Amazon S3 User Guide, "Working with delete markers"): the bytes stay and are billed until a lifecycle rule or a person deletes the version.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from dbrestore.contract.refusals import error_code

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_s3.type_defs import LifecycleRuleOutputTypeDef

# Amazon S3 User Guide, "Understanding and managing Amazon S3 storage classes". Intelligent-Tiering has none.
MINIMUM_DAYS: Final = {"STANDARD_IA": 30, "ONEZONE_IA": 30, "GLACIER_IR": 90, "GLACIER": 90, "DEEP_ARCHIVE": 180}
_FILTERS_BESIDES_PREFIX: Final = ("Tag", "And", "ObjectSizeGreaterThan", "ObjectSizeLessThan")


@dataclass(frozen=True)
class Keeping:
    """`versioned`: what is deleted stays as a version. `days` after that a lifecycle rule deletes it for good, None if no rule does.
    `locks`: the bucket has Object Lock, so versions may be retained or held."""

    versioned: bool
    locks: bool
    days: int | None

    def freed_at(self, deleted_at: datetime) -> datetime | None:
        """When the bytes of what is deleted at `deleted_at` are freed; None: never by itself. S3 counts the days from the deletion and goes
        on to the next midnight, UTC (Amazon S3 User Guide, "Lifecycle rules: based on an object's age")."""
        if not self.versioned:
            return deleted_at
        if self.days is None:
            return None
        day = (deleted_at + timedelta(days=self.days)).replace(hour=0, minute=0, second=0, microsecond=0)
        return day + timedelta(days=1)


def of(s3: "S3Client", bucket: str, prefix: str) -> Keeping:
    """How `bucket` keeps what lies under `prefix`."""
    # "Suspended" keeps what was written before.
    versioned = bool(s3.get_bucket_versioning(Bucket=bucket).get("Status"))
    return Keeping(versioned, _locks(s3, bucket), _days(s3, bucket, prefix) if versioned else None)


def _locks(s3: "S3Client", bucket: str) -> bool:
    try:
        found = s3.get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"]
    except ClientError as error:
        if error_code(error) != "ObjectLockConfigurationNotFoundError":
            raise
        return False
    return found.get("ObjectLockEnabled") == "Enabled"


def _days(s3: "S3Client", bucket: str, prefix: str) -> int | None:
    try:
        rules = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    except ClientError as error:
        if error_code(error) != "NoSuchLifecycleConfiguration":
            raise
        return None
    return min((days for rule in rules if (days := _days_of(rule, prefix)) is not None), default=None)


def _days_of(rule: "LifecycleRuleOutputTypeDef", prefix: str) -> int | None:
    """Of a rule that takes every version under the prefix; one with a finer filter, or that keeps some, promises nothing."""
    expiration, where = rule.get("NoncurrentVersionExpiration", {}), rule.get("Filter", {})
    if rule["Status"] != "Enabled" or expiration.get("NewerNoncurrentVersions") or any(name in where for name in _FILTERS_BESIDES_PREFIX):
        return None
    if not prefix.startswith(where.get("Prefix") or rule.get("Prefix") or ""):
        return None
    return expiration.get("NoncurrentDays")
