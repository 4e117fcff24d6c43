"""Backups that arrive become restore points: the real functions, and for dumps the real definition and reading."""

import json
import random
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import UUID

import boto3
import pytest
from moto.core.botocore_stubber import BotocoreStubber
from moto.s3.models import s3_backends

from dbrestore.contract.adoption.answers import RuleState
from dbrestore.points import stored_points
from lambdas.configuration import adoption as adoption_configuration
from tests.statemachine import plain_moto
from tests.statemachine.fake_worker import lose_worker
from tests.statemachine.test_added_points import CUSTOM, really_read
from tests.statemachine.world import INSTANCE, REGION, World
from tests.unit.points.pgdump import archives
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


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1])
def test_a_thousand_files_in_random_order_and_heard_of_twice_are_the_right_points_each_once(arrivals: Arrivals, seed: int) -> None:
    draw = random.Random(seed)
    jobs = nights(databases=26, count=20)
    files = [one for job in jobs for one in job]
    draw.shuffle(files)
    assert len(files) == 1040
    events = []
    for key, body in files:
        arrivals.put(key, body, heard=False)
        events += [key] * draw.choice([0, 1, 2, 2])
        if draw.random() < 0.1:
            arrivals.hear(draw.choice(events or [key]))
    draw.shuffle(events)
    arrivals.adopt()
    for key in events[:300]:
        arrivals.hear(key)
    for _ in range(4):
        arrivals.settle(20)

    found = arrivals.points("crm-mssql")
    names = [sorted(file.origin for each in backups(point) for file in each.files) for point in found]
    assert names == [sorted(f"s3://{BUCKET}/{key}" for key, _ in job) for job in jobs]
    assert arrivals.told() == []


def nights(databases: int, count: int) -> list[list[tuple[str, bytes]]]:
    """What a job leaves each night: of every other database in three stripes, all with blanks and umlauts in their names."""
    found = []
    for night in range(count):
        job = []
        for n in range(databases):
            what = replace(
                Written(),
                database=f"db{n}",
                database_id=UUID(int=100 + n),
                set_id=UUID(int=10_000 + night * 1000 + n),
                media=UUID(int=50_000 + night * 1000 + n),
                begun=datetime(2026, 11, 1 + night, 1) + timedelta(minutes=n),
            )
            stripes = 3 if n % 2 else 1
            names = [f"native/nächtlich {night}/{n}+{s}%20.bak" for s in range(1, stripes + 1)]
            job += [(name, backup(replace(what, stripe=s, stripes=stripes))) for s, name in enumerate(names, 1)]
        found.append(job)
    return found


def test_an_event_whose_key_is_url_encoded_wakes_the_rule_too_and_others_wake_none(arrivals: Arrivals) -> None:
    assert arrivals.hear("pg/2026/my orders+.dump") == ["dumps"]
    assert arrivals.hear("pg%2F2026%2Fmy+orders%2B.dump") == ["dumps"]
    assert [arrivals.hear(key) for key in ("pg/x.txt", "elsewhere/x.dump", "pg/a/b/c.dump")] == [[], [], []]


def test_what_no_event_told_of_is_found_by_the_slow_look(arrivals: Arrivals) -> None:
    arrivals.adopt()
    arrivals.put("native/a.bak", backup(Written()), heard=False)
    assert arrivals.settle(60) == []

    assert arrivals.settle(23 * 60) == ["dumps", "native"]

    assert len(arrivals.points("crm-mssql")) == 1


def test_a_bucket_that_denies_is_told_once_and_looked_at_again(arrivals: Arrivals) -> None:
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": [f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"]}
    arrivals.put("native/a.bak", backup(Written()))
    arrivals.s3.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps({"Version": "2012-10-17", "Statement": [deny]}))
    for _ in range(3):
        arrivals.settle(13 * 60)
    told = [one for event in arrivals.told() for one in event["backups"] if one["uri"] == f"s3://{BUCKET}/native/*"]
    assert [(one["error"]["name"], one["again"]) for one in told] == [("SourceAccessDenied", True)]
    s3_backends["123456789012"]["aws"].get_bucket(BUCKET).policy = None

    arrivals.settle(25 * 60)

    assert len(arrivals.points("crm-mssql")) == 1
    assert arrivals.state("native").not_adopted == ()


