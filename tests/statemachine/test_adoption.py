"""Backups that arrive become restore points: the real functions, and for dumps the real definition and reading."""

import random
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from tests.statemachine.arrivals import BUCKET, Arrivals, arrivals, backups, databases
from tests.statemachine.test_added_points import CUSTOM
from tests.unit.points.sqlserver.backups import Written, backup

__all__ = ["arrivals"]


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
@pytest.mark.timeout(900)
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
