"""What keeps arriving backups from becoming points, and functions that die, lack time, or run twice at once."""

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import UUID

import pytest
from moto.core.botocore_stubber import BotocoreStubber
from moto.s3.models import s3_backends

from tests.statemachine import plain_moto
from tests.statemachine.arrivals import BUCKET, DUMPS, Arrivals, arrivals, databases
from tests.statemachine.fake_worker import lose_worker
from tests.statemachine.test_added_points import CUSTOM, really_read
from tests.statemachine.world import INSTANCE
from tests.unit.points.pgdump import archives
from tests.unit.points.sqlserver.backups import Written, backup

__all__ = ["arrivals"]


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


def test_a_rule_for_a_bucket_of_the_installation_is_told_and_takes_nothing_in(
    arrivals: Arrivals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (path := tmp_path / "own.json").write_text(json.dumps({"rules": [{**DUMPS, "bucket": "repository"}]}))
    monkeypatch.setenv("ADOPTION_CONFIGURATION", str(path))
    arrivals.s3.put_object(Bucket="repository", Key="pg/1/a.dump", Body=CUSTOM)

    arrivals.settle()
    arrivals.settle(13 * 60)

    [told] = [one for event in arrivals.told() for one in event["backups"]]
    assert (told["uri"], told["error"]["name"]) == ("s3://repository/pg/*", "RestoreRequestInvalid")
    assert arrivals.points() == []


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
