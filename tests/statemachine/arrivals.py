"""Somebody's bucket, rules of adoption for it, and what the installation hears of what arrives."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from dbrestore.contract.adoption.answers import RuleState
from dbrestore.points import stored_points
from lambdas.configuration import adoption as adoption_configuration
from tests.statemachine.test_added_points import really_read
from tests.statemachine.world import INSTANCE, REGION, World

BUCKET = "team-backups"
DUMPS = {"name": "dumps", "bucket": BUCKET, "pattern": "pg/{run}/{database}.dump", "instance": INSTANCE, "engine": "postgres"}
NATIVE = {"name": "native", "bucket": BUCKET, "pattern": "native/**", "instance": "crm-mssql", "engine": "sqlserver"}


@dataclass
class Arrivals:
    """Somebody's bucket, and what the installation hears of it."""

    world: World
    s3: Any

    def put(self, key: str, body: bytes, *, heard: bool = True) -> None:
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=body)
        if heard:
            self.hear(key)

    def hear(self, key: str) -> list[str]:
        detail = {"bucket": {"name": BUCKET}, "object": {"key": key, "size": 1, "etag": "x", "sequencer": "1"}}
        event = {"detail-type": "Object Created", "time": self.world.clock().isoformat(), "detail": detail}
        return list(self.world.call("HearArrival", event)["rules"])

    def settle(self, minutes: float = 16) -> list[str]:
        """Time passes, and the clock calls."""
        self.world.clock.let_pass(minutes=minutes)
        return self.adopt()

    def adopt(self) -> list[str]:
        looked = list(self.world.call("AdoptArrivals", {})["looked"])
        for execution in boto3.client("stepfunctions").list_executions(stateMachineArn=machine())["executions"]:
            self.world.wait(execution["executionArn"])
        return looked

    def state(self, rule: str) -> RuleState:
        [found] = self.world.call("ListAdoptions", {"rule": rule})["rules"]
        return RuleState.model_validate(found)

    def points(self, instance: str = INSTANCE) -> list[Any]:
        """Those that came from the bucket, the oldest first."""
        found = stored_points.list_points(self.s3, "repository", instance)
        loaded = [stored_points.load(self.s3, "repository", instance, point.point_id) for point in found]
        return [one for one in loaded if any(file.origin for each in backups(one) for file in each.files)]

    def told(self) -> list[dict[str, Any]]:
        sqs = boto3.client("sqs")
        url = sqs.get_queue_url(QueueName="told")["QueueUrl"]
        messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(message["Body"])["detail"] for message in messages]


def machine() -> str:
    return f"arn:aws:states:{REGION}:123456789012:stateMachine:dbrestore"


@pytest.fixture
def arrivals(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Arrivals:
    path = tmp_path / "adoption.json"
    path.write_text(json.dumps({"rules": [DUMPS, NATIVE]}))
    adoption_configuration.read(path)
    monkeypatch.setenv("ADOPTION_CONFIGURATION", str(path))
    world.worker.behaviour["read"] = really_read
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    sqs, events = boto3.client("sqs"), boto3.client("events")
    url = sqs.create_queue(QueueName="told")["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_rule(Name="told", EventPattern=json.dumps({"source": ["dbrestore.adoption"]}))
    events.put_targets(Rule="told", Targets=[{"Id": "queue", "Arn": queue}])
    return Arrivals(world, s3)


def backups(point: Any) -> list[Any]:
    return [*point.databases, *point.native_databases]


def databases(point: Any) -> list[str]:
    return sorted(one.name for one in backups(point))


def in_repository(arrivals: Arrivals, point: Any) -> list[str]:
    prefix = f"{point.instance}/{point.point_id}/"
    listed = arrivals.s3.list_objects_v2(Bucket="repository", Prefix=prefix)["Contents"]
    return [item["Key"].removeprefix(prefix) for item in listed]


def versions(point: Any) -> list[tuple[str, str]]:
    return [(file.reference.key, file.reference.version_id) for file in point.files if file.reference]
