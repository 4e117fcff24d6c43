"""Dumps in S3 become a restore point: the real definition and functions, and the real reading at the worker's border."""

from contextlib import suppress
from typing import Any

import boto3
import pytest

from dbrestore.contract import limits
from dbrestore.contract.job import Job, Result
from dbrestore.contract.questions.additions import AdditionOrder, AdditionStart
from dbrestore.contract.request import TargetRequest
from dbrestore.points import stored_points
from dbrestore.points.in_s3 import postgresql
from dbrestore.points.in_s3.copying import Repository
from dbrestore.points.in_s3.source import Source
from dbrestore.points.in_s3.unfinished import Unfinished
from dbrestore.worker.base.job_folder import JobFolder
from dbrestore.worker.base.progress import ProgressWriter
from dbrestore.worker.postgresql.dumps import reading
from tests.statemachine.fake_worker import Behaviour, FakeWorker, end_without_result, lose_agent, lose_worker
from tests.statemachine.world import INSTANCE, REGION, World
from tests.unit.points.pgdump import archives

CUSTOM = archives.custom(archives.shop("zstd"))


def really_read(worker: FakeWorker, job: Job, command: Any) -> None:
    """What the worker's program does with the job."""
    s3 = boto3.client("s3")
    folder = JobFolder.of(s3, command.parameters["JobUri"][0])
    databases = tuple(reading.run(s3, folder, job, ProgressWriter("read", lambda progress: None)))
    worker.write(job, command, Result(kind="read", restore_id=job.restore_id, databases=databases))


def once(first: Any, then: Any) -> Any:
    """Another behaviour from the second job on."""
    behaviours = iter([first])
    return lambda worker, job, command: next(behaviours, then)(worker, job, command)


def prepared(*bodies: bytes) -> Unfinished:
    s3 = boto3.client("s3")
    with suppress(s3.exceptions.BucketAlreadyOwnedByYou):
        s3.create_bucket(Bucket="team-backups", CreateBucketConfiguration={"LocationConstraint": REGION})
    for number, body in enumerate(bodies):
        s3.put_object(Bucket="team-backups", Key=f"{number}.dump", Body=body)
    pairs = [(f"db{number}", f"{number}.dump") for number in range(len(bodies))]
    return postgresql.prepare(Source(s3, "team-backups"), Repository(s3, "repository"), INSTANCE, pairs)


def order(note: Unfinished, **more: Any) -> dict[str, Any]:
    near = TargetRequest(db_instance=INSTANCE)
    return AdditionStart(add=AdditionOrder(instance=INSTANCE, point_id=note.point_ids[0], near=near, **more)).model_dump(
        mode="json", by_alias=True, exclude_defaults=True
    )


def points() -> list[str]:
    return [point.point_id for point in stored_points.list_points(boto3.client("s3"), "repository", INSTANCE)]


def test_a_point_is_made_without_a_pairing_and_the_worker_is_gone(world: World) -> None:
    world.worker.behaviour["read"] = really_read
    note = prepared(CUSTOM, CUSTOM)
    before = world.inventory()

    ended = world.run(order(note, requested_by="somebody"))

    assert ended["status"] == "SUCCEEDED"
    assert list(dict.fromkeys(world.calls)) == [
        "PlanRestore",
        "DeployWorker",
        "ReadDumps",
        "DiscardUnfinishedDatabases",
        "RemoveWorker",
        "UnpairSecurityGroups",
        "RemoveStagingBucket",
        "CloseRestore",
    ]
    assert world.inventory() == before
    found = stored_points.load(boto3.client("s3"), "repository", INSTANCE)
    assert [(backup.name, backup.rows) for backup in found.databases] == [("db0", 3000), ("db1", 3000)]
    report = world.report()
    assert {(row["kind"], row["state"]) for row in report["resources"]} == {("instance", "DELETED")}
    assert [(one["name"], one["status"]) for one in report["databases"]] == [("db0", "READ"), ("db1", "READ")]
    [event] = world.events()
    assert (event["detail-type"], event["detail"]["mode"]) == ("Point Added", "add")


