"""The permissions by subject: what each AWS action is needed for, and what bounds it.

Everything that a restore creates is tagged in the create call, and everything that changes or deletes asks for that tag. Actions that stand
on `*` have no resource-level permission in IAM.
"""

from typing import Any

from dbrestore.contract import keys
from dbrestore.contract.names import ALLOW, CREDENTIALS, INSTALLATION
from infrastructure import names
from infrastructure.statements import Statement

MANAGED = {"dbrestore:managed": "true"}
# Whose a thing is: what another installation in the same account made bears another. What was made before there was this tag has none.
OURS = {INSTALLATION: "{control}/{control_region}/{prefix}"}
# PlanRestore refuses what this tag shields before IAM does.
SHIELDED = {f"aws:ResourceTag/{ALLOW}": "false"}


def _tagged(tags: dict[str, str], key: str = "aws:ResourceTag", operator: str = "StringEquals") -> dict[str, dict[str, Any]]:
    return {operator: {f"{key}/{tag}": value for tag, value in tags.items()}}


def _ours(key: str) -> dict[str, dict[str, Any]]:
    return {**_tagged(MANAGED, key), **_tagged(OURS, key, "StringEqualsIfExists")}


IN_THIS_REGION: dict[str, dict[str, Any]] = {"StringEquals": {"aws:RequestedRegion": "{region}"}}
# A VPC, its subnets and groups that come with it may be shared by another account, whose number their ARNs then bear. Ids are unique.
VPC = "arn:{partition}:ec2:{region}:*:vpc/{vpc}"
IN_THIS_VPC: dict[str, dict[str, Any]] = {"ArnEquals": {"ec2:Vpc": VPC}}
BEARING_OUR_TAG = _ours("aws:ResourceTag")
ASKED_WITH_OUR_TAG = _tagged(MANAGED | OURS, "aws:RequestTag")
GROUPS = "arn:{partition}:ec2:{region}:{account}:security-group/*"
GROUPS_OF_ANYBODY = "arn:{partition}:ec2:{region}:*:security-group/*"
INSTANCES = "arn:{partition}:ec2:{region}:{account}:instance/*"
VOLUMES = "arn:{partition}:ec2:{region}:{account}:volume/*"
INTERFACES = "arn:{partition}:ec2:{region}:{account}:network-interface/*"
# What the repository's and the evidence's files are encrypted with: the key that the TargetStack is told, or any of the control account's.
REPOSITORY_KEYS = "{repository_keys}"
SECRETS = "arn:{partition}:secretsmanager:{region}:{account}:secret:"
DB_INSTANCES = "arn:{partition}:rds:{region}:{account}:db:*"
DB_CLUSTERS = "arn:{partition}:rds:{region}:{account}:cluster:*"
MACHINE = f"arn:{{partition}}:states:{{region}}:{{account}}:stateMachine:{names.STATE_MACHINE}"
EXECUTIONS = f"arn:{{partition}}:states:{{region}}:{{account}}:execution:{names.STATE_MACHINE}:*"

# Control account

