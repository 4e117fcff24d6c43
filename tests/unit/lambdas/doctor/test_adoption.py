"""Whether the buckets of rules of adoption tell EventBridge what arrives: asked of S3, bucket by bucket."""

import json
import shlex
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from dbrestore.contract.questions.examination import ExaminationQuestion, Finding
from lambdas.doctor import adoption as doctor_adoption
from lambdas.doctor.findings import judge
from lambdas.doctor.sides import ControlSide
from lambdas.runtime.state import Surroundings
from tests.statemachine.world import REGION, World

ON = {"EventBridgeConfiguration": {}}


def rule(name: str, bucket: str) -> dict[str, Any]:
    return {"name": name, "bucket": bucket, "pattern": f"{name}/{{database}}.dump", "instance": "orders-prod", "engine": "postgres"}


@pytest.fixture
def s3(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Two buckets: one that tells, with two rules, and one that tells a queue alone."""
    (path := tmp_path / "adoption.json").write_text(
        json.dumps({"rules": [rule("a", "tells"), rule("b", "tells"), rule("c", "silent"), rule("d", "gone")]})
    )
    monkeypatch.setenv("ADOPTION_CONFIGURATION", str(path))
    found = boto3.client("s3")
    for bucket in ("tells", "silent"):
        found.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    queue = boto3.client("sqs").create_queue(QueueName="others")["QueueUrl"]
    arn = boto3.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    found.put_bucket_notification_configuration(Bucket="tells", NotificationConfiguration=ON)
    found.put_bucket_notification_configuration(
        Bucket="silent", NotificationConfiguration={"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]}
    )
    return found


def looked(surroundings: Surroundings | None = None) -> dict[str, Finding]:
    side = ControlSide(
        ExaminationQuestion.model_validate({"functions": [], "expected": {"version": "x"}}), surroundings or Surroundings(), ""
    )
    (check,) = doctor_adoption.CHECKS
    return {finding.looked_at: finding for finding in judge(check, side)}


def test_each_bucket_is_told_once_with_its_rules(s3: Any) -> None:
    found = looked()

    assert {bucket: finding.state for bucket, finding in found.items()} == {"tells": "ok", "silent": "warning", "gone": "problem"}
    assert "(a, b)" in found["tells"].sentence
    assert "lookHours" in found["silent"].sentence


def test_the_command_of_the_finding_turns_it_on_and_keeps_what_the_bucket_tells_others(s3: Any) -> None:
    words = shlex.split(looked()["silent"].fix)
    before = s3.get_bucket_notification_configuration(Bucket="silent")["QueueConfigurations"]

    assert words[:3] == ["aws", "s3api", "put-bucket-notification-configuration"]
    options = dict(zip(words[3::2], words[4::2], strict=True))
    s3.put_bucket_notification_configuration(
        Bucket=options["--bucket"], NotificationConfiguration=json.loads(options["--notification-configuration"])
    )

    assert looked()["silent"].state == "ok"
    assert s3.get_bucket_notification_configuration(Bucket="silent")["QueueConfigurations"] == before


def test_a_bucket_that_denies_the_question_is_said_to_be_unseen_and_the_others_are_looked_at(s3: Any) -> None:
    surroundings = Surroundings()

    def deny(params: dict[str, Any], model: Any, **_: Any) -> None:
        if params["Bucket"] == "tells":
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, model.name)

    surroundings.control.s3.meta.events.register("before-parameter-build.s3.GetBucketNotificationConfiguration", deny)

    found = looked(surroundings)

    assert (found["tells"].state, found["silent"].state) == ("not checked", "warning")
    assert "s3:GetBucketNotification" in found["tells"].fix
