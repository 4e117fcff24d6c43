"""Dumps that lie in a declared place are copied by the execution itself: the real definition and functions, the real reading at the
worker's border, and an S3 that is as strict about copies as the local cloud's.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from itertools import count
from typing import Any

import boto3
import pytest
from moto.s3.models import S3Backend

from dbrestore.contract.errors import AwsRefused, ReplayFailed
from dbrestore.contract.manifest import StoredFile
from dbrestore.points import stored_points
from dbrestore.points.in_s3 import ordered, postgresql, unfinished
from dbrestore.points.in_s3.copying import Repository
from dbrestore.points.in_s3.source import Source
from dbrestore.points.in_s3.unfinished import Unfinished
from lambdas.runtime.open_restores import request_cancel
from lambdas.runtime.state import Surroundings
from tests.statemachine.fake_worker import lose_worker
from tests.statemachine.plain_moto import Died
from tests.statemachine.test_added_points import CUSTOM, order, points, really_read
from tests.statemachine.test_failures import failing, in_order
from tests.statemachine.world import INSTANCE, REGION, World, execution_arn
from tests.unit.points.pgdump import archives

BUCKET = "team-backups"
MIB = 1 << 20
SHOP = archives.shop("none")
LARGE = archives.custom(replace(SHOP, rows={**SHOP.rows, 20: b"1\tx\n" * (11 * MIB // 4)}))
WAY = ("CopyDumps", "DeployWorker", "ReadDumps")
CLEARING = ("DiscardUnfinishedDatabases", "RemoveWorker", "UnpairSecurityGroups", "RemoveStagingBucket", "RemoveCopies", "CloseRestore")


def put(*bodies: bytes, versions: bool = True) -> None:
    """As `0.dump` and so on, in a bucket that keeps versions or none."""
    s3 = boto3.client("s3")
    with suppress(s3.exceptions.BucketAlreadyOwnedByYou):
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    if versions:
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    for number, body in enumerate(bodies):
        s3.put_object(Bucket=BUCKET, Key=f"{number}.dump", Body=body)


def ordered_of(*bodies: bytes, versions: bool = True, **more: Any) -> Unfinished:
    """What the command leaves where the execution copies."""
    put(*bodies, versions=versions)
    return again(len(bodies), **more)


def again(dumps: int = 1, **more: Any) -> Unfinished:
    """The same command."""
    s3 = boto3.client("s3")
    pairs = [(f"db{number}", f"{number}.dump") for number in range(dumps)]
    places = (f"s3://{BUCKET}/",)
    return postgresql.prepare(Source(s3, BUCKET), Repository(s3, "repository"), INSTANCE, pairs, copied_from=places, **more)


def lies(note: Unfinished) -> list[str]:
    """Everything of the point in the repository: objects, uploads, the note; without their prefix."""
    s3, prefix = boto3.client("s3"), note.prefixes[0]
    found = [item["Key"] for item in s3.list_objects_v2(Bucket="repository", Prefix=prefix).get("Contents", [])]
    found += [f"upload of {item['Key']}" for item in s3.list_multipart_uploads(Bucket="repository", Prefix=prefix).get("Uploads", [])]
    notes = [item["Key"] for item in s3.list_objects_v2(Bucket="repository", Prefix=note.key).get("Contents", [])]
    return [key.replace(prefix, "") for key in found] + ["note" for _ in notes]


WHOLE = ["db0/dump.pgdump", "manifest.json"]
LATER = ["db0/dump.pgdump", "note"]


def copies_row(world: World) -> dict[str, Any]:
    [row] = [row for row in world.report()["resources"] if row["kind"] == "dump-copies"]
    return dict(row)


@pytest.fixture
def reading(world: World) -> World:
    """Where parts are as small as S3 lets them be, one after the other."""
    world.worker.behaviour["read"] = really_read
    world.bounds = replace(world.bounds, staging_part_bytes=5 * MIB, staging_threads=1)
    return world


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of parts that S3 copied, in the order of copying."""
    numbers: list[int] = []
    copy = S3Backend.upload_part_copy

    def copied(backend: Any, bucket: str, upload: str, number: int, **source: Any) -> Any:
        numbers.append(number)
        return copy(backend, bucket, upload, number, **source)

    monkeypatch.setattr(S3Backend, "upload_part_copy", copied)
    return numbers