LEDGER = Statement(
    (
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:UpdateItem",
        "dynamodb:DeleteItem",
        "dynamodb:Query",
        "dynamodb:ConditionCheckItem",
    ),
    ("{ledger}",),
)
# A condition, because a template has no room for a hundred ARNs in each of twenty roles; whether STS fills the key in, no page says.
ASSUME_TARGET_ROLE = Statement(
    ("sts:AssumeRole",),
    (f"arn:{{partition}}:iam::*:role/{names.TARGET_ROLE}-*",),
    {"StringEqualsIfExists": {"aws:ResourceAccount": ("{target_account}",)}},
)
# Listing lets a missing key answer "not found" instead of "denied".
READ_REPOSITORY = (
    Statement(("s3:GetObject",), ("arn:{partition}:s3:::{repository}/*",)),
    Statement(("s3:ListBucket",), ("arn:{partition}:s3:::{repository}",)),
)
# A manifest alone: what it is of lies there already.
PUBLISH_POINTS = Statement(("s3:PutObject",), ("arn:{partition}:s3:::{repository}/*/manifest.json",))
# It hides what it deletes, for the bucket keeps versions: s3:DeleteObjectVersion nobody has.
REMOVE_ABANDONED = (
    Statement(("s3:GetObject",), ("arn:{partition}:s3:::{repository}/.unfinished/*",)),
    Statement(("s3:DeleteObject",), ("arn:{partition}:s3:::{repository}/*",)),
    Statement(("s3:ListBucket",), ("arn:{partition}:s3:::{repository}",)),
)
# An object of a restore point: neither what makes it visible nor a note has as many folders above it.
POINT_FILES = "arn:{partition}:s3:::{repository}/*/*/*/*"
NOTES = "arn:{partition}:s3:::{repository}/.unfinished/*"
# Out of the places that are declared, into restore points that nobody sees yet. Without a place it can read nothing.
COPY_DUMPS = (
    Statement(("s3:ListBucket",), ("{copied_bucket}",)),
    Statement(("s3:GetObject", "s3:GetObjectVersion"), ("{copied_files}*",)),
    Statement(("kms:Decrypt",), ("{copied_key}",), {"StringLike": {"kms:ViaService": "s3.*.amazonaws.com"}}),
    Statement(("s3:GetObject", "s3:PutObject"), (POINT_FILES, NOTES)),
    Statement(("s3:ListMultipartUploadParts",), (POINT_FILES,)),
    Statement(("s3:ListBucket", "s3:ListBucketMultipartUploads"), ("arn:{partition}:s3:::{repository}",)),
)
REMOVE_COPIES = (
    Statement(("s3:DeleteObject",), (POINT_FILES, NOTES)),
    Statement(("s3:AbortMultipartUpload",), (POINT_FILES,)),
    Statement(("s3:ListBucket", "s3:ListBucketMultipartUploads"), ("arn:{partition}:s3:::{repository}",)),
)
# What rules of adoption name, and nothing else of others; in the repository what is of their instances. Without a rule there is none of it.
ADOPT = (
    Statement(("s3:ListBucket",), ("{adopted_bucket}",)),
    Statement(("s3:GetObject", "s3:GetObjectVersion"), ("{adopted_files}*",)),
    Statement(("kms:Decrypt",), ("{adopted_key}",), {"StringLike": {"kms:ViaService": "s3.*.amazonaws.com"}}),
    Statement(
        ("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"),
        ("{adopted_points}*",),
    ),
    Statement(("s3:ListBucket", "s3:ListBucketMultipartUploads"), ("arn:{partition}:s3:::{repository}",)),
    Statement(
        ("events:PutEvents",),
        ("arn:{partition}:events:{region}:{account}:event-bus/default",),
        {"StringEquals": {"events:source": "dbrestore.adoption"}},
    ),
)
# No version of an object can be deleted with these, nor a lock be bypassed.
REMOVE_POINTS = (
    Statement(("s3:DeleteObject", "s3:GetObjectRetention", "s3:GetObjectLegalHold"), ("arn:{partition}:s3:::{repository}/*",)),
    Statement(
        ("s3:GetBucketVersioning", "s3:GetLifecycleConfiguration", "s3:GetBucketObjectLockConfiguration"),
        ("arn:{partition}:s3:::{repository}",),
    ),
)
RETRIEVE_FILES = Statement(("s3:RestoreObject",), ("arn:{partition}:s3:::{repository}/*",))
# IAM knows no resource for these: whoever has a task's token may end the task.
END_TASKS = Statement(
    ("states:SendTaskSuccess", "states:SendTaskFailure"),
    conditions={"StringEquals": {"aws:RequestedRegion": "{region}"}},
)
READ_CERTIFICATES = (
    Statement(("s3:GetObject",), ("arn:{partition}:s3:::{evidence}/certificates/*",)),
    Statement(("s3:ListBucket",), ("arn:{partition}:s3:::{evidence}",)),
)
KEEP_EVIDENCE = (
    Statement(("s3:GetObject", "s3:PutObject"), ("arn:{partition}:s3:::{evidence}/restores/*",)),
    Statement(("s3:ListBucket",), ("arn:{partition}:s3:::{evidence}",)),
)
# Whose database a restore verified, its worker has written down.
READ_RESULTS = (
    Statement(("s3:GetObject",), ("arn:{partition}:s3:::{evidence}/restores/*/jobs/*/result.json",)),
    Statement(("s3:ListBucket",), ("arn:{partition}:s3:::{evidence}",)),
)
KEEP_EVIDENCE_OF_REFUSALS = Statement(
    ("s3:PutObject",),
    tuple(f"arn:{{partition}}:s3:::{{evidence}}/restores/*/{name}" for name in ("evidence.json", "report.html", "manifest.sha256")),
)
KEEP_BOOT_LOGS = Statement(("s3:PutObject",), ("arn:{partition}:s3:::{evidence}/restores/*/boot/*",))
KEEP_STRAY_REPORTS = Statement(("s3:PutObject",), ("arn:{partition}:s3:::{evidence}/strays/*",))
TELL_THE_BUS = Statement(
    ("events:PutEvents",),
    ("arn:{partition}:events:{region}:{account}:event-bus/default",),
    {"StringEquals": {"events:source": "dbrestore.restore"}},
)
SEE_EXECUTIONS = Statement(("states:DescribeExecution",), (EXECUTIONS,))
# Lambda sends it in the name of the function whose event is lost.
KEEP_UNDELIVERED = Statement(("sqs:SendMessage",), ("{undelivered}",))
START_RESTORES = Statement(("states:StartExecution",), (MACHINE,))
LIST_REPOSITORY = (Statement(("s3:ListBucket",), ("arn:{partition}:s3:::{repository}",)),)
# A link bears the rights of who signs it: of all that the bucket holds it can open pages alone.
SHOW_REPORTS = (
    Statement(("s3:GetObject",), ("arn:{partition}:s3:::{evidence}/restores/*/report.html",)),
    Statement(("s3:ListBucket",), ("arn:{partition}:s3:::{evidence}",)),
)
# Each by its whole ARN; without hooks there is no such statement.
READ_HOOK_SECRETS = Statement(("secretsmanager:GetSecretValue",), ("{hook_secret}",))
START_CLEAN_UP = (START_RESTORES, SEE_EXECUTIONS)

