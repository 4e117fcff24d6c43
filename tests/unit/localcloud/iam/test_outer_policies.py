"""The contract of what bounds a role from outside: its permissions boundary, and the organization's control policies."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.iam.models import iam_backends

from localcloud.iam import outer_policies

ACCOUNT = "123456789012"
REGION: Any = "eu-central-1"
ALL = {"Effect": "Allow", "Action": "*", "Resource": "*"}
PROBES = {
    "ec2:DescribeInstances": lambda session: session.client("ec2").describe_instances(),
    "rds:DescribeDBInstances": lambda session: session.client("rds").describe_db_instances(),
    "ssm:ListCommands": lambda session: session.client("ssm").list_commands(),
    "secretsmanager:ListSecrets": lambda session: session.client("secretsmanager").list_secrets(),
    "cloudwatch:ListMetrics": lambda session: session.client("cloudwatch").list_metrics(),
    "s3:ListBucket": lambda session: session.client("s3").head_bucket(Bucket="things"),
    "s3:CreateBucket": lambda session: session.client("s3").create_bucket(
        Bucket="more", CreateBucketConfiguration={"LocationConstraint": REGION}
    ),
}
CODES = {
    "ec2": "UnauthorizedOperation",
    "ssm": "AccessDeniedException",
    "secretsmanager": "AccessDeniedException",  # pragma: allowlist secret
}


def denying(action: str) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [ALL, {"Effect": "Deny", "Action": action, "Resource": "*"}]}


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Iterator[boto3.Session]:
    """A session of a role that may do everything as far as its own policies go."""
    for name, value in {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": REGION}.items():
        monkeypatch.setenv(name, value)
    outer_policies.install()
    with mock_aws():
        boto3.client("iam").create_role(RoleName="worker", AssumeRolePolicyDocument="{}")
        boto3.client("s3").create_bucket(Bucket="things", CreateBucketConfiguration={"LocationConstraint": REGION})
        arn = f"arn:aws:iam::{ACCOUNT}:role/worker"
        given = boto3.client("sts").assume_role(RoleArn=arn, RoleSessionName="it")["Credentials"]
        yield boto3.Session(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"], REGION)


@pytest.mark.parametrize("action", PROBES)
def test_what_a_control_policy_denies_is_refused_in_awss_words_and_nothing_else(session: boto3.Session, action: str) -> None:
    outer_policies.control(ACCOUNT, denying(action))

    with pytest.raises(ClientError) as refused:
        PROBES[action](session)

    said = refused.value.response["Error"]
    if action != "s3:ListBucket":  # the answer to a HEAD has no body
        assert said["Code"] == CODES.get(action.partition(":")[0], "AccessDenied")
        assert f"is not authorized to perform: {action} on resource: " in said["Message"]
        assert said["Message"].endswith(" with an explicit deny in a service control policy")
    for other in PROBES.keys() - {action}:
        PROBES[other](session)


def test_what_no_control_policy_allows_is_refused(session: boto3.Session) -> None:
    outer_policies.control(ACCOUNT, {"Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]})

    with pytest.raises(ClientError, match=r"because no service control policy allows the ec2:DescribeInstances action$"):
        PROBES["ec2:DescribeInstances"](session)
    PROBES["s3:CreateBucket"](session)


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (denying("ec2:*"), "with an explicit deny in a permissions boundary"),
        (
            {"Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]},
            "because no permissions boundary allows the ec2:Describe",
        ),
    ],
    ids=["denies", "allows something else"],
)
def test_a_boundary_bounds_its_role(session: boto3.Session, document: dict[str, Any], why: str) -> None:
    iam = boto3.client("iam")
    made = iam.create_policy(PolicyName="bounds", PolicyDocument=json.dumps({"Version": "2012-10-17", **document}))
    iam.put_role_permissions_boundary(RoleName="worker", PermissionsBoundary=made["Policy"]["Arn"])

    with pytest.raises(ClientError, match=why):
        PROBES["ec2:DescribeInstances"](session)
    iam.delete_role_permissions_boundary(RoleName="worker")
    PROBES["ec2:DescribeInstances"](session)


def test_an_accounts_owner_is_bound_by_nothing_and_a_reset_forgets(session: boto3.Session) -> None:
    outer_policies.control(ACCOUNT, denying("*"))

    boto3.client("ec2").describe_instances()
    with pytest.raises(ClientError):
        PROBES["ec2:DescribeInstances"](session)
    iam_backends.reset()
    assert "dbrestore_control_policies" not in vars(iam_backends[ACCOUNT]["aws"])