def test_the_execution_copies_what_it_reads_and_the_command_copies_nothing(reading: World) -> None:
    note = ordered_of(CUSTOM)
    before = reading.inventory()
    assert lies(note) == ["note"]

    ended = reading.run(order(note))

    assert ended["status"] == "SUCCEEDED", ended
    assert in_order(reading) == ["PlanRestore", *WAY, *CLEARING]
    assert json.loads(ended["output"])["copied"] == {
        "bucket": "repository",
        "prefix": note.prefixes[0],
        "objects": 1,
        "bytes": len(CUSTOM),
    }
    assert (lies(note), reading.inventory()) == (WHOLE, before)
    row = copies_row(reading)
    assert (row["state"], row["note"]) == ("KEPT", "the restore point's files")
    [dump] = stored_points.load(boto3.client("s3"), "repository", INSTANCE).files
    assert boto3.client("s3").get_object(Bucket="repository", Key=dump.key)["Body"].read() == CUSTOM
    assert dump.origin == f"s3://{BUCKET}/0.dump"


def test_what_s3_tells_of_its_copies_is_what_a_copying_command_would_have_noted(reading: World) -> None:
    note = ordered_of(CUSTOM)
    told: list[Unfinished] = []
    reading.after["CopyDumps"] = lambda: told.append(unfinished.read(boto3.client("s3"), "repository", note.key))
    reading.run(order(note))

    s3 = boto3.client("s3")
    by_hand = postgresql.prepare(Source(s3, BUCKET), Repository(s3, "repository"), "by-hand", [("db0", "0.dump")])

    def sums(files: tuple[StoredFile, ...]) -> list[Any]:
        return [(file.length, file.sha256, file.crc32, file.origin) for file in files]

    [ours], [theirs] = told[-1].dumps, by_hand.dumps
    assert sums(ours.files) == sums(theirs.files)
    assert ours.files[0].sha256


def test_a_restore_has_no_copies_to_remove(world: World) -> None:
    assert world.run()["status"] == "SUCCEEDED"

    assert "CopyDumps" not in world.calls
    assert "RemoveCopies" not in world.calls


def test_a_call_that_is_over_is_carried_on_by_parts_and_says_how_far_it_is(reading: World, counted: list[int]) -> None:
    note = ordered_of(LARGE)
    reading.bounds = replace(reading.bounds, copying_seconds=3)
    ticks = count()
    reading.stopwatch = lambda: float(next(ticks))
    waiting: list[str] = []

    def look() -> None:
        [phase] = [row for row in reading_phases(reading) if row["state"]["S"] == "CopyDumps"] or [{}]
        waiting.append(phase.get("waitingFor", {}).get("S", ""))

    reading.before["CopyDumps"] = look

    ended = reading.run(order(note))

    assert ended["status"] == "SUCCEEDED", ended
    assert counted == sorted(set(counted)), "no part twice"
    assert len(counted) >= 3
    assert reading.calls.count("CopyDumps") > 2
    assert any("of 11," in told and told.startswith("S3 has copied ") for told in waiting), waiting
    assert lies(note) == WHOLE


def reading_phases(world: World) -> list[dict[str, Any]]:
    items = boto3.client("dynamodb").scan(TableName="ledger", ConsistentRead=True)["Items"]
    return [item for item in items if item["sk"]["S"].startswith("PHASE#")]


MOMENTS = ["create_multipart_upload", "upload_part_copy", "complete_multipart_upload", "put_object"]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("operation", MOMENTS)
def test_a_function_that_dies_in_the_middle_is_carried_on(
    reading: World, monkeypatch: pytest.MonkeyPatch, counted: list[int], operation: str, when: str
) -> None:
    note = ordered_of(LARGE)
    original, deaths = getattr(S3Backend, operation), []

    def deadly(backend: Any, *arguments: Any, **keywords: Any) -> Any:
        # moto stores what an upload has become by the same method as the note.
        is_the_one = operation != "put_object" or str(arguments[1]).startswith(unfinished.FOLDER)
        is_the_moment = not deaths and is_the_one and reading.calls[-1:] == ["CopyDumps"]
        if is_the_moment and when == "before":
            deaths.append(operation)
            raise Died("the function's process is gone")
        answer = original(backend, *arguments, **keywords)
        if is_the_moment:
            deaths.append(operation)
            raise Died("the function's process is gone")
        return answer

    monkeypatch.setattr(S3Backend, operation, deadly)

    ended = reading.run(order(note))

    assert ended["status"] == "SUCCEEDED", ended
    assert deaths == [operation]
    assert lies(note) == WHOLE
    assert len(counted) == len(set(counted)), "what S3 has is not copied again"


