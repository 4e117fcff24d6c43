"""The repository, the evidence, and the log of who read or wrote them: private, encrypted, TLS only, and still there when the stack is
gone.

Of other accounts exactly the roles of the TargetStacks in the accounts that were named are let in. In the control account IAM decides.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from aws_cdk import Aws, CfnRule, CfnRuleAssertion, Duration, Fn, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from dbrestore.contract import keys
from dbrestore.contract.names import WITHOUT_ACCOUNT_REGIONAL_NAMES
from infrastructure import names
from infrastructure.acknowledged import acknowledge

# What was overwritten or deleted can be had back for so long.
SECOND_THOUGHTS = Duration.days(30)


# The time in which somebody asks who read a backup.
LOGGED = Duration.days(365)


@dataclass(frozen=True)
class Keeping:
    """How the buckets keep what is in them: encrypted by `key`, None for S3's own; accesses are logged in `log`; `prefix` says whose."""

    key: kms.IKey | None
    log: s3.Bucket
    prefix: str


def require_names(scope: Construct) -> None:
    """CloudFormation makes nothing in a Region that has no names for these buckets, and says why."""
    refused = [
        CfnRuleAssertion(
            assert_=Fn.condition_not(Fn.condition_equals(Aws.REGION, region)),
            assert_description=f"S3 in {region} has no names of buckets that no other account can take: deploy elsewhere",
        )
        for region in sorted(WITHOUT_ACCOUNT_REGIONAL_NAMES)
    ]
    CfnRule(scope, "NamesOfBuckets", assertions=refused)


def access_log_bucket(scope: Construct, prefix: str) -> s3.Bucket:
    """S3's server access logs of the other two. S3 delivers them to buckets with its own encryption only (S3 User Guide, "Enabling Amazon
    S3 server access logging")."""
    bucket = s3.Bucket(
        scope,
        "AccessLog",
        bucket_name=names.bucket(names.of(prefix, names.ACCESS_LOG_BUCKET), Aws.ACCOUNT_ID, Aws.REGION),
        block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
        object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
        encryption=s3.BucketEncryption.S3_MANAGED,
        enforce_ssl=True,
        minimum_tls_version=1.2,
        lifecycle_rules=[s3.LifecycleRule(expiration=LOGGED), _abandoned_uploads()],
        removal_policy=RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
    )
    _resource(bucket).bucket_namespace = "account-regional"
    unlogged = "it is the log: logging itself, it would grow by what it logs"
    acknowledge(bucket, {"CKV_AWS_18": unlogged, "S1": unlogged, "CKV_AWS_21": "S3 writes each log once, and nobody may change it"})
    return bucket


def repository_bucket(scope: Construct, target_accounts: Sequence[str], keeping: Keeping, lock_days: int = 0) -> s3.Bucket:
    """The restore points. Workers of other accounts may read them, and their target roles have S3 copy from them. What happens to an object
    is told on the event bus: a retrieval from the archive that is complete wakes the restore that waits for it. Versioned: who overwrites
    or deletes a backup hides it only. `lock_days`: nobody but those who may bypass governance removes a version sooner; 0: no lock."""
    old_versions = s3.LifecycleRule(noncurrent_version_expiration=SECOND_THOUGHTS, expired_object_delete_marker=True)
    bucket = _bucket(scope, "Repository", names.REPOSITORY_BUCKET, [_abandoned_uploads(), old_versions], keeping, lock_days)
    told = s3.CfnBucket.EventBridgeConfigurationProperty(event_bridge_enabled=True)
    # Not by the construct's own means, which deploy a function that changes the bucket afterwards.
    _resource(bucket).notification_configuration = s3.CfnBucket.NotificationConfigurationProperty(event_bridge_configuration=told)
    for role in (names.WORKER_ROLE, names.TARGET_ROLE):
        _let(names.of(keeping.prefix, role), bucket, target_accounts, ["s3:GetObject"], bucket.arn_for_objects("*"))
    # Else S3 would call a missing file a denied one.
    _let(names.of(keeping.prefix, names.WORKER_ROLE), bucket, target_accounts, ["s3:ListBucket"], bucket.bucket_arn)
    return bucket