# Target account: looking

SEE_TARGET = (Statement(("rds:DescribeDBInstances",), (DB_INSTANCES,)), Statement(("rds:DescribeDBClusters",), (DB_CLUSTERS,)))
SEE_OPTION_GROUP = Statement(("rds:DescribeOptionGroups",), ("arn:{partition}:rds:{region}:{account}:og:*",))
SEE_SECRETS = Statement(("secretsmanager:DescribeSecret",), (SECRETS + "*",))
SEE_FREE_STORAGE = Statement(("cloudwatch:GetMetricStatistics",), conditions=IN_THIS_REGION)
SEE_NETWORK = Statement(
    (
        "ec2:DescribeSubnets",
        "ec2:DescribeRouteTables",
        "ec2:DescribeNetworkAcls",
        "ec2:DescribeVpcEndpoints",
        "ec2:DescribeNatGateways",
        "ec2:DescribeSecurityGroups",
        "ec2:DescribeInstanceTypes",
        "ec2:DescribeInstanceTypeOfferings",
    ),
    conditions=IN_THIS_REGION,
)
SEE_GROUPS = Statement(("ec2:DescribeSecurityGroups",), conditions=IN_THIS_REGION)
SEE_WORKERS = Statement(("ec2:DescribeInstances",), conditions=IN_THIS_REGION)
SEE_WHAT_A_WORKER_LEAVES = Statement(("ec2:DescribeVolumes", "ec2:DescribeNetworkInterfaces"), conditions=IN_THIS_REGION)
SEE_SETTINGS = Statement(("ssm:GetParameter",), (f"arn:{{partition}}:ssm:{{region}}:{{account}}:parameter{names.TARGET_PARAMETER}",))
SEE_IMAGES = Statement(("ssm:GetParameter",), ("arn:{partition}:ssm:{region}::parameter/aws/service/ami-amazon-linux-latest/*",))
SEE_IMAGE = Statement(("ec2:DescribeImages",), conditions=IN_THIS_REGION)
SEE_REGISTRATION = Statement(("ssm:DescribeInstanceInformation",), conditions=IN_THIS_REGION)

