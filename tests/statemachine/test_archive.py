"""Archived restore points: asked for, waited for, asked for again, and never more than needed."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from moto.s3.models import s3_backends

from dbrestore.contract import keys, limits
from dbrestore.contract.job import ErrorNote, Job
from lambdas.archive.arrivals import ARRIVAL, AWAITED, wake_restore
from lambdas.archive.hear_retrieval import hear_retrieval
from lambdas.runtime.open_restores import request_cancel
from localcloud.base.clients import ACCOUNT
from localcloud.s3 import glacier, glacier_objects
from tests.statemachine.engines import POSTGRES, SQLSERVER, Engine
from tests.statemachine.fake_worker import FakeWorker, leave_unfinished
from tests.statemachine.plain_moto import Died
from tests.statemachine.world import World, execution_arn, start

TIERED = ("ARCHIVE_ACCESS", "DEEP_ARCHIVE_ACCESS")
CAMPAIGN = pytest.mark.slow
ENGINES = pytest.mark.parametrize("engine", [POSTGRES, pytest.param(SQLSERVER, marks=CAMPAIGN)], ids=str)


def files(instance: str, database: str = "") -> list[str]:
    """The stored files of an instance's points, manifests left out."""
    found = boto3.client("s3").list_objects_v2(Bucket="repository", Prefix=f"{instance}/")["Contents"]
    return [item["Key"] for item in found if not item["Key"].endswith(keys.MANIFEST) and f"/{database}" in item["Key"]]


def archive(storage_class: str, *names: str) -> None:
    """What a lifecycle rule does with objects."""
    s3 = boto3.client("s3")
    for key in names:
        body = s3.get_object(Bucket="repository", Key=key)["Body"].read()
        kept = "INTELLIGENT_TIERING" if storage_class in TIERED else storage_class
        s3.put_object(Bucket="repository", Key=key, Body=body, StorageClass=kept)  # type: ignore[arg-type]
        if storage_class in TIERED:
            glacier_objects.move("repository", key, storage_class)


def arrived(key: str) -> int:
    """S3's event; how many it woke."""
    event = {"source": "aws.s3", "detail-type": "Object Restore Completed", "detail": {"object": {"key": key}}}
    return int(hear_retrieval(event, None)["woken"])


def arrive(world: World) -> None:
    """All retrievals end, and S3 tells of each."""
    for key in glacier_objects.finish("repository"):
        arrived(key)


def under_way() -> list[str]:
    """The objects that S3 was asked for and has not retrieved."""
    names = s3_backends[ACCOUNT]["aws"].buckets["repository"].keys
    heads = {key: boto3.client("s3").head_object(Bucket="repository", Key=key) for key in names}
    return [key for key, head in heads.items() if head.get("Restore") == 'ongoing-request="true"']


@pytest.mark.parametrize(
    ("engine", "storage_class"),
    [
        # What differs between the classes is S3's: each is met once here, and the rest in the campaign.
        (POSTGRES, "DEEP_ARCHIVE"),
        (SQLSERVER, "GLACIER"),
        (POSTGRES, "ARCHIVE_ACCESS"),
        *(pytest.param(POSTGRES, one, marks=CAMPAIGN) for one in ("GLACIER", "DEEP_ARCHIVE_ACCESS")),
        *(pytest.param(SQLSERVER, one, marks=CAMPAIGN) for one in ("DEEP_ARCHIVE", *TIERED)),
    ],
    ids=str,
)
def test_an_archived_restore_point_is_retrieved_before_anything_is_deployed(world: World, engine: Engine, storage_class: str) -> None:
    world.use(engine)
    archive(storage_class, *files(engine.instance))
    seen: list[Any] = []

    def look() -> None:
        if "DeployWorker" not in world.calls:
            seen.append((world.inventory()["instances"], len(under_way())))
            arrive(world)

    world.after["RetrieveArchive"] = look
    before = world.inventory()

    ended = world.run(engine.request())

    assert ended["status"] == "SUCCEEDED"
    assert seen[0] == ([], 1)
    assert world.calls.index("DeployWorker") > world.calls.index("RetrieveArchive")
    told = world.report()["archive"]
    assert (told["objects"], told["requested"], told["foundReady"], told["fellBack"]) == (1, 1, 0, 0)
    assert (told["readableUntil"] is None) == (storage_class in TIERED)
    after = world.inventory()
    assert {name: after[name] for name in ("instances", "groups", "buckets", "staged", "locks", "open restores")} == {
        name: before[name] for name in ("instances", "groups", "buckets", "staged", "locks", "open restores")
    }


