"""Dumps that lie in a declared place are copied by the execution itself: the real definition and functions, the real reading at the
worker's border, and an S3 that is as strict about copies as the local cloud's.
"""

import json
from dataclasses import replace
from itertools import count
from typing import Any

import boto3
import pytest
from moto.s3.models import S3Backend

from dbrestore.contract.manifest import StoredFile
from dbrestore.points import stored_points
from dbrestore.points.in_s3 import ordered, postgresql, unfinished
from dbrestore.points.in_s3.copying import Repository
from dbrestore.points.in_s3.source import Source
from dbrestore.points.in_s3.unfinished import Unfinished
from tests.statemachine.copied_dumps import BUCKET, CLEARING, LARGE, WAY, WHOLE, again, copies_row, counted, lies, ordered_of, reading
from tests.statemachine.plain_moto import Died
from tests.statemachine.test_added_points import CUSTOM, order
from tests.statemachine.test_failures import in_order
from tests.statemachine.world import INSTANCE, World

__all__ = ["counted", "reading"]


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