# Target account: the worker, made and unmade

TAG_ON_CREATION = Statement(
    ("ec2:CreateTags",),
    (INSTANCES, VOLUMES, INTERFACES, GROUPS),
    {"StringEquals": {"ec2:CreateAction": ("RunInstances", "CreateSecurityGroup")}},
)
LAUNCH_WORKER = (
    Statement(
        ("ec2:RunInstances",),
        (INSTANCES,),
        {
            "StringEquals": {**ASKED_WITH_OUR_TAG["StringEquals"], "ec2:MetadataHttpTokens": "required"},
            "NumericEquals": {"ec2:MetadataHttpPutResponseHopLimit": "1"},
            "ArnEquals": {"ec2:InstanceProfile": f"arn:{{partition}}:iam::{{account}}:instance-profile/{names.WORKER_ROLE}-{{region}}"},
        },
    ),
    Statement(("ec2:RunInstances",), (VOLUMES,), {**ASKED_WITH_OUR_TAG, "Bool": {"ec2:Encrypted": "true"}}),
    Statement(("ec2:RunInstances",), (INTERFACES,), {**ASKED_WITH_OUR_TAG, "Bool": {"ec2:AssociatePublicIpAddress": "false"}}),
    Statement(("ec2:RunInstances",), ("arn:{partition}:ec2:{region}:*:subnet/*", GROUPS_OF_ANYBODY), IN_THIS_VPC),
    # Amazon's images and those that this account made itself: what others share with it is never run.
    Statement(
        ("ec2:RunInstances",),
        ("arn:{partition}:ec2:{region}::image/*",),
        {"StringEquals": {"ec2:Owner": ("amazon", "{account}")}},
    ),
    TAG_ON_CREATION,
    Statement(
        ("iam:PassRole",),
        (f"arn:{{partition}}:iam::{{account}}:role/{names.WORKER_ROLE}-{{region}}",),
        {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}},
    ),
)
# For volumes that are encrypted with a customer's own key, which may be another account's. Through EC2 alone; EC2 makes the grant for
# itself and retires it with the volume (Amazon EBS User Guide, "Requirements for Amazon EBS encryption").
VOLUME_KEYS = "{volume_keys}"
THROUGH_EC2 = {"StringEquals": {"kms:ViaService": "ec2.{region}.amazonaws.com"}}
USE_VOLUME_KEYS = (
    Statement(
        ("kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKeyWithoutPlaintext", "kms:ReEncryptFrom", "kms:ReEncryptTo"),
        (VOLUME_KEYS,),
        THROUGH_EC2,
    ),
    Statement(("kms:CreateGrant",), (VOLUME_KEYS,), {**THROUGH_EC2, "Bool": {"kms:GrantIsForAWSResource": "true"}}),
)
TERMINATE_WORKER = Statement(("ec2:TerminateInstances",), (INSTANCES,), BEARING_OUR_TAG)
DELETE_WHAT_A_WORKER_LEAVES = Statement(("ec2:DeleteVolume", "ec2:DeleteNetworkInterface"), (VOLUMES, INTERFACES), BEARING_OUR_TAG)
READ_CONSOLE = Statement(("ec2:GetConsoleOutput",), (INSTANCES,), BEARING_OUR_TAG)
DEPLOY_WORKER = (READ_CONSOLE, SEE_IMAGES, SEE_REGISTRATION, SEE_WORKERS, *LAUNCH_WORKER, *USE_VOLUME_KEYS, TERMINATE_WORKER)
REMOVE_WORKER = (SEE_WORKERS, SEE_WHAT_A_WORKER_LEAVES, TERMINATE_WORKER, DELETE_WHAT_A_WORKER_LEAVES)

# Target account: the pair of groups, made and unmade

