"""What looks like trouble and is none: the restore goes on, asks RDS for everything once, and succeeds."""

from typing import Any

import boto3
import pytest

from tests.native import harms as h
from tests.native.chains import CHAIN
from tests.native.installation import DATABASE, Installation

CHAIN_TASKS = [
    ("RESTORE_DB_NORECOVERY", DATABASE, "SUCCESS"),
    ("RESTORE_DB_DIFFERENTIAL_NORECOVERY", DATABASE, "SUCCESS"),
    ("RESTORE_DB_LOG_NORECOVERY", DATABASE, "SUCCESS"),
    ("FINISH_RESTORE", DATABASE, "SUCCESS"),
]


def assert_succeeded(native: Installation, before: dict[str, Any], ended: dict[str, Any]) -> None:
    """The database stands there, and everything else is as before."""
    assert ended["status"] == "SUCCEEDED", ended
    after = native.inventory()
    databases = after.pop("databases")
    assert databases.pop(DATABASE)[0] == "ONLINE"
    assert {**after, "databases": databases} == before
    assert native.world.meta().status == "CLOSED"


@pytest.mark.parametrize(
    ("moment", "submission"),
    [
        pytest.param(moment, number, marks=() if (moment, number) == ("drop_after_submit", 2) else pytest.mark.slow)
        for moment in ("drop_after_submit", "drop_before_submit")
        for number in (1, 2, 3, 4)
    ],
)
def test_a_connection_that_is_lost_around_a_submission_asks_rds_for_nothing_twice(
    native: Installation, moment: str, submission: int
) -> None:
    native.point(*CHAIN)
    before = native.inventory()
    setattr(native.switches, moment, submission)

    ended = native.run()

    assert_succeeded(native, before, ended)
    assert getattr(native.switches, moment) is None
    assert native.tasks() == CHAIN_TASKS


def test_two_tasks_of_others_are_waited_for(native: Installation) -> None:
    native.engine.take_slots(2, polls=20)
    before = native.inventory() | {"native tasks": []}

    ended = native.run()

    assert_succeeded(native, before, ended)
    *others, own = native.engine.tasks
    assert own.created_at > max(task.last_updated for task in others)


def test_what_strangers_put_into_the_bucket_goes_with_it(native: Installation) -> None:
    before = native.inventory()

    def litter(s3: Any, bucket: str, _key: str) -> None:
        s3.put_object(Bucket=bucket, Key="mine/notes.txt", Body=b"?")
        s3.create_multipart_upload(Bucket=bucket, Key="mine/more")

    h.staged(litter)(native)

    ended = native.run()

    assert_succeeded(native, before, ended)


def test_a_restore_that_reads_from_the_bucket_keeps_it_when_another_one_ends(native: Installation) -> None:
    before = native.inventory()
    inner, seen = list[dict[str, Any]](), list[list[str]]()

    def restore_another_meanwhile(*_: Any) -> None:
        if not inner and any(task.lifecycle == "IN_PROGRESS" for task in native.engine.tasks):
            inner.append({})
            seen.append(staged_keys())
            inner[0] = native.world.run(native.request | {"databases": [{"name": DATABASE, "as": "beside"}]}, "restore-2")
            seen.append(staged_keys())

    native.switches.after_batch.append(restore_another_meanwhile)

    ended = native.run()

    assert inner[0]["status"] == "SUCCEEDED", inner
    assert (len(seen[0]), seen[0]) == (1, seen[1]), "the object that is still read"
    assert native.engine.database("beside")
    native.strangers.add("beside")
    assert_succeeded(native, before, ended)


def staged_keys() -> list[str]:
    """Of all temporary buckets."""
    s3 = boto3.client("s3")
    names = [b["Name"] for b in s3.list_buckets()["Buckets"] if b["Name"] not in ("repository", "evidence")]
    return [item["Key"] for name in names for item in s3.list_objects_v2(Bucket=name).get("Contents", [])]