@ENGINES
def test_instant_retrieval_needs_none(world: World, engine: Engine) -> None:
    world.use(engine)
    archive("GLACIER_IR", *files(engine.instance))

    ended = world.run(engine.request())

    assert ended["status"] == "SUCCEEDED"
    assert not {"RequestRetrieval", "RetrieveArchive"} & set(world.calls)
    assert world.report()["archive"] is None


def test_only_the_files_of_the_asked_databases_are_asked_for(world: World) -> None:
    archive("GLACIER", *files(POSTGRES.instance))
    seen: list[list[str]] = []
    world.before["RetrieveArchive"] = lambda: seen.append(under_way())
    world.after["RetrieveArchive"] = lambda: arrive(world)

    world.run(POSTGRES.request("crm"))

    assert seen[0] == files(POSTGRES.instance, "crm")


@pytest.mark.parametrize("storage_class", ["DEEP_ARCHIVE", pytest.param("DEEP_ARCHIVE_ACCESS", marks=CAMPAIGN)])
@ENGINES
def test_a_tier_that_the_class_has_not_is_refused_before_anything_is_asked_for(world: World, engine: Engine, storage_class: str) -> None:
    world.use(engine)
    archive(storage_class, *files(engine.instance))

    ended = world.run({**engine.request("orders", "crm"), "archive": {"tier": "Expedited"}})

    assert (ended["status"], ended["error"]) == ("FAILED", "ArchiveTierImpossible")
    told = json.loads(ended["cause"])["errorMessage"]
    assert told.startswith("/archive/tier: 2 of the files are in ")
    assert "no Expedited retrieval" in told
    assert "Standard (at most 12 hours) or Bulk (at most 48 hours)" in told
    assert under_way() == []


@pytest.mark.parametrize(
    ("storage_class", "tier", "hours"),
    [
        ("GLACIER", "Expedited", 0.08),
        ("DEEP_ARCHIVE", "Bulk", 48),
        *(
            pytest.param(*case, marks=CAMPAIGN)
            for case in [
                ("GLACIER", "Standard", 5),
                ("GLACIER", "Bulk", 12),
                ("DEEP_ARCHIVE", "Standard", 12),
                ("ARCHIVE_ACCESS", "Expedited", 0.08),
                ("DEEP_ARCHIVE_ACCESS", "Bulk", 48),
            ]
        ),
    ],
)
def test_the_plan_says_how_long_the_archive_takes(world: World, storage_class: str, tier: str, hours: float) -> None:
    archive(storage_class, *files(POSTGRES.instance))

    ended = world.run({**POSTGRES.request("orders", "crm"), "archive": {"tier": tier}, "mode": "plan"})

    told = json.loads(ended["output"])["plan"]["archive"]
    (of_class,) = told["classes"]
    assert (of_class["storageClass"], of_class["objects"], of_class["waitHours"]) == (storage_class, 2, hours)
    assert told["days"] >= 2
    assert told["days"] * 24 > 1.5 * hours
    assert under_way() == []


def test_without_an_event_the_slow_look_finds_the_data(world: World) -> None:
    archive("DEEP_ARCHIVE", *files(POSTGRES.instance))
    world.after["RetrieveArchive"] = lambda: glacier_objects.finish("repository") and None

    ended = world.run()

    assert ended["status"] == "SUCCEEDED"
    assert world.calls.count("RetrieveArchive") == 2


