"""The KMS key of the repository and the evidence, if one is wanted: who may use it is who may use the buckets, and only through S3.

In the control account IAM decides, as it does about the buckets; of other accounts exactly the workers' roles and the roles that copy
backups are let in. Nobody, the account's administrators included, can decrypt anything with it but S3's objects in these two buckets.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from aws_cdk import Aws, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from infrastructure import names
from infrastructure.settings import OWN_KEY, Settings
from infrastructure.statements import Statement

READING = ("kms:Decrypt",)
# S3 asks for both when an object is written in parts.
WRITING = ("kms:Decrypt", "kms:GenerateDataKey")
# All but the use of the key; without them nobody could change its policy any more.
ADMINISTRATION = (
    "kms:Create*",
    "kms:Describe*",
    "kms:Enable*",
    "kms:List*",
    "kms:Put*",
    "kms:Update*",
    "kms:Revoke*",
    "kms:Disable*",
    "kms:Get*",
    "kms:Delete*",
    "kms:TagResource",
    "kms:UntagResource",
    "kms:ScheduleKeyDeletion",
    "kms:CancelKeyDeletion",
)


def key(scope: Construct, settings: Settings) -> kms.IKey | None:
    """The key that the settings ask for: made here, somebody's own, or None for S3's encryption."""
    if not settings.encryption_key:
        return None
    if settings.encryption_key != OWN_KEY:
        return kms.Key.from_key_arn(scope, "Key", settings.encryption_key)
    return kms.Key(
        scope,
        "Key",
        alias=f"alias/{settings.prefix}",
        description="dbrestore: restore points and reports",
        enable_key_rotation=True,
        policy=iam.PolicyDocument(statements=_policy(settings.prefix, settings.target_accounts)),
        removal_policy=RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
    )


def _policy(prefix: str, accounts: Sequence[str]) -> list[iam.PolicyStatement]:
    own = [iam.AccountRootPrincipal()]
    administration = iam.PolicyStatement(principals=[*own], actions=[*ADMINISTRATION], resources=["*"])
    statements = [administration, _use(prefix, own, WRITING, [names.REPOSITORY_BUCKET, names.EVIDENCE_BUCKET])]
    if accounts:
        others = [iam.AccountPrincipal(account) for account in accounts]
        statements += [
            _use(prefix, others, WRITING, [names.EVIDENCE_BUCKET], names.WORKER_ROLE),
            _use(prefix, others, READING, [names.REPOSITORY_BUCKET], names.WORKER_ROLE, names.TARGET_ROLE),
        ]
    return statements


def _use(
    prefix: str, principals: Sequence[iam.IPrincipal], actions: Iterable[str], buckets: Iterable[str], *roles: str
) -> iam.PolicyStatement:
    """Through S3, for objects of these buckets; by every principal that IAM allows it, or by these roles alone."""
    arns = [f"arn:{Aws.PARTITION}:s3:::{names.bucket(names.of(prefix, bucket), Aws.ACCOUNT_ID, Aws.REGION)}" for bucket in buckets]
    conditions: dict[str, Any] = {
        "StringEquals": {"kms:ViaService": f"s3.{Aws.REGION}.amazonaws.com"},
        # The bucket's ARN with S3 Bucket Keys, else the object's (S3 User Guide, "Using SSE-KMS").
        "StringLike": {"kms:EncryptionContext:aws:s3:arn": [text for arn in arns for text in (arn, f"{arn}/*")]},
    }
    if roles:
        conditions["ArnLike"] = {"aws:PrincipalArn": [names.role_anywhere(Aws.PARTITION, names.of(prefix, role)) for role in roles]}
    return iam.PolicyStatement(principals=[*principals], actions=[*actions], resources=["*"], conditions=conditions)


def statements(control: Iterable[Statement], key: kms.IKey | None) -> tuple[Statement, ...]:
    """What a function's role needs of the key to do what `control` lets it do with objects."""
    asked = {action for statement in control for action in statement.actions}
    needed = {"kms:Decrypt": "s3:GetObject", "kms:GenerateDataKey": "s3:PutObject"}
    actions = tuple(action for action in WRITING if needed[action] in asked)
    if key is None or not actions:
        return ()
    return (Statement(actions, (key.key_arn,), {"StringEquals": {"kms:ViaService": "s3.{region}.amazonaws.com"}}),)