def test_a_damaged_dump_makes_no_point_and_the_worker_is_gone(world: World) -> None:
    world.worker.behaviour["read"] = really_read
    note, others = prepared(CUSTOM, CUSTOM[:-60]), points()
    before = world.inventory()

    ended = world.run(order(note))

    assert (ended["status"], ended["error"]) == ("FAILED", "BackupDamaged")
    assert "s3://team-backups/1.dump: " in ended["cause"]
    assert (points(), world.inventory()) == (others, before)
    assert world.events()[0]["detail-type"] == "Point Not Added"


@pytest.mark.parametrize("harm", [lose_worker, lose_agent])
def test_a_worker_that_dies_is_replaced_and_the_point_is_made(world: World, harm: Behaviour) -> None:
    world.seconds_between_calls = limits.AGENT_UNHEARD_WITHIN / 5
    living: list[list[str]] = []

    def read_on(worker: FakeWorker, job: Job, command: Any) -> None:
        living.append(world.inventory()["instances"])
        really_read(worker, job, command)

    world.worker.behaviour["read"] = once(harm, read_on)
    note = prepared(CUSTOM)
    before = world.inventory()

    ended = world.run(order(note))

    assert ended["status"] == "SUCCEEDED", ended
    assert living == [world.worker.commands[1].instance_ids]
    assert points()[-1] == note.point_ids[0]
    assert world.inventory() == before


def test_workers_that_keep_dying_end_it(world: World) -> None:
    world.worker.behaviour["read"] = lose_worker
    note, others = prepared(CUSTOM), points()
    before = world.inventory()

    ended = world.run(order(note))

    assert (ended["status"], ended["error"], len(world.worker.jobs)) == ("FAILED", "WorkerLost", 3)
    assert (points(), world.inventory()) == (others, before)


def test_a_program_that_crashes_ends_it_with_its_last_words(world: World) -> None:
    world.worker.behaviour["read"] = end_without_result
    note = prepared(CUSTOM)
    before = world.inventory()

    ended = world.run(order(note))

    assert (ended["status"], ended["error"]) == ("FAILED", "WorkerFailed")
    assert "MemoryError" in ended["cause"]
    assert world.inventory() == before


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"pointId": "20261130T000000Z-00000000"}, "RestorePointNotFound"),
        ({"near": {"dbInstance": "nobody"}}, "TargetNotFound"),
        ({"unknown": 1}, "RestoreRequestInvalid"),
        ({"worker": {"subnetId": "subnet-0"}}, "TargetNotUsable"),
    ],
)
def test_what_can_not_be_read_is_refused_before_anything_is_made(world: World, change: dict[str, Any], error: str) -> None:
    wanted = order(prepared(CUSTOM))
    before = world.inventory()

    ended = world.run({"add": {**wanted["add"], **change}})

    assert (ended["status"], ended["error"]) == ("FAILED", error)
    assert world.calls == ["PlanRestore"]
    assert world.inventory() == before


def test_the_same_point_is_read_once_at_a_time(world: World) -> None:
    note = prepared(CUSTOM)
    world.worker.behaviour["read"] = really_read
    other: list[dict[str, Any]] = []
    world.before["ReadDumps"] = lambda: other.append(world.run(order(note), "second")) if not other else None

    assert world.run(order(note))["status"] == "SUCCEEDED"

    assert (other[0]["status"], other[0]["error"]) == ("FAILED", "DatabaseBusy")
    assert "is being read by r-" in other[0]["cause"]


def test_a_stopped_reading_is_cleaned_up_by_the_sweeper(world: World) -> None:
    note = prepared(CUSTOM)
    before = world.inventory()
    world.worker.behaviour["read"] = lambda *arguments: boto3.client("stepfunctions").stop_execution(
        executionArn=f"arn:aws:states:{REGION}:123456789012:execution:dbrestore:restore-1"
    )

    assert world.run(order(note))["status"] == "ABORTED"
    [swept] = world.sweep()

    assert swept["status"] == "SUCCEEDED"
    assert world.inventory() == before
    assert note.point_ids[0] not in points()
