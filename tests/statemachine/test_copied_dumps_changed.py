"""A source that changes before it is copied, and notes that this application doesn't write: what was ordered is copied, or nothing."""

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any

import boto3
import pytest

from dbrestore.contract.manifest import StoredFile
from dbrestore.points.in_s3 import unfinished
from dbrestore.points.in_s3.unfinished import Unfinished
from tests.statemachine.copied_dumps import BUCKET, LARGE, copies_row, counted, lies, ordered_of, reading
from tests.statemachine.test_added_points import CUSTOM, order, points
from tests.statemachine.world import INSTANCE, World

__all__ = ["counted", "reading"]


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
