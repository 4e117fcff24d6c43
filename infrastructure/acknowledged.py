"""What cdk-nag and checkov find and what stays as it is, with the reason beside the thing. `make check` fails on everything else.

An acknowledgment is written where the construct is made, by `acknowledge`; wildcards in statements have their reasons in `WILDCARDS`, one
for each pattern, and a pattern without one can't be synthesised.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from aws_cdk import Acknowledgment, CfnResource, Stack, Validations
from constructs import IConstruct

from dbrestore.contract import keys
from infrastructure.statements import Places, Statement, filled

OF_CHECKOV = "CKV"
EACH_ITS_OWN = "EC2 gives the id, so it can't be named beforehand; the tag that is asked for bounds what is changed, the VPC what is used"
BY_RESTORE = "one folder per restore, named by its id; nothing outside restores/ is reached"
STAGING = "the number in the name is the bucket's generation; account and Region are fixed"
# Where a pattern's account, Region or key is a wildcard, what bounds it instead.
WILDCARDS: Mapping[str, str] = {
    "{adopted_files}*": "what a rule of adoption names: the fixed beginning of its keys",
    "{adopted_points}*": "restore points of the instances that rules of adoption name",
    "{copied_files}*": "what configuration/in_place.json and rules of adoption name: buckets, and the beginnings of their keys",
    "{in_place_files}*": "what configuration/in_place.json names: a bucket, and the beginning of its keys",
    "*": "IAM knows no resource for these actions; the condition holds them to the Region",
    "arn:{partition}:ec2:{region}:*:security-group/*": "a shared VPC's owner is in the ARN; the condition holds them to the VPCs",
    "arn:{partition}:ec2:{region}:*:subnet/*": "a shared VPC's owner is in the ARN; the condition holds them to the VPCs",
    "arn:{partition}:ec2:{region}:*:vpc/{vpc}": "a shared VPC bears its owner's number; its id is named",
    "arn:{partition}:ec2:{region}::image/*": "the condition holds them to Amazon's and the account's own",
    "arn:{partition}:ec2:{region}:{account}:instance/*": EACH_ITS_OWN,
    "arn:{partition}:ec2:{region}:{account}:network-interface/*": EACH_ITS_OWN,
    "arn:{partition}:ec2:{region}:{account}:security-group/*": EACH_ITS_OWN,
    "arn:{partition}:ec2:{region}:{account}:volume/*": EACH_ITS_OWN,
    "arn:{partition}:events:{region}:{account}:rule/*": "the doctor reads rules whose names CloudFormation chose",
    "arn:{partition}:iam::*:role/{prefix}-target-*": "one per Region; the condition holds them to targetAccounts, and their trust decides",
    "arn:{partition}:iam::{account}:role/*": "the doctor reads the role of an option group, which has any name",
    "arn:{partition}:iam::{account}:role/{prefix}-target-*": "the doctor reads the target roles of all Regions",
    "arn:{partition}:kms:*:{account}:key/*": "people choose keys; the condition holds them to S3 and Secrets Manager",
    "{repository_keys}": "the control account's keys unless one is named (EncryptionKey); the condition holds them to S3",
    "{volume_keys}": "keys of volumes, which people choose, unless one is named (VolumeKey); the condition holds them to EC2",
    "arn:{partition}:kms:{region}:{account}:key/*": "the doctor reads what a key allows, and decrypts nothing",
    "arn:{partition}:lambda:{region}:{account}:function:{prefix}-*": "the doctor reads the functions of this installation",
    "arn:{partition}:rds-db:{region}:{account}:dbuser:*/{iam_user}": "one user; the instance is named by a request",
    "arn:{partition}:rds:{region}:{account}:cluster:*": "clusters are named by requests; the tag dbrestore:allow shields from changes",
    "arn:{partition}:rds:{region}:{account}:db:*": "instances are named by requests; the tag dbrestore:allow shields from changes",
    "arn:{partition}:rds:{region}:{account}:og:*": "instances are named by requests, their option groups with them; read only",
    "arn:{partition}:s3:::{prefix}-staging-g*-{account}-{region}-an": STAGING,
    "arn:{partition}:s3:::{prefix}-staging-g*-{account}-{region}-an/*": STAGING,
    "arn:{partition}:s3:::{evidence}/certificates/*": "bundles of certificates, one per Region; public texts",
    "arn:{partition}:s3:::{evidence}/programs/*": "programs are named by their digest",
    **{f"arn:{{partition}}:s3:::{{evidence}}/{pattern}": BY_RESTORE for pattern in (keys.ORDERS, *keys.OF_WORKERS)},
    "arn:{partition}:s3:::{evidence}/readings/*": "how far dumps were read, by the points that are made of them; days old at the most",
    "arn:{partition}:s3:::{evidence}/restores/*": BY_RESTORE,
    "arn:{partition}:s3:::{evidence}/restores/*/boot/*": BY_RESTORE,
    "arn:{partition}:s3:::{evidence}/restores/*/evidence.json": BY_RESTORE,
    "arn:{partition}:s3:::{evidence}/restores/*/manifest.sha256": BY_RESTORE,
    "arn:{partition}:s3:::{evidence}/restores/*/report.html": BY_RESTORE,
    "arn:{partition}:s3:::{evidence}/strays/*": "reports of the tag scan, one per day",
    "arn:{partition}:s3:::{repository}/.unfinished/*": "what restore points in the making are made of",
    "arn:{partition}:s3:::{repository}/*/manifest.json": "the one object of each restore point that makes it visible",
    "arn:{partition}:s3:::{repository}/*/*/*/*": "objects of restore points, which are named by requests; no manifest has such a key",
    "arn:{partition}:s3:::{repository}/*": "restore points are named by requests",
    "arn:{partition}:secretsmanager:{region}:{account}:secret:*": "values only of those with the tag",
    "arn:{partition}:secretsmanager:{region}:{account}:secret:rds!*": "RDS chooses the names of the secrets that it manages",
    "arn:{partition}:secretsmanager:{region}:{account}:secret:{credential_prefix}*": "the operator's word for secrets of restores",
    "arn:{partition}:ssm:{region}::parameter/aws/service/ami-amazon-linux-latest/*": "Amazon's public parameters",
    "arn:{partition}:states:{region}:{account}:execution:{prefix}:*": "executions of the one state machine",
}


def acknowledge(construct: IConstruct, reasons: Mapping[str, str]) -> None:
    """`reasons`: the finding's id -> why it stays. Ids of checkov begin with CKV; others are of cdk-nag's AwsSolutions ("SF1")."""
    ours = [{"id": id_, "comment": why} for id_, why in reasons.items() if id_.startswith(OF_CHECKOV)]
    if ours:
        resource = construct.node.default_child or construct
        assert isinstance(resource, CfnResource)  # noqa: S101 - tells the type checker what the CDK made
        resource.add_metadata("checkov", {"skip": ours})
    others = [Acknowledgment(id=_of_nag(id_), reason=why) for id_, why in reasons.items() if not id_.startswith(OF_CHECKOV)]
    if others:
        Validations.of(construct).acknowledge(*others)


def acknowledge_wildcards(role: IConstruct, statements: Iterable[Statement], places: Places) -> None:
    """Of a role's policy. Raises KeyError naming the pattern that has no reason."""
    patterns = {resource for statement in statements for resource in statement.resources if "*" in resource or resource in WILDCARDS}
    texts = {text: WILDCARDS[pattern] for pattern in sorted(patterns) for text in filled(pattern, places)}
    acknowledge(role, {wildcard(role, text): why for text, why in texts.items()})


def wildcard(role: IConstruct, text: str) -> str:
    """cdk-nag's id for a wildcard: it writes out what CloudFormation will fill in."""
    resolved = Stack.of(role).resolve(text)
    parts = resolved["Fn::Join"][1] if isinstance(resolved, dict) and "Fn::Join" in resolved else [resolved]
    return f"IAM5[Resource::{''.join(map(_written, parts))}]"


def _written(part: Any) -> str:
    match part:
        case str():
            return part
        case {"Ref": name}:
            return f"<{name}>"
        case {"Fn::GetAtt": [name, attribute]}:
            return f"<{name}.{attribute}>"
        case _:
            return json.dumps(part, separators=(",", ":"))


def _of_nag(id_: str) -> str:
    return f"AwsSolutions::AwsSolutions-{id_}"