def test_of_two_calls_at_once_the_second_finds_what_the_first_has_ended(reading: World, monkeypatch: pytest.MonkeyPatch) -> None:
    note = ordered_of(LARGE)
    other: list[Any] = []
    complete = S3Backend.complete_multipart_upload

    def meanwhile(backend: Any, *arguments: Any, **keywords: Any) -> Any:
        if not other:
            other.append(None)
            event = {"plan": json.loads(reading.meta().plan_text)}
            other.append(reading.until_done(reading._handlers["CopyDumps"], event))
        return complete(backend, *arguments, **keywords)

    monkeypatch.setattr(S3Backend, "complete_multipart_upload", meanwhile)

    assert reading.run(order(note))["status"] == "SUCCEEDED"

    assert other[1]["objects"] == 1
    assert reading.calls.count("CopyDumps") == 2, "the one that found the upload ended has looked again"
    assert lies(note) == WHOLE


def test_each_function_twice_makes_one_point(reading: World) -> None:
    note = ordered_of(CUSTOM, CUSTOM)
    reading.repeats = 2

    assert reading.run(order(note))["status"] == "SUCCEEDED"

    assert lies(note) == ["db0/dump.pgdump", "db1/dump.pgdump", "manifest.json"]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("state", WAY)
def test_whatever_fails_every_remover_runs_and_nothing_is_half(reading: World, state: str, when: str) -> None:
    note, others = ordered_of(CUSTOM), points()
    before = reading.inventory()
    getattr(reading, when)[state] = failing(ReplayFailed("broken on purpose"))

    ended = reading.run(order(note))

    assert (ended["status"], ended["error"]) == ("FAILED", "ReplayFailed")
    assert in_order(reading)[-6:] == list(CLEARING)
    assert reading.inventory() == before
    is_made = (state, when) == ("ReadDumps", "after")
    nothing_copied = (state, when) == ("CopyDumps", "before")
    assert lies(note) == (WHOLE if is_made else ["note"] if nothing_copied else LATER)
    assert points() == [*others, *([note.point_ids[0]] if is_made else [])]
    assert {row["state"] for row in reading.report()["resources"]} <= {"DELETED", "KEPT"}


def test_the_same_order_carries_on_with_copies_that_were_kept(reading: World, counted: list[int]) -> None:
    reading.worker.behaviour["read"] = lose_worker
    note = ordered_of(LARGE)

    assert reading.run(order(note))["error"] == "WorkerLost"
    row = copies_row(reading)
    assert row["state"] == "KEPT"
    assert row["note"].startswith("no restore point yet: the same order carries on with them, until 48 hours after it was begun")
    copied = len(counted)
    reading.worker.behaviour["read"] = really_read
    assert again() == unfinished.read(boto3.client("s3"), "repository", note.key)
    assert reading.run(order(note), "second")["status"] == "SUCCEEDED"

    assert len(counted) == copied
    assert lies(note) == WHOLE


def test_copies_of_what_can_be_no_point_are_seen_absent(reading: World) -> None:
    note, others = ordered_of(CUSTOM, CUSTOM[:-60]), points()
    before = reading.inventory()

    ended = reading.run(order(note))

    assert (ended["status"], ended["error"]) == ("FAILED", "BackupDamaged")
    assert (lies(note), points(), reading.inventory()) == ([], others, before)
    row = copies_row(reading)
    assert row["state"] == "DELETED"
    assert row["seenAbsentAt"]
    assert row["note"].startswith("2 objects")