CREATE_GROUPS = (
    Statement(("ec2:CreateSecurityGroup",), (GROUPS,), ASKED_WITH_OUR_TAG),
    Statement(("ec2:CreateSecurityGroup",), (VPC,)),
    TAG_ON_CREATION,
    Statement(("ec2:AuthorizeSecurityGroupIngress", "ec2:AuthorizeSecurityGroupEgress"), (GROUPS,), BEARING_OUR_TAG),
)
REVOKE_RULES = Statement(("ec2:RevokeSecurityGroupIngress", "ec2:RevokeSecurityGroupEgress"), (GROUPS,), BEARING_OUR_TAG)
GIVE_WORKER_ITS_GROUP = (
    Statement(("ec2:ModifyInstanceAttribute",), (INSTANCES,), BEARING_OUR_TAG),
    Statement(("ec2:ModifyInstanceAttribute",), (GROUPS_OF_ANYBODY,), IN_THIS_VPC),
)
# There is no condition for the group list alone. RDS takes a new password for a master user that Secrets Manager manages only together
# with this flag; one that it doesn't manage is in docs/security.md. A tag shields an instance or a cluster altogether: the cluster's own
# counts, not its members'.
# Whether RDS fills a condition key in whose parameter the request lacks, no page says: this holds either way.
_LIST_ALONE: dict[str, dict[str, Any]] = {"StringNotEquals": SHIELDED, "BoolIfExists": {"rds:ManageMasterUserPassword": "false"}}
CHANGE_GROUP_LIST = (
    Statement(("rds:ModifyDBInstance",), (DB_INSTANCES,), _LIST_ALONE),
    Statement(("rds:ModifyDBCluster",), (DB_CLUSTERS,), _LIST_ALONE),
)
DELETE_GROUPS = Statement(("ec2:DeleteSecurityGroup",), (GROUPS,), BEARING_OUR_TAG)
PAIR_GROUPS = (
    SEE_GROUPS,
    SEE_WORKERS,
    *SEE_TARGET,
    *CREATE_GROUPS,
    REVOKE_RULES,
    *GIVE_WORKER_ITS_GROUP,
    *CHANGE_GROUP_LIST,
)
# While a job runs: others may have taken the group off the list.
KEEP_GROUP = (SEE_GROUPS, *SEE_TARGET, *CHANGE_GROUP_LIST)
UNPAIR_GROUPS = (SEE_GROUPS, *SEE_TARGET, *CHANGE_GROUP_LIST, REVOKE_RULES, DELETE_GROUPS)

# Target account: the work

RUN_JOBS = (
    SEE_WORKERS,
    # For the error of a job that found a worker which could not boot.
    READ_CONSOLE,
    # Whether SSM still hears the agent, and its version, for the error of a job that was not done.
    SEE_REGISTRATION,
    Statement(("ssm:SendCommand",), (f"arn:{{partition}}:ssm:{{region}}:{{account}}:document/{names.JOB_DOCUMENT}",)),
    Statement(("ssm:SendCommand",), (INSTANCES,), _ours("ssm:resourceTag")),
    Statement(("ssm:ListCommands", "ssm:GetCommandInvocation"), conditions=IN_THIS_REGION),
)
CANCEL_JOBS = Statement(("ssm:CancelCommand",), conditions=IN_THIS_REGION)

# Target account: the temporary bucket, made and unmade

