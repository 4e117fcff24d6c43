"""The repository and the evidence: private, encrypted, TLS only, and still there when the stack is gone."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from aws_cdk import Aws, Duration, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infrastructure import names


def repository_bucket(scope: Construct, target_accounts: list[str]) -> s3.Bucket:
    """The restore points. Workers of other accounts may read them, and their target roles have S3 copy from them."""
    bucket = _bucket(scope, "Repository", names.REPOSITORY_BUCKET, [_abandoned_uploads()])
    for role in (names.WORKER_ROLE, names.TARGET_ROLE):
        _let(role, bucket, target_accounts, ["s3:GetObject"], bucket.arn_for_objects("*"))
    return bucket


def evidence_bucket(scope: Construct, target_accounts: list[str]) -> s3.Bucket:
    """Jobs, results and reports (`restores/`) and the certificate bundle (`certificates/`). Versioned: nobody rewrites a report unseen."""
    old_versions = s3.LifecycleRule(noncurrent_version_expiration=Duration.days(365))
    bucket = _bucket(scope, "Evidence", names.EVIDENCE_BUCKET, [_abandoned_uploads(), old_versions], versioned=True)
    _let(
        names.WORKER_ROLE,
        bucket,
        target_accounts,
        ["s3:GetObject", "s3:PutObject"],
        bucket.arn_for_objects("restores/*"),
    )
    _let(names.WORKER_ROLE, bucket, target_accounts, ["s3:GetObject"], bucket.arn_for_objects("certificates/*"))
    _let(
        names.WORKER_ROLE,
        bucket,
        target_accounts,
        ["s3:ListBucket"],
        bucket.bucket_arn,
        {"StringLike": {"s3:prefix": "restores/*"}},
    )
    return bucket


def _bucket(scope: Construct, id_: str, name: str, rules: list[s3.LifecycleRule], versioned: bool = False) -> s3.Bucket:
    bucket = s3.Bucket(
        scope,
        id_,
        bucket_name=names.bucket(name, Aws.ACCOUNT_ID, Aws.REGION),
        block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
        object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
        encryption=s3.BucketEncryption.S3_MANAGED,
        enforce_ssl=True,
        minimum_tls_version=1.2,
        versioned=versioned,
        lifecycle_rules=rules,
        removal_policy=RemovalPolicy.RETAIN,
    )
    resource = bucket.node.default_child
    assert isinstance(resource, s3.CfnBucket)  # noqa: S101 - tells the type checker what the CDK made
    # The whole name is given and not a prefix alone, because the target account must be able to say it.
    resource.bucket_namespace = "account-regional"
    return bucket


def _abandoned_uploads() -> s3.LifecycleRule:
    return s3.LifecycleRule(abort_incomplete_multipart_upload_after=Duration.days(2))


def _let(
    role: str,
    bucket: s3.Bucket,
    accounts: list[str],
    actions: list[str],
    resource: str,
    conditions: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    for account in accounts:
        roles = f"arn:{Aws.PARTITION}:iam::{account}:role/{role}-*"
        bucket.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.AccountPrincipal(account)],
                actions=actions,
                resources=[resource],
                conditions={"ArnLike": {"aws:PrincipalArn": roles}, **conditions},
            )
        )
