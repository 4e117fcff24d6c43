"""What a template says of protection: buckets that nobody can make public, tables that can be brought back to any second.

| moto 5.2.5 | fixed to |
|---|---|
| a template's PublicAccessBlockConfiguration of a bucket is left out | it is set |
| a template's VersioningConfiguration, LifecycleConfiguration and Object Lock of a bucket are left out | they are set; no rule runs |
| a template's PointInTimeRecoverySpecification of a table is left out | it is set |
| DeletionPolicy RetainExceptOnCreate deletes with the stack | it keeps what a stack that was complete has |

Versions of what was deleted stay, as in AWS: `dbrestore points remove` says until when, and reads that from the bucket.
"""

from typing import Any

from moto.cloudformation.parsing import ResourceMap
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.table import Table
from moto.s3.models import FakeBucket, s3_backends
from moto.utilities.utils import get_partition

from localcloud.base.corrections import fix

_EXPIRATION = {"ExpirationInDays": "Days", "ExpirationDate": "Date", "ExpiredObjectDeleteMarker": "ExpiredObjectDeleteMarker"}


def install() -> None:
    """Fix how moto reads templates."""
    fix(FakeBucket, "create_from_cloudformation_json", _closed_bucket)
    fix(FakeBucket, "create_from_cloudformation_json", _kept_bucket)
    fix(Table, "create_from_cloudformation_json", _recoverable_table)
    fix(ResourceMap, "delete", _delete)


def _closed_bucket(original: Any, name: str, description: Any, account: str, region: str, **more: Any) -> Any:
    bucket = original(name, description, account, region, **more)
    flags = description.get("Properties", {}).get("PublicAccessBlockConfiguration")
    if flags:
        s3_backends[account][get_partition(region)].put_public_access_block(bucket.name, flags)
    return bucket


def _kept_bucket(original: Any, name: str, description: Any, account: str, region: str, **more: Any) -> Any:
    bucket = original(name, description, account, region, **more)
    properties = description.get("Properties", {})
    if status := properties.get("VersioningConfiguration", {}).get("Status"):
        bucket.versioning_status = status
    if rules := properties.get("LifecycleConfiguration", {}).get("Rules"):
        bucket.set_lifecycle([_rule(rule) for rule in rules])
    if properties.get("ObjectLockEnabled"):
        bucket.object_lock_enabled, bucket.versioning_status = True, "Enabled"
    if default := properties.get("ObjectLockConfiguration", {}).get("Rule", {}).get("DefaultRetention"):
        bucket.default_lock_mode = default["Mode"]
        bucket.default_lock_days, bucket.default_lock_years = int(default.get("Days", 0)), int(default.get("Years", 0))
    return bucket


def _rule(rule: dict[str, Any]) -> dict[str, Any]:
    """As the API writes it (CloudFormation's AWS::S3::Bucket Rule, S3's LifecycleRule)."""
    expiration = {name: rule[key] for key, name in _EXPIRATION.items() if key in rule}
    api: dict[str, Any] = {"ID": rule.get("Id", ""), "Prefix": rule.get("Prefix", "")}
    api |= {name: rule[name] for name in ("Status", "NoncurrentVersionExpiration", "AbortIncompleteMultipartUpload") if name in rule}
    return {**api, "Expiration": expiration} if expiration else api


def _recoverable_table(original: Any, name: str, description: Any, account: str, region: str, **more: Any) -> Any:
    table = original(name, description, account, region, **more)
    wanted = description["Properties"].get("PointInTimeRecoverySpecification")
    if wanted:
        dynamodb_backends[account][region].update_continuous_backups(table.name, wanted)
    return table


def _delete(original: Any, resources: Any) -> None:
    """moto knows the older word alone, and looks for it in the template's text."""
    for described in resources._resource_json_map.values():
        if described.get("DeletionPolicy") == "RetainExceptOnCreate":
            described["DeletionPolicy"] = "Retain"
    original(resources)