# The generation is in the name, between the fixed part and the account: see lambdas.staging.lease.
STAGING_BUCKETS = "arn:{partition}:s3:::{prefix}-staging-g*-{account}-{region}-an"
STAGED_OBJECTS = STAGING_BUCKETS + "/*"
MAKE_STAGING_BUCKET = Statement(
    (
        "s3:CreateBucket",
        "s3:PutBucketOwnershipControls",
        "s3:PutBucketPublicAccessBlock",
        "s3:PutEncryptionConfiguration",
        "s3:PutBucketTagging",
        "s3:PutLifecycleConfiguration",
        "s3:PutBucketPolicy",
    ),
    (STAGING_BUCKETS,),
)
SEE_STAGED = Statement(("s3:ListBucket", "s3:ListBucketMultipartUploads", "s3:ListBucketVersions"), (STAGING_BUCKETS,))
# What lies in somebody's bucket, by its version alone; places are declared in configuration/in_place.json, and without one there is none of
# it. Listing lets a version that is gone answer "not found" instead of "denied".
SEE_IN_PLACE = (
    Statement(("s3:GetObjectVersion",), ("{in_place_files}*",)),
    Statement(("s3:ListBucket",), ("{in_place_bucket}",)),
)
DECRYPT_IN_PLACE = Statement(("kms:Decrypt",), ("{in_place_key}",), {"StringLike": {"kms:ViaService": "s3.*.amazonaws.com"}})
READ_IN_PLACE = (*SEE_IN_PLACE, DECRYPT_IN_PLACE)
RETRIEVE_IN_PLACE = Statement(("s3:RestoreObject",), ("{in_place_files}*",))
# S3 copies on behalf of one caller: it must be allowed to read there and to write here.
COPY_BACKUPS = (
    Statement(("s3:GetObject",), ("arn:{partition}:s3:::{repository}/*", STAGED_OBJECTS)),
    Statement(("s3:GetObjectVersion",), ("{in_place_files}*",)),
    Statement(("s3:PutObject", "s3:ListMultipartUploadParts"), (STAGED_OBJECTS,)),
    DECRYPT_IN_PLACE,
    Statement(("kms:Decrypt",), (REPOSITORY_KEYS,), {"StringLike": {"kms:ViaService": "s3.*.amazonaws.com"}}),
)
STAGE_BACKUPS = (MAKE_STAGING_BUCKET, SEE_STAGED, *COPY_BACKUPS)
REMOVE_STAGED = (
    SEE_STAGED,
    Statement(("s3:DeleteObject", "s3:DeleteObjectVersion", "s3:AbortMultipartUpload"), (STAGED_OBJECTS,)),
    # Those who go on using the bucket keep their grants.
    Statement(("s3:PutBucketPolicy", "s3:DeleteBucket"), (STAGING_BUCKETS,)),
)

# Target account: what belongs to no restore any more, found by its tags and removed

CLEAN_UP_STRAYS = (
    SEE_WORKERS,
    SEE_WHAT_A_WORKER_LEAVES,
    SEE_GROUPS,
    SEE_STAGED,
    # The names alone, and no bucket that isn't ours is asked for more.
    Statement(("s3:ListAllMyBuckets",), conditions=IN_THIS_REGION),
    Statement(("s3:GetBucketTagging", "s3:DeleteBucket"), (STAGING_BUCKETS,)),
    Statement(("s3:DeleteObject", "s3:DeleteObjectVersion", "s3:AbortMultipartUpload"), (STAGED_OBJECTS,)),
    TERMINATE_WORKER,
    DELETE_WHAT_A_WORKER_LEAVES,
    REVOKE_RULES,
    DELETE_GROUPS,
)

# Examining, in both accounts: what no restore reads, and nothing that could be changed

EXAMINE_CONTROL_ACCOUNT = (
    Statement(("lambda:GetFunctionConfiguration",), ("arn:{partition}:lambda:{region}:{account}:function:{prefix}-*",)),
    Statement(("states:DescribeStateMachine",), (MACHINE,)),
    Statement(("dynamodb:DescribeTable", "dynamodb:DescribeContinuousBackups"), ("{ledger}",)),
    Statement(("events:ListRuleNamesByTarget",), conditions=IN_THIS_REGION),
    Statement(("events:DescribeRule",), ("arn:{partition}:events:{region}:{account}:rule/*",)),
    Statement(
        (
            "s3:GetBucketPublicAccessBlock",
            "s3:GetEncryptionConfiguration",
            "s3:GetBucketPolicy",
            "s3:GetBucketNotification",
        ),
        ("arn:{partition}:s3:::{repository}", "arn:{partition}:s3:::{evidence}"),
    ),
    # Of the buckets that rules of adoption name, nothing else.
    Statement(("s3:GetBucketNotification",), ("{adopted_bucket}",)),
    Statement(("kms:DescribeKey", "kms:GetKeyPolicy"), ("arn:{partition}:kms:{region}:{account}:key/*",)),
    Statement(("s3:GetObject",), ("arn:{partition}:s3:::{evidence}/programs/*",)),
    Statement(("iam:GetRole",), (f"arn:{{partition}}:iam::{{account}}:role/{names.TARGET_ROLE}-*",)),
)
EXAMINE_TARGET_ACCOUNT = (
    SEE_IMAGES,
    Statement(("ssm:GetDocument",), (f"arn:{{partition}}:ssm:{{region}}:{{account}}:document/{names.JOB_DOCUMENT}",)),
    Statement(("s3:GetObject",), ("{program}",)),
    # The role of an option group may have any name.
    Statement(("iam:GetRole",), ("arn:{partition}:iam::{account}:role/*",)),
    Statement(
        ("iam:GetInstanceProfile",),
        (f"arn:{{partition}}:iam::{{account}}:instance-profile/{names.WORKER_ROLE}-{{region}}",),
    ),
    Statement(
        ("iam:SimulatePrincipalPolicy",),
        tuple(f"arn:{{partition}}:iam::{{account}}:role/{name}-{{region}}" for name in (names.TARGET_ROLE, names.WORKER_ROLE)),
    ),
    Statement(("kms:DescribeKey",), ("arn:{partition}:kms:{region}:{account}:key/*",)),
    Statement(("servicequotas:GetServiceQuota",), conditions=IN_THIS_REGION),
    Statement(("ec2:GetEbsDefaultKmsKeyId", "ec2:GetEbsEncryptionByDefault"), conditions=IN_THIS_REGION),
)