def test_a_cancelled_copying_leaves_nothing(reading: World, counted: list[int]) -> None:
    note = ordered_of(LARGE)
    ticks = count()
    reading.stopwatch, reading.bounds = lambda: float(next(ticks)), replace(reading.bounds, copying_seconds=3)

    def cancel() -> None:
        if counted:
            request_cancel(Surroundings().table, reading.ledger().restore_id)

    reading.before["CopyDumps"] = cancel

    ended = reading.run(order(note))

    assert (ended["status"], ended["error"]) == ("FAILED", "RestoreCancelled")
    assert counted
    assert lies(note) == []
    assert copies_row(reading)["seenAbsentAt"]


@pytest.mark.parametrize("state", [*WAY, *CLEARING])
def test_a_stopped_execution_is_cleared_up_by_the_sweeper(reading: World, state: str) -> None:
    note, others = ordered_of(CUSTOM), points()
    before = reading.inventory()

    def stop() -> None:
        boto3.client("stepfunctions").stop_execution(executionArn=execution_arn("restore-1"))
        raise AwsRefused("nobody hears this any more")

    reading.before[state] = stop
    ended = reading.run(order(note))
    reading.before.clear()
    swept = reading.sweep()

    assert ended["status"] == "ABORTED"
    assert [clean_up["status"] for clean_up in swept] == ["SUCCEEDED"]
    assert reading.inventory() == before
    is_made = state in CLEARING
    assert lies(note) == (WHOLE if is_made else ["note"] if state == "CopyDumps" else LATER)
    assert points() == [*others, *([note.point_ids[0]] if is_made else [])]


def test_what_is_half_copied_when_the_execution_is_stopped_is_seen_absent(reading: World, counted: list[int]) -> None:
    note = ordered_of(LARGE)
    ticks = count()
    reading.stopwatch, reading.bounds = lambda: float(next(ticks)), replace(reading.bounds, copying_seconds=3)

    def stop() -> None:
        if counted:
            boto3.client("stepfunctions").stop_execution(executionArn=execution_arn("restore-1"))
            raise AwsRefused("nobody hears this any more")

    reading.before["CopyDumps"] = stop
    assert reading.run(order(note))["status"] == "ABORTED"
    assert lies(note) == ["upload of db0/dump.pgdump", "note"]
    reading.before.clear()

    assert [clean_up["status"] for clean_up in reading.sweep()] == ["SUCCEEDED"]

    assert lies(note) == []
    assert copies_row(reading)["seenAbsentAt"]


def replaced() -> None:
    boto3.client("s3").put_object(Bucket=BUCKET, Key="0.dump", Body=b"the next night's, half written")


def hidden() -> None:
    boto3.client("s3").delete_object(Bucket=BUCKET, Key="0.dump")


@pytest.mark.parametrize("change", [replaced, hidden])
def test_of_a_bucket_with_versions_the_one_that_was_ordered_is_copied(reading: World, change: Callable[[], None]) -> None:
    note = ordered_of(LARGE)
    reading.before["CopyDumps"] = change

    assert reading.run(order(note))["status"] == "SUCCEEDED"

    body = boto3.client("s3").get_object(Bucket="repository", Key=f"{note.prefixes[0]}db0/dump.pgdump")["Body"].read()
    assert body == LARGE


def without_backups(inventory: dict[str, Any]) -> dict[str, Any]:
    """Somebody else deletes those."""
    return {name: found for name, found in inventory.items() if name != "staged"}


def version_deleted() -> None:
    s3 = boto3.client("s3")
    for one in s3.list_object_versions(Bucket=BUCKET)["Versions"]:
        s3.delete_object(Bucket=BUCKET, Key=one["Key"], VersionId=one["VersionId"])


def archived() -> None:
    boto3.client("s3").put_object(Bucket=BUCKET, Key="0.dump", Body=LARGE, StorageClass="GLACIER")