def test_an_archived_dump_is_told_once_and_taken_when_it_was_retrieved(arrivals: Arrivals) -> None:
    arrivals.s3.put_object(Bucket=BUCKET, Key="pg/1/a.dump", Body=CUSTOM, StorageClass="GLACIER")
    arrivals.hear("pg/1/a.dump")
    for _ in range(3):
        arrivals.settle(13 * 60)
    [told] = [one for event in arrivals.told() for one in event["backups"]]
    assert (told["error"]["name"], told["again"]) == ("BackupArchived", True)
    arrivals.s3.put_object(Bucket=BUCKET, Key="pg/1/a.dump", Body=CUSTOM)

    arrivals.settle(25 * 60)
    arrivals.settle()

    assert [databases(point) for point in arrivals.points()] == [["a"]]


def test_a_prefix_full_of_other_files_costs_a_listing(arrivals: Arrivals, monkeypatch: pytest.MonkeyPatch) -> None:
    plain_moto.fill(BUCKET, (f"native/logs/{n}.log" for n in range(3000)))
    arrivals.put("native/a.bak", backup(Written()))
    asked: list[str] = []
    original = BotocoreStubber.__call__
    monkeypatch.setattr(
        BotocoreStubber,
        "__call__",
        lambda self, event_name, request, **more: asked.append(event_name) or original(self, event_name, request, **more),
    )

    arrivals.settle()

    assert len(arrivals.points("crm-mssql")) == 1
    assert sum(name.endswith("ListObjectsV2") for name in asked) < 20
    assert sum(name.endswith(("GetObject", "HeadObject")) for name in asked) < 30


def test_what_is_older_than_the_window_is_passed_over(arrivals: Arrivals) -> None:
    arrivals.put("native/a.bak", backup(Written()), heard=False)
    arrivals.put("pg/1/a.dump", CUSTOM, heard=False)

    arrivals.settle(8 * 24 * 60)

    assert (arrivals.points("crm-mssql"), arrivals.points(), arrivals.told()) == ([], [], [])


def test_a_worker_that_is_lost_every_time_is_given_up_after_some_tries_and_told_once(arrivals: Arrivals) -> None:
    arrivals.world.worker.behaviour["read"] = lambda worker, job, command: lose_worker(worker, job, command)
    arrivals.put("pg/1/a.dump", CUSTOM)
    for _ in range(16):
        arrivals.settle(100)

    [told] = [one for event in arrivals.told() for one in event["backups"]]
    assert (told["error"]["name"], told["again"]) == ("WorkerLost", True)
    arrivals.world.worker.behaviour["read"] = really_read
    arrivals.settle(25 * 60)
    arrivals.settle()
    assert [databases(point) for point in arrivals.points()] == [["a"]]


def test_what_there_is_no_time_for_is_done_by_the_next_invocation(arrivals: Arrivals) -> None:
    arrivals.put("native/a.bak", backup(Written()))
    arrivals.put("pg/1/a.dump", CUSTOM)
    usual = arrivals.world.bounds
    arrivals.world.bounds = replace(usual, adopting_seconds=0)
    arrivals.settle()
    assert (arrivals.points("crm-mssql"), arrivals.points()) == ([], [])
    assert all(arrivals.state(rule).waiting for rule in ("native", "dumps"))
    arrivals.world.bounds = usual

    arrivals.settle(1)
    arrivals.settle(1)

    assert [len(arrivals.points(instance)) for instance in ("crm-mssql", INSTANCE)] == [1, 1]


