"""Single functions of the retrieval, in the moments in which something comes between."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import moto.dynamodb.models
import pytest
from moto.core.botocore_stubber import BotocoreStubber
from moto.core.exceptions import AWSError
from moto.stepfunctions.responses import StepFunctionResponse

from dbrestore.contract import limits
from dbrestore.contract.errors import BackupDamaged, NotReady, RestoreCancelled, RestoreClosed, RetrievalTimedOut
from dbrestore.contract.job import ErrorNote, Job
from dbrestore.ledger.reading import PHASE
from lambdas.archive import arrivals
from lambdas.archive import files as archive_files
from lambdas.archive import request_retrieval as archive_requests
from lambdas.archive import retrieve_archive as archive
from lambdas.archive.request_retrieval import request_retrieval
from lambdas.archive.retrieve_archive import retrieve_archive
from lambdas.databases.replay_dumps import replay_dumps
from lambdas.planning.plan_restore import plan_restore
from lambdas.runtime.open_restores import request_cancel
from lambdas.worker.instance import deploy_worker
from localcloud.s3 import glacier, glacier_objects
from tests.faults.injection import answer
from tests.statemachine.engines import INSTANCE, POSTGRES, SQL_SERVER
from tests.statemachine.fake_worker import FakeWorker, leave_unfinished
from tests.statemachine.sources import POINT, store_native_point, store_point
from tests.statemachine.test_archive import archive as move_to
from tests.statemachine.test_archive import files
from tests.statemachine.world import World, execution_arn


def planned(*databases: str, name: str = "restore-1", tier: str = "Standard") -> dict[str, Any]:
    """The state after PlanRestore, of an execution that does not run."""
    request = {**POSTGRES.request(*databases), "archive": {"tier": tier}}
    return {"plan": plan_restore({"request": request, "executionArn": execution_arn(name)}, None)}


def ask(state: dict[str, Any]) -> None:
    """RequestRetrieval for all batches."""
    for batch in state["plan"]["archive"]["batches"]:
        request_retrieval({"plan": {"restoreId": state["plan"]["restoreId"]}, "batch": batch}, None)


def look(state: dict[str, Any]) -> dict[str, Any]:
    """RetrieveArchive: its section, or nothing while it waits."""
    return retrieve_archive({**state, "taskToken": "of-nobody"}, None)


def retrieval(key: str) -> glacier_objects.Retrieval | None:
    """What S3 was asked for about this object."""
    return glacier_objects.retrieval_of(glacier_objects._bucket("repository").keys[key])


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK repeats at once."""
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)