@pytest.mark.parametrize("moment", ["before the first part", "between two parts"])
@pytest.mark.parametrize(
    ("change", "versions", "error"),
    [
        (replaced, False, "SourceChanged"),
        (version_deleted, True, "SourceChanged"),
        (archived, False, "BackupArchived"),
    ],
)
def test_a_source_that_is_no_longer_what_was_ordered_ends_it_and_nothing_stays(
    reading: World, counted: list[int], change: Callable[[], None], versions: bool, error: str, moment: str
) -> None:
    note, others = ordered_of(LARGE, versions=versions), points()
    ticks, before = count(), without_backups(reading.inventory())
    reading.stopwatch, reading.bounds = lambda: float(next(ticks)), replace(reading.bounds, copying_seconds=3)
    done: list[None] = []

    def meanwhile() -> None:
        if not done and (counted or moment.startswith("before")):
            done.append(change())

    reading.before["CopyDumps"] = meanwhile

    ended = reading.run(order(note))

    assert (ended["status"], ended["error"]) == ("FAILED", error), ended
    assert f"s3://{BUCKET}/0.dump: " in ended["cause"]
    assert done
    assert (lies(note), points(), without_backups(reading.inventory())) == ([], others, before)
    assert "DeployWorker" not in reading.calls
    assert copies_row(reading)["seenAbsentAt"]


def test_a_digest_that_s3_finds_wrong_ends_it(reading: World) -> None:
    note = ordered_of(CUSTOM, digests=["0" * 64])

    ended = reading.run(order(note))

    assert (ended["status"], ended["error"]) == ("FAILED", "BackupDamaged")
    assert "--sha256 says 000" in ended["cause"]
    assert lies(note) == []


def to_another_point(file: StoredFile) -> StoredFile:
    return file.model_copy(update={"key": f"{INSTANCE}/20201130T000000Z-00000000/db0/dump.pgdump"})


def to_the_manifest(file: StoredFile) -> StoredFile:
    return file.model_copy(update={"key": f"{file.key.split('/db0/')[0]}/manifest.json"})


def longer(file: StoredFile) -> StoredFile:
    return file.model_copy(update={"length": file.length + 1})


def out_of_the_repository(note: Unfinished) -> Unfinished:
    return note.model_copy(update={"objects": tuple(one.model_copy(update={"bucket": "repository"}) for one in note.objects)})


def with_files(change: Callable[[StoredFile], StoredFile]) -> Callable[[Unfinished], Unfinished]:
    def changed(note: Unfinished) -> Unfinished:
        [dump] = note.dumps
        return note.model_copy(update={"dumps": (dump.model_copy(update={"files": tuple(map(change, dump.files))}),)})

    return changed


HOSTILE = [with_files(to_another_point), with_files(to_the_manifest), with_files(longer), out_of_the_repository]


@pytest.mark.parametrize("when", ["before the plan", "after the plan"])
@pytest.mark.parametrize("change", HOSTILE)
def test_a_note_that_this_application_does_not_write_is_not_carried_out(
    reading: World, change: Callable[[Unfinished], Unfinished], when: str
) -> None:
    note, others = ordered_of(CUSTOM), points()
    s3 = boto3.client("s3")

    def harm() -> None:
        unfinished.write(s3, "repository", change(note))

    if when == "before the plan":
        harm()
    else:
        reading.before["CopyDumps"] = harm

    ended = reading.run(order(note))

    assert (ended["status"], ended["error"]) == ("FAILED", "RestoreRequestInvalid")
    assert "can't be carried out" in ended["cause"]
    assert [key for key in lies(note) if key != "note"] == []
    assert points() == others
    assert ("CopyDumps" in reading.calls) is (when == "after the plan")


def test_an_order_is_not_written_anew_while_an_execution_works_at_it(reading: World) -> None:
    note = ordered_of(CUSTOM)
    repeated: list[Unfinished] = []
    reading.before["DeployWorker"] = lambda: repeated.append(again())

    assert reading.run(order(note))["status"] == "SUCCEEDED"

    assert repeated[0].point_ids == note.point_ids
    assert all(file.sha256 for dump in repeated[0].dumps for file in dump.files)


def test_copies_are_looked_at_only_as_long_as_there_is_time(reading: World) -> None:
    note = ordered_of(CUSTOM, CUSTOM, CUSTOM)
    ticks = count()
    reading.stopwatch, reading.bounds = lambda: float(next(ticks)), replace(reading.bounds, copying_seconds=4)

    assert reading.run(order(note))["status"] == "SUCCEEDED"

    assert reading.calls.count("CopyDumps") > 1
    assert ordered.of(note, ()).length == 3 * len(CUSTOM)