def test_two_invocations_at_once_make_one_point(arrivals: Arrivals) -> None:
    for name in ("a", "b", "c"):
        arrivals.put(f"native/{name}.bak", backup(replace(Written(), database=name, set_id=UUID(bytes=name.encode() * 16))))
    arrivals.world.clock.let_pass(minutes=16)
    threads = [Thread(target=arrivals.adopt) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    arrivals.settle()

    assert [databases(point) for point in arrivals.points("crm-mssql")] == [["a", "b", "c"]]


def test_a_directory_dump_waits_for_its_last_file(arrivals: Arrivals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = tmp_path / "directories.json"
    rules.write_text(json.dumps({"rules": [{**DUMPS, "pattern": "dirs/{database}/"}]}))
    monkeypatch.setenv("ADOPTION_CONFIGURATION", str(rules))
    files = sorted(archives.directory(archives.shop("gzip"), tmp_path / "d").iterdir())
    *first, last = sorted(files, key=lambda path: path.name != "toc.dat")
    for path in first:
        arrivals.put(f"dirs/shop/{path.name}", path.read_bytes())
    arrivals.settle(60)
    assert [one.reason for one in arrivals.state("dumps").waiting] == [f"{last.name}, which has not arrived"]
    arrivals.put(f"dirs/shop/{last.name}", last.read_bytes())

    arrivals.settle()
    arrivals.settle()

    assert [databases(point) for point in arrivals.points()] == [["shop"]]
    assert arrivals.told() == []


def test_a_function_that_dies_anywhere_is_carried_on_and_makes_nothing_twice(arrivals: Arrivals, monkeypatch: pytest.MonkeyPatch) -> None:
    """At every write of the ledger and of the repository."""
    arrivals.put("native/a.bak", backup(Written()))
    arrivals.world.clock.let_pass(minutes=16)
    original, left = BotocoreStubber.__call__, [0]

    def dying(self: Any, event_name: str, request: Any, **more: Any) -> Any:
        if event_name.endswith(("TransactWriteItems", "PutObject", "CopyObject", "DeleteObject")):
            left[0] -= 1
            if left[0] < 0:
                raise Died
        return original(self, event_name, request, **more)

    monkeypatch.setattr(BotocoreStubber, "__call__", dying)
    for number in range(12):
        left[0] = number
        with suppress(Died):
            arrivals.world.call("AdoptArrivals", {})
        left[0] = 1000
        # Longer than a lease.
        arrivals.world.clock.let_pass(minutes=21)
    arrivals.adopt()

    assert [databases(point) for point in arrivals.points("crm-mssql")] == [["shop"]]
    assert arrivals.s3.list_objects_v2(Bucket="repository", Prefix=".unfinished/").get("Contents", []) == []


class Died(BaseException):
    """The function is gone."""


@pytest.fixture
def staying(arrivals: Arrivals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Arrivals:
    """The same rules for what stays where it lies, in a bucket that keeps versions."""
    path = tmp_path / "in_place.json"
    path.write_text(json.dumps({"rules": [{**DUMPS, "inPlace": True}, {**NATIVE, "inPlace": True}]}))
    monkeypatch.setenv("ADOPTION_CONFIGURATION", str(path))
    arrivals.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    return arrivals


def in_repository(arrivals: Arrivals, point: Any) -> list[str]:
    prefix = f"{point.instance}/{point.point_id}/"
    listed = arrivals.s3.list_objects_v2(Bucket="repository", Prefix=prefix)["Contents"]
    return [item["Key"].removeprefix(prefix) for item in listed]


def versions(point: Any) -> list[tuple[str, str]]:
    return [(file.reference.key, file.reference.version_id) for file in point.files if file.reference]


def test_what_stays_in_place_is_referred_to_by_the_version_that_arrived(staying: Arrivals) -> None:
    staying.put("pg/latest/orders.dump", CUSTOM)
    staying.settle()
    staying.settle()
    staying.put("pg/latest/orders.dump", archives.custom(archives.shop("gzip")))
    staying.settle()
    staying.settle()

    first, second = staying.points()

    told = staying.s3.list_object_versions(Bucket=BUCKET)["Versions"]
    expected = [(one["Key"], one["VersionId"]) for one in sorted(told, key=lambda one: one["IsLatest"])]
    assert [*versions(first), *versions(second)] == expected
    assert in_repository(staying, first) == in_repository(staying, second) == ["manifest.json"]
    assert all(file.sha256 for point in (first, second) for file in point.files)
    assert staying.s3.list_objects_v2(Bucket="repository", Prefix=".unfinished/").get("Contents", []) == []


def test_a_native_backup_in_place_is_referred_to(staying: Arrivals) -> None:
    staying.put("native/crm.bak", backup(Written()))
    for _ in range(3):
        staying.settle()

    [point] = staying.points("crm-mssql")

    assert [key for key, _ in versions(point)] == ["native/crm.bak"]
    assert in_repository(staying, point) == ["manifest.json"]


def test_what_could_be_overwritten_is_no_point_in_place(staying: Arrivals) -> None:
    staying.s3.delete_bucket(Bucket=BUCKET)
    staying.s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    staying.put("pg/monday/orders.dump", CUSTOM)
    staying.settle()
    staying.settle()

    assert staying.points() == []
    [refused] = staying.state("dumps").not_adopted
    assert refused.error.name == "BackupUnreadable"
    assert "switch versioning on" in refused.error.message
