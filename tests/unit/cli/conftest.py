"""An account with the control plane's parts in it, as far as the command reads them: moto's services, our own ledger code."""

import json
from collections.abc import Iterator

import pytest
from moto import mock_aws

from dbrestore.cli import control
from dbrestore.cli.control import Account, ControlPlane
from localcloud.base import clock

REGION = "eu-west-1"
DEFINITION = {
    "StartAt": "HowDidItEnd",
    "States": {
        "HowDidItEnd": {
            "Type": "Choice",
            "Choices": [
                {"Variable": "$.fail", "IsPresent": True, "Next": "Failed"},
                {"Variable": "$.databases", "IsPresent": True, "Next": "Planning"},
            ],
            "Default": "Waiting",
        },
        "Planning": {"Type": "Wait", "Seconds": 20, "Next": "Done"},
        "Waiting": {"Type": "Wait", "SecondsPath": "$.wait", "Next": "Done"},
        "Failed": {"Type": "Fail", "ErrorPath": "$.fail.error", "CausePath": "$.fail.cause"},
        "Done": {"Type": "Succeed"},
    },
}


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    # A local cloud that ran in this process may have left its own: the executions here wait as long as they say.
    with clock.scales() as set_scale, mock_aws(config={"stepfunctions": {"execute_state_machine": True}}):
        set_scale(1.0)
        yield Account()


@pytest.fixture
def plane(account: Account) -> ControlPlane:
    for bucket in ("repository", "evidence"):
        account.client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    keys = (("pk", "HASH"), ("sk", "RANGE"))
    account.client("dynamodb").create_table(
        TableName="ledger",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name, _ in keys],
        KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in keys],
    )
    machine = account.client("stepfunctions").create_state_machine(
        name="dbrestore", definition=json.dumps(DEFINITION), roleArn="arn:aws:iam::123456789012:role/machine"
    )
    parts = {
        "stateMachineArn": machine["stateMachineArn"],
        "ledgerTable": "ledger",
        "repositoryBucket": "repository",
        "evidenceBucket": "evidence",
    }
    account.client("ssm").put_parameter(Name="/dbrestore/control", Value=json.dumps(parts), Type="String")
    return control.find(account)


def start(plane: ControlPlane, name: str, **values: object) -> str:
    """An execution that ends as it is told: {"wait": seconds} or {"fail": {"error", "cause"}}; returns its ARN."""
    arn: str = plane.executions.start_execution(stateMachineArn=plane.state_machine_arn, name=name, input=json.dumps(values))[
        "executionArn"
    ]
    return arn


@pytest.fixture
def no_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys and a Region, and an endpoint where nobody listens."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.delenv("AWS_REGION", raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