def evidence_bucket(scope: Construct, target_accounts: Sequence[str], keeping: Keeping, lock_days: int = 0) -> s3.Bucket:
    """Jobs, results and reports (`restores/`), how far dumps were read (`readings/`), the certificate bundle (`certificates/`), and the
    worker's program for accounts without a bucket of the CDK (`programs/`). Versioned: nobody rewrites a report unseen. `lock_days`: nobody
    but those who may bypass governance removes a version sooner, of whatever lies there; 0: no lock."""
    old_versions = s3.LifecycleRule(noncurrent_version_expiration=Duration.days(365))
    rules = [_abandoned_uploads(), old_versions, _old_readings()]
    bucket = _bucket(scope, "Evidence", names.EVIDENCE_BUCKET, rules, keeping, lock_days)
    worked_on = [bucket.arn_for_objects(pattern) for pattern in keys.OF_WORKERS]
    only_those = {"StringLike": {"s3:prefix": "restores/*"}}
    _let(names.of(keeping.prefix, names.WORKER_ROLE), bucket, target_accounts, ["s3:GetObject", "s3:PutObject"], *worked_on)
    _let(names.of(keeping.prefix, names.WORKER_ROLE), bucket, target_accounts, ["s3:ListBucket"], bucket.bucket_arn, conditions=only_those)
    for pattern in (keys.ORDERS, "certificates/*", f"{names.PROGRAMS}*"):
        _let(names.of(keeping.prefix, names.WORKER_ROLE), bucket, target_accounts, ["s3:GetObject"], bucket.arn_for_objects(pattern))
    return bucket


def _bucket(
    scope: Construct,
    id_: str,
    name: str,
    rules: list[s3.LifecycleRule],
    keeping: Keeping,
    lock_days: int = 0,
) -> s3.Bucket:
    bucket = s3.Bucket(
        scope,
        id_,
        bucket_name=names.bucket(names.of(keeping.prefix, name), Aws.ACCOUNT_ID, Aws.REGION),
        block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
        object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
        encryption=s3.BucketEncryption.KMS if keeping.key else s3.BucketEncryption.S3_MANAGED,
        encryption_key=keeping.key,
        # One request to KMS for many objects instead of one for each.
        bucket_key_enabled=True if keeping.key else None,
        server_access_logs_bucket=keeping.log,
        server_access_logs_prefix=f"{id_.lower()}/",
        enforce_ssl=True,
        minimum_tls_version=1.2,
        versioned=True,
        # None, not False: a bucket can't be told so.
        object_lock_default_retention=s3.ObjectLockRetention.governance(Duration.days(lock_days)) if lock_days else None,
        lifecycle_rules=rules,
        # Kept whatever becomes of the stack, but not after a first deployment that failed: the next one would fail on the name.
        removal_policy=RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
    )
    # The whole name is given and not a prefix alone, because the target account must be able to say it.
    _resource(bucket).bucket_namespace = "account-regional"
    return bucket


def _resource(bucket: s3.Bucket) -> s3.CfnBucket:
    resource = bucket.node.default_child
    assert isinstance(resource, s3.CfnBucket)  # noqa: S101 - tells the type checker what the CDK made
    return resource


def _abandoned_uploads() -> s3.LifecycleRule:
    return s3.LifecycleRule(abort_incomplete_multipart_upload_after=Duration.days(2))


def _old_readings() -> s3.LifecycleRule:
    """What nobody carries on with: the copies that they are of are deleted sooner."""
    return s3.LifecycleRule(prefix=keys.READINGS, expiration=Duration.days(7), noncurrent_version_expiration=Duration.days(1))


def _let(
    role: str,
    bucket: s3.Bucket,
    accounts: Sequence[str],
    actions: list[str],
    *resources: str,
    conditions: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """One statement for all accounts: a bucket's policy has room for 20 KiB."""
    if accounts:
        roles = names.role_anywhere(Aws.PARTITION, role)
        bucket.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.AccountPrincipal(account) for account in accounts],
                actions=actions,
                resources=[*resources],
                conditions={"ArnLike": {"aws:PrincipalArn": roles}, **conditions},
            )
        )