class Executions:
    """Step Functions, as far as it is told of tokens."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def send_task_failure(self, **request: Any) -> None:
        self.told.append(request["taskToken"])


def test_the_arrival_of_one_file_wakes_every_restore_that_waits_for_it(world: World) -> None:
    planned("orders")
    planned("crm", name="restore-2")
    arrivals.wait_for(world.ledger(), "a/key", "token-1")
    arrivals.wait_for(world.ledger("restore-2"), "a/key", "token-2")
    executions: Any = Executions()

    woken = arrivals.wake(executions, world.ledger().table, "a/key")

    assert woken == 2
    assert sorted(executions.told) == ["token-1", "token-2"]


def test_a_function_that_outlives_its_restore_leaves_nothing_that_waits(world: World) -> None:
    planned("orders")
    ledger = world.ledger()
    ledger.advance("CLOSING")

    with pytest.raises(RestoreClosed):
        arrivals.wait_for(ledger, "a/key", "token")

    assert arrivals.awaited(ledger) is None
    assert ledger.table.query(arrivals.ARRIVAL + "a/key") == ()


def test_a_wish_to_stop_that_comes_while_the_token_is_noted_is_heard(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    move_to("GLACIER", *files(INSTANCE))
    state = planned("orders")
    ask(state)
    backend = moto.dynamodb.models.DynamoDBBackend
    write = backend.transact_write_items

    def cancel_first(self: Any, items: Any) -> Any:
        if "AWAITED" in str(items):
            monkeypatch.setattr(backend, "transact_write_items", write)
            request_cancel(world.ledger().table, world.ledger().restore_id)
        return write(self, items)

    monkeypatch.setattr(backend, "transact_write_items", cancel_first)

    with pytest.raises(RestoreCancelled):
        look(state)
    with pytest.raises(RestoreCancelled):
        look(state)


def test_keys_are_taken_as_they_are(world: World) -> None:
    store_point(INSTANCE, POINT, ["orders", "köln 100%+2F"])
    names = files(INSTANCE, "k")
    move_to("GLACIER", *names)
    state = planned("köln 100%+2F")

    ask(state)
    look(state)

    assert [retrieval(key) is not None for key in names] == [True]
    assert arrivals.awaited(world.ledger()) == names[0]


def test_a_file_that_is_deleted_while_it_is_retrieved_is_named(world: World) -> None:
    move_to("GLACIER", *files(INSTANCE))
    state = planned("orders")
    ask(state)
    look(state)
    (key,) = files(INSTANCE, "orders")
    boto3.client("s3").delete_object(Bucket="repository", Key=key)

    with pytest.raises(BackupDamaged, match="is missing from the repository"):
        look(state)


def test_what_moved_since_the_plan_to_a_class_without_the_tier_is_asked_for_by_standard(world: World) -> None:
    move_to("GLACIER", *files(INSTANCE))
    state = planned("orders", tier="Expedited")
    (key,) = files(INSTANCE, "orders")
    boto3.client("s3").put_object(Bucket="repository", Key=key, Body=b"x" * 10, StorageClass="DEEP_ARCHIVE")

    ask(state)

    found = retrieval(key)
    assert found is not None
    assert found.tier == "Standard"


def test_an_expedited_retrieval_is_given_the_time_of_the_standard_that_it_may_become(world: World) -> None:
    move_to("GLACIER", *files(INSTANCE))
    state = planned("orders", tier="Expedited")
    ask(state)
    look(state)

    possible = 5 * limits.RETRIEVAL_PATIENCE + limits.RETRIEVAL_GRACE_HOURS
    began_hours_ago(world, possible - 1)
    assert look(state) == {}
    began_hours_ago(world, possible + 1)
    with pytest.raises(RetrievalTimedOut):
        look(state)


def began_hours_ago(world: World, hours: float) -> None:
    """Since then the restore has been waiting."""
    ledger, since = world.ledger(), (datetime.now(UTC) - timedelta(hours=hours)).isoformat()
    change = "SET startedAt = :since"
    ledger.table.write(ledger.table.update(ledger.restore_id, PHASE + "RetrieveArchive", change, since=since))


def test_files_that_the_plan_did_not_see_in_an_archive_are_counted(world: World) -> None:
    state = planned("orders")
    move_to("GLACIER", *files(INSTANCE))
    ask(state)
    look(state)
    (waiting,) = [p for p in world.ledger().table.query(world.ledger().restore_id, PHASE) if "Archive" in p["state"]]
    glacier_objects.finish("repository")
    section = look(state)

    told = archive.retrieved(world.ledger())
    assert told is not None
    assert told.to_state() == section
    assert (told.objects, told.bytes, told.requested, told.found_ready) == (1, 10, 1, 0)
    assert waiting["waitingFor"].startswith("waiting for S3 to retrieve 1 of 1 files")


@pytest.mark.usefixtures("no_pauses")
def test_an_answer_that_step_functions_does_not_take_is_given_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    move_to("GLACIER", *files(INSTANCE))
    state = planned("orders")
    ask(state)
    glacier_objects.finish("repository")

    def refuse(_: Any) -> Any:
        raise AWSError("Rate exceeded", "ThrottlingException")

    monkeypatch.setattr(StepFunctionResponse, "send_task_success", refuse)

    with pytest.raises(NotReady):
        look(state)


@pytest.mark.usefixtures("no_pauses")
def test_how_many_fell_back_to_standard_is_told_though_s3_stopped_the_function_in_between(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    move_to("GLACIER", *files(INSTANCE))
    state = planned("orders", "crm", tier="Expedited")
    monkeypatch.setattr(glacier, "expedited_has_capacity", False)
    through = BotocoreStubber.__call__

    def slow_down(stub: Any, event_name: str, request: Any, **more: Any) -> Any:
        if event_name.endswith(".RestoreObject") and "/crm/" in request.url and b"Standard" in request.body:
            return answer(request, "s3", 503, "SlowDown")
        return through(stub, event_name, request, **more)

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(BotocoreStubber, "__call__", slow_down)
        with pytest.raises(NotReady):
            ask(state)

    ask(state)

    (row,) = archive_requests.asked(world.ledger())
    assert (row["asked"], row["fellBack"]) == (2, 2)


def test_a_batch_of_a_large_folder_is_listed_without_the_rest_of_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = store_native_point(SQL_SERVER, ["orders"], stripes=9)
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "2")
    stored = sorted((f for one in manifest.native_databases for f in one.files), key=lambda file: file.key)
    listed: list[str] = []
    s3 = boto3.Session().client("s3")
    s3.meta.events.register("before-call.s3.ListObjectsV2", lambda **_: listed.append("a page"))

    found = archive_files.look(s3, "repository", stored[4:6])

    assert [file.key for file in found] == [file.key for file in stored[4:6]]
    assert len(listed) <= 2


def cold(worker: FakeWorker, job: Job, command: Any) -> None:
    """The worker meets an archived file, whatever S3 says."""
    worker.failing["REPLAYED orders"] = ErrorNote(name="BackupArchived", message="orders: the object is archived")
    worker.do(job, command)


def test_a_worker_that_finds_archived_again_and_again_what_s3_calls_readable_ends_the_restore(
    world: World,
) -> None:
    world.bounds = replace(world.bounds, archive_rounds=2)
    world.worker.behaviour["replay"] = cold
    state = planned("orders")
    state |= {"worker": world.until_done(deploy_worker, state)}

    with pytest.raises(RetrievalTimedOut, match="3 jobs of the worker found files of orders archived"):
        world.until_done(replay_dumps, state)


def test_files_that_go_while_a_job_works_that_may_have_read_them_already_wait_for_its_word(world: World) -> None:
    state = planned("orders")
    state |= {"worker": world.until_done(deploy_worker, state)}

    def unfinished(worker: FakeWorker, job: Job, command: Any) -> None:
        leave_unfinished(worker, job, command)
        move_to("GLACIER", *files(INSTANCE))

    def first(worker: FakeWorker, job: Job, command: Any) -> None:
        worker.behaviour["replay"] = unfinished
        cold(worker, job, command)

    world.worker.behaviour["replay"] = first
    for _ in range(2):
        with pytest.raises(NotReady, match="finish the job replay-2"):
            world.invoke(replay_dumps, state)
