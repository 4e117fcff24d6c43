"""Backups that arrive become restore points: the real functions, and for dumps the real definition and reading."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import boto3
import pytest

from dbrestore.contract.adoption.answers import RuleState
from dbrestore.points import stored_points
from lambdas.configuration import adoption as adoption_configuration
from tests.statemachine.test_added_points import CUSTOM, really_read
from tests.statemachine.world import INSTANCE, REGION, World
from tests.unit.points.sqlserver.backups import Written, backup

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


def test_the_dumps_of_one_run_become_one_point_when_they_have_settled(arrivals: Arrivals) -> None:
    for name in ("orders", "crm ümlaut"):
        arrivals.put(f"pg/2026-11-30/{name}.dump", CUSTOM)
    assert arrivals.adopt() == ["dumps", "native"]
    assert arrivals.points() == []
    assert arrivals.state("dumps").waiting[0].reason == "the settle time: more may follow"

    assert arrivals.settle() == ["dumps"]
    assert [arrivals.settle(1), arrivals.settle(1)] == [["dumps"], []]

    [point] = arrivals.points()
    assert databases(point) == ["crm ümlaut", "orders"]
    assert [(one.state, one.point_id) for one in arrivals.state("dumps").adopted] == [("MADE", point.point_id)]
    assert arrivals.s3.list_objects_v2(Bucket="repository", Prefix=".unfinished/").get("Contents", []) == []


def test_a_dump_that_comes_late_makes_a_point_of_the_whole_run_again(arrivals: Arrivals) -> None:
    arrivals.put("pg/monday/orders.dump", CUSTOM)
    arrivals.settle()
    arrivals.put("pg/monday/crm.dump", CUSTOM)
    arrivals.settle()
    arrivals.settle()

    assert [databases(point) for point in arrivals.points()] == [["orders"], ["crm", "orders"]]


def test_what_cant_be_a_point_is_told_once_and_the_others_make_one(arrivals: Arrivals) -> None:
    arrivals.put("pg/monday/orders.dump", CUSTOM)
    arrivals.put("pg/monday/inventory.dump", b"PAR1 an export, not a dump")
    arrivals.put("pg/monday/cut.dump", CUSTOM[:-60])
    for _ in range(6):
        arrivals.settle()

    assert [databases(point) for point in arrivals.points()] == [["orders"]]
    told = [one for event in arrivals.told() for one in event["backups"]]
    assert sorted((one["uri"].rpartition("/")[2], one["error"]["name"]) for one in told) == [
        ("cut.dump", "BackupDamaged"),
        ("inventory.dump", "BackupUnreadable"),
    ]
    assert {one.uri for one in arrivals.state("dumps").not_adopted} == {one["uri"] for one in told}


def test_a_damaged_dump_is_taken_when_it_was_written_anew(arrivals: Arrivals) -> None:
    arrivals.put("pg/monday/orders.dump", CUSTOM[:100])
    arrivals.settle()
    arrivals.put("pg/monday/orders.dump", CUSTOM)
    arrivals.settle(30)
    arrivals.settle()

    assert [databases(point) for point in arrivals.points()] == [["orders"]]
    assert arrivals.state("dumps").not_adopted == ()


def test_native_backups_become_a_point_with_their_stripes_and_a_late_one_completes_them(arrivals: Arrivals) -> None:
    full = Written()
    arrivals.put("native/crm 1.bak", backup(replace(full, stripe=1, stripes=2)))
    arrivals.settle(60)
    [waiting] = arrivals.state("native").waiting
    assert "of 2 files these have not arrived: 2" in waiting.reason
    arrivals.put("native/crm 2.bak", backup(replace(full, stripe=2, stripes=2)))
    arrivals.settle()
    arrivals.settle()

    [point] = arrivals.points("crm-mssql")
    assert len(point.native_databases[0].files) == 2
    assert arrivals.told() == []


def machine_made(count: int) -> list[tuple[str, bytes]]:
    """Files of so many databases: most striped in two, each third with a log backup."""
    found = []
    for n in range(count):
        full = replace(Written(), database=f"db{n}", set_id=UUID(int=1000 + n), media_id=UUID(int=5000 + n))
        if n % 2:
            found.append((f"native/db{n}.bak", backup(full)))
        else:
            found += [(f"native/db{n}-{s}.bak", backup(replace(full, stripe=s, stripes=2))) for s in (1, 2)]
    return found