def test_an_event_wakes_who_waits_for_that_file_once(world: World) -> None:
    archive("DEEP_ARCHIVE", *files(POSTGRES.instance))
    woken: list[int] = []

    def tell_twice() -> None:
        if glacier_objects.finish("repository"):
            awaited = boto3.client("dynamodb").get_item(
                TableName="ledger", Key={"pk": {"S": world.ledger().restore_id}, "sk": {"S": AWAITED}}
            )["Item"]["key"]["S"]
            woken.extend([arrived(awaited), arrived(awaited), arrived("of/another/restore")])

    world.after["RetrieveArchive"] = tell_twice

    ended = world.run()

    assert ended["status"] == "SUCCEEDED"
    assert woken == [1, 0, 0]


def test_data_that_comes_before_anybody_waits_is_found_at_the_first_look(world: World) -> None:
    archive("GLACIER", *files(POSTGRES.instance))
    world.before["RetrieveArchive"] = lambda: arrive(world)

    ended = world.run()

    assert ended["status"] == "SUCCEEDED"
    assert world.calls.count("RetrieveArchive") == 1


def test_an_event_for_nobody_changes_nothing(world: World) -> None:
    assert arrived("orders-prod/of/nobody") == 0


@pytest.mark.parametrize("is_done", [True, False], ids=["retrieved", "under way"])
def test_what_somebody_else_has_asked_for_is_not_asked_for_again(world: World, is_done: bool) -> None:
    names = files(POSTGRES.instance)
    archive("GLACIER", *names)
    for key in names:
        request: Any = {"Days": 9, "GlacierJobParameters": {"Tier": "Standard"}}
        boto3.client("s3").restore_object(Bucket="repository", Key=key, RestoreRequest=request)
    if is_done:
        arrive(world)
    world.after["RetrieveArchive"] = lambda: arrive(world)

    ended = world.run(POSTGRES.request("orders", "crm"))

    assert ended["status"] == "SUCCEEDED"
    told = world.report()["archive"]
    assert (told["requested"], told["foundReady"]) == (0, 2)


def test_without_capacity_for_expedited_standard_is_taken_and_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(glacier, "expedited_has_capacity", False)
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    archive("GLACIER", *files(POSTGRES.instance))
    world.after["RetrieveArchive"] = lambda: arrive(world)

    ended = world.run({**POSTGRES.request("orders", "crm"), "archive": {"tier": "Expedited"}})

    assert ended["status"] == "SUCCEEDED"
    assert world.report()["archive"]["fellBack"] == 2


def test_many_files_are_asked_for_in_batches(world: World) -> None:
    world.bounds = replace(world.bounds, archive_batch=1)
    archive("GLACIER", *files(POSTGRES.instance))
    world.after["RetrieveArchive"] = lambda: arrive(world)

    ended = world.run(POSTGRES.request("orders", "crm"))

    assert ended["status"] == "SUCCEEDED"
    assert world.calls.count("RequestRetrieval") == 2
    assert world.report()["archive"]["requested"] == 2


def test_a_step_of_the_retrieval_may_run_twice(world: World) -> None:
    archive("GLACIER", *files(POSTGRES.instance))
    world.repeats = 2
    world.after["RetrieveArchive"] = lambda: arrive(world)

    ended = world.run()

    assert ended["status"] == "SUCCEEDED"
    assert world.report()["archive"]["requested"] == 1


def lose_copies_once(storage_class: str) -> Callable[[FakeWorker, Job, Any], None]:
    """A worker whose first attempt at `orders` meets a file that is archived again."""
    met: list[bool] = []

    def work(worker: FakeWorker, job: Job, command: Any) -> None:
        name = f"{'REPLAYED' if job.kind == 'replay' else 'PROMOTED'} orders"
        worker.failing.clear()
        if not met:
            met.append(True)
            archive(storage_class, *files(POSTGRES.instance, "orders"))
            worker.failing[name] = ErrorNote(name="BackupArchived", message="orders: the object is archived")
        worker.do(job, command)

    return work


