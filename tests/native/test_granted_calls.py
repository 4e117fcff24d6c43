"""The comparison of calls with policies notices what it is there for."""

import json
from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws

from localcloud.base.callers import Call
from tests.native.granted_calls import not_granted

LEDGER = "arn:aws:dynamodb:eu-central-1:123456789012:table/ledger"
POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": ["arn:aws:s3:::evidence/restores/*"]},
        {"Effect": "Allow", "Action": ["dynamodb:PutItem", "dynamodb:DeleteItem"], "Resource": LEDGER},
        {"Effect": "Allow", "Action": ["cloudwatch:GetMetricStatistics"], "Resource": "*"},
        {"Effect": "Allow", "Action": "s3:DeleteObject", "Resource": "arn:aws:s3:::staging/*"},
        {"Effect": "Deny", "Action": ["s3:PutObject"], "Resource": "*"},
    ],
}


@pytest.fixture
def role(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        iam = boto3.client("iam", region_name="eu-central-1")
        made = iam.create_role(RoleName="worker", AssumeRolePolicyDocument=json.dumps(POLICY))["Role"]["Arn"]
        iam.put_role_policy(RoleName="worker", PolicyName="may", PolicyDocument=json.dumps(POLICY))
        yield made


@pytest.mark.parametrize(
    ("action", "resource", "granted"),
    [
        ("s3:GetObject", "arn:aws:s3:::evidence/restores/r-1/job.json", True),
        ("s3:GetObject", "arn:aws:s3:::evidence/certificates/ca.pem", False),
        ("s3:GetObject", "*", True),
        ("s3:PutObject", "arn:aws:s3:::evidence/restores/r-1/job.json", False),
        ("s3:HeadBucket", "arn:aws:s3:::evidence", False),
        ("s3:DeleteObject", "arn:aws:s3:::staging", True),
        ("dynamodb:PutItem", LEDGER, True),
        ("dynamodb:PutItem", LEDGER + "-of-others", False),
        ("dynamodb:TransactWriteItems", "*", False),
        ("monitoring:GetMetricStatistics", "*", True),
    ],
    ids=lambda value: str(value)[-30:],
)
def test_a_call_is_granted_by_an_action_and_a_resource(role: str, action: str, resource: str, granted: bool) -> None:
    call = Call(role, action, resource)

    assert not_granted([call]) == (set() if granted else {call})


def test_a_role_that_does_not_exist_has_no_permissions_and_an_owner_all(role: str) -> None:
    unknown = Call(f"{role}-2", "s3:GetObject", "*")

    assert not_granted([unknown, Call("root", "s3:DeleteBucket", "*")]) == {unknown}