# Target account: the worker itself

WORKER = (
    # What the SSM agent needs to take a command; the managed policy for it would also read every parameter of the account.
    Statement(
        (
            "ssm:UpdateInstanceInformation",
            "ssm:ListAssociations",
            "ssm:ListInstanceAssociations",
            "ssm:UpdateInstanceAssociationStatus",
            "ssm:GetDocument",
            "ssm:DescribeDocument",
            "ssmmessages:CreateControlChannel",
            "ssmmessages:CreateDataChannel",
            "ssmmessages:OpenControlChannel",
            "ssmmessages:OpenDataChannel",
            "ec2messages:AcknowledgeMessage",
            "ec2messages:DeleteMessage",
            "ec2messages:FailMessage",
            "ec2messages:GetEndpoint",
            "ec2messages:GetMessages",
            "ec2messages:SendReply",
        ),
        conditions=IN_THIS_REGION,
    ),
    Statement(
        ("s3:GetObject",),
        (
            "arn:{partition}:s3:::{repository}/*",
            "arn:{partition}:s3:::{evidence}/certificates/*",
            f"arn:{{partition}}:s3:::{{evidence}}/{keys.ORDERS}",
            "{program}",
        ),
    ),
    Statement(("s3:GetObjectVersion",), ("{in_place_files}*",)),
    DECRYPT_IN_PLACE,
    # As for the functions: without it a file that is gone would be a denied one.
    Statement(("s3:ListBucket",), ("arn:{partition}:s3:::{repository}",)),
    # What it writes, and how far it has read a dump. Another worker's orders, a report or the evidence it can't touch.
    Statement(("s3:GetObject", "s3:PutObject"), tuple(f"arn:{{partition}}:s3:::{{evidence}}/{pattern}" for pattern in keys.OF_WORKERS)),
    Statement(("s3:ListBucket",), ("arn:{partition}:s3:::{evidence}",), {"StringLike": {"s3:prefix": "restores/*"}}),
    # Those that RDS manages, and those that were marked for this by their name or by a tag.
    Statement(("secretsmanager:GetSecretValue",), (SECRETS + "rds!*", SECRETS + "{credential_prefix}*")),
    Statement(("secretsmanager:GetSecretValue",), (SECRETS + "*",), _tagged({CREDENTIALS: "true"})),
    # One user of the databases, where somebody made it and gave it rds_iam.
    Statement(("rds-db:connect",), ("arn:{partition}:rds-db:{region}:{account}:dbuser:*/{iam_user}",)),
    # Of secrets; and of the bucket that the program lies in, where the CDK put it there.
    Statement(
        ("kms:Decrypt",),
        ("arn:{partition}:kms:*:{account}:key/*",),
        {"StringLike": {"kms:ViaService": ("secretsmanager.{region}.amazonaws.com", "s3.*.amazonaws.com")}},
    ),
    Statement(("kms:Decrypt", "kms:GenerateDataKey"), (REPOSITORY_KEYS,), {"StringLike": {"kms:ViaService": "s3.*.amazonaws.com"}}),
)