@pytest.mark.parametrize(
    ("kind", "was_archived"),
    [
        ("replay", False),
        ("verify", True),
        *(pytest.param(*one, marks=CAMPAIGN) for one in [("replay", True), ("verify", False)]),
    ],
)
def test_a_file_that_goes_cold_under_the_worker_is_retrieved_and_its_database_done_again(
    world: World, kind: str, was_archived: bool
) -> None:
    if was_archived:
        archive("GLACIER", *files(POSTGRES.instance))
    world.worker.behaviour[kind] = lose_copies_once("GLACIER")
    world.after["RetrieveArchive"] = lambda: arrive(world)

    ended = world.run(POSTGRES.request("orders", "crm"))

    assert ended["status"] == "SUCCEEDED"
    again = [job for job in world.worker.jobs if job.kind == kind]
    assert [[d.asked_name for d in job.databases] for job in again] == [["orders", "crm"], ["orders"]]
    assert {d["askedName"]: d["status"] for d in world.report()["databases"]} == {
        "orders": "PROMOTED",
        "crm": "PROMOTED",
    }
    assert world.worker.databases == {"orders", "crm"}


def test_a_database_that_a_repeated_verification_promoted_just_before_the_stop_is_kept(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = lose_copies_once("GLACIER")
    left: list[tuple[Job, Any]] = []

    def work(worker: FakeWorker, job: Job, command: Any) -> None:
        if [one.kind for one in worker.jobs].count("verify") == 1:
            first(worker, job, command)
            return
        worker.failing.clear()
        left.append((job, command))
        boto3.client("stepfunctions").stop_execution(executionArn=execution_arn("restore-1"))
        raise Died("nobody sees the result")

    tell = world.worker._information

    def end_meanwhile(response: Any) -> str:
        if left:
            world.worker.do(*left.pop())
        return tell(response)

    monkeypatch.setattr(world.worker, "_information", end_meanwhile)
    world.worker.behaviour["verify"] = work
    world.after["RetrieveArchive"] = lambda: arrive(world)
    world.run(POSTGRES.request("orders", "crm"))

    world.sweep()

    assert world.worker.databases == {"orders", "crm"}
    rows = [row for row in world.report()["resources"] if row["kind"] == "database"]
    assert {row["role"]: row["state"] for row in rows} == {"orders": "KEPT", "crm": "KEPT"}


def test_a_file_that_goes_cold_while_it_is_staged_is_retrieved_again(world: World) -> None:
    world.use(SQLSERVER)
    names = files(SQLSERVER.instance)
    archive("DEEP_ARCHIVE", *names)
    cold: list[bool] = []

    def go_cold() -> None:
        if not cold:
            cold.append(True)
            glacier_objects.expire("repository")

    world.before["StageNativeBackups"] = go_cold
    world.after["RetrieveArchive"] = lambda: arrive(world)

    ended = world.run(SQLSERVER.request("orders", "crm"))

    assert ended["status"] == "SUCCEEDED"
    assert world.calls.count("RequestRetrieval") == 2
    assert world.calls.count("RestoreNativeBackups") >= 1


def test_copies_that_would_go_while_they_are_read_are_kept_longer(world: World) -> None:
    archive("GLACIER", *files(POSTGRES.instance))
    world.worker.behaviour["replay"] = leave_unfinished
    objects = s3_backends[ACCOUNT]["aws"].buckets["repository"].keys
    soon = datetime.now(UTC) + timedelta(hours=limits.ARCHIVE_MARGIN_HOURS - 1)

    def retrieve() -> None:
        arrive(world)
        if world.calls.count("RequestRetrieval") == 1:
            for key in files(POSTGRES.instance, "orders"):
                objects[key].retrieval.expiry = soon

    def go_on() -> None:
        if world.calls.count("RequestRetrieval") == 2:
            world.worker.do(world.worker.jobs[-1], world.worker.commands[-1])

    world.before["RetrieveArchive"] = retrieve
    world.before["ReplayDumps"] = go_on

    ended = world.run()

    assert ended["status"] == "SUCCEEDED"
    assert world.calls.count("RequestRetrieval") == 2
    assert len([job for job in world.worker.jobs if job.kind == "replay"]) == 1, "the worker worked on meanwhile"
    assert datetime.fromisoformat(world.report()["archive"]["readableUntil"]) > soon + timedelta(days=1)


def test_copies_that_go_again_and_again_end_the_restore(world: World) -> None:
    world.bounds = replace(world.bounds, archive_rounds=2)
    archive("GLACIER", *files(POSTGRES.instance))

    def come_and_go() -> None:
        arrive(world)
        glacier_objects.expire("repository")

    world.before["RetrieveArchive"] = come_and_go
    before = world.inventory()

    ended = world.run()

    assert (ended["status"], ended["error"]) == ("FAILED", "RetrievalTimedOut")
    assert "lifecycle rule" in world.report()["error"]["message"]
    assert world.inventory() == before


def test_a_retrieval_that_takes_much_too_long_ends_the_restore(world: World) -> None:
    archive("GLACIER", *files(POSTGRES.instance))

    def look_days_later() -> None:
        world.clock.let_pass(days=2)
        wake_restore(boto3.client("stepfunctions"), world.ledger())

    world.after["RetrieveArchive"] = look_days_later
    before = world.inventory()

    ended = world.run()

    assert (ended["status"], ended["error"]) == ("FAILED", "RetrievalTimedOut")
    assert "says that it takes 5 at most" in world.report()["error"]["message"]
    assert world.inventory() == before


def test_nothing_that_waits_for_an_event_is_left_in_the_ledger(world: World) -> None:
    archive("GLACIER", *files(POSTGRES.instance))
    arn = start(POSTGRES.request(), "restore-1")

    def stop() -> None:
        boto3.client("stepfunctions").stop_execution(executionArn=arn)

    world.after["RetrieveArchive"] = stop
    world.wait(execution_arn("restore-1"))
    world.after.clear()

    world.sweep()

    items = boto3.client("dynamodb").scan(TableName="ledger")["Items"]
    assert [item for item in items if item["pk"]["S"].startswith(ARRIVAL) or item["sk"]["S"] == AWAITED] == []
    assert world.meta().status == "CLOSED"


@pytest.mark.parametrize(
    ("moment", "state"),
    [("before", "RequestRetrieval"), ("after", "RetrieveArchive")]
    + [pytest.param(*one, marks=CAMPAIGN) for one in [("after", "RequestRetrieval"), ("before", "RetrieveArchive")]],
)
def test_a_function_that_dies_is_called_again(world: World, moment: str, state: str) -> None:
    archive("GLACIER", *files(POSTGRES.instance))
    died: list[bool] = []

    def die_once() -> None:
        arrive(world)
        if not died:
            died.append(True)
            raise Died("in the middle")

    world.after["RetrieveArchive"] = lambda: arrive(world)
    getattr(world, moment)[state] = die_once

    ended = world.run()

    assert ended["status"] == "SUCCEEDED"
    assert died
    assert world.report()["archive"]["objects"] == 1


def test_a_restore_that_waits_for_the_archive_hears_at_once_that_it_shall_stop(world: World) -> None:
    archive("GLACIER", *files(POSTGRES.instance))
    woken: list[bool] = []

    def cancel() -> None:
        if not woken:
            request_cancel(world.ledger().table, world.ledger().restore_id)
            woken.append(wake_restore(boto3.client("stepfunctions"), world.ledger()))

    world.after["RetrieveArchive"] = cancel
    before = world.inventory()

    ended = world.run()

    assert (ended["status"], ended["error"]) == ("FAILED", "RestoreCancelled")
    assert woken == [True]
    assert world.inventory() == before
