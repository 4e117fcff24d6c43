"""Dumps as they arrive: what a listing makes of them, whatever the order, and when which of them are fresh."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from dbrestore.contract.adoption import patterns
from dbrestore.points.adoption import arrivals
from dbrestore.points.adoption.arrivals import Unit
from dbrestore.points.adoption.postgresql import groups, newest_of_each
from dbrestore.points.in_s3.source import Listed

BEGIN = datetime(2026, 11, 30, 2, tzinfo=UTC)
LONG_AGO = BEGIN - timedelta(days=7)


def listed(key: str, minutes: float = 0, etag: str = "e", length: int = 10) -> Listed:
    return Listed(key, length, BEGIN + timedelta(minutes=minutes), "STANDARD", etag)


def found(pattern: str, *objects: Listed, heard: dict[str, datetime] | None = None) -> list[Unit]:
    return arrivals.units(patterns.parse(pattern), objects, heard or {})


@pytest.mark.parametrize("seed", range(5))
def test_a_thousand_dumps_in_any_order_are_the_same_groups(seed: int) -> None:
    objects = [listed(f"pg/night {n:03}/db {m} ü.dump", minutes=60 * n + m) for n in range(200) for m in range(5)]
    noise = [listed(f"pg/night {n:03}/log.txt") for n in range(200)]
    shuffled = [*objects, *noise, *objects[:50]]
    random.Random(seed).shuffle(shuffled)

    made = groups(found("pg/{run}/{database}.dump", *dict.fromkeys(shuffled)), LONG_AGO)

    assert [group.name for group in made] == [f"run night {n:03}" for n in range(200)]
    assert {len(group.units) for group in made} == {5}
    ids = [arrivals.point_id(group.changed, "orders", [unit.fingerprint for unit in group.units]) for group in made]
    assert ids == sorted(set(ids))
    known = {unit.fingerprint for group in made[:150] for unit in group.units}
    assert sum(bool(group.fresh(known)) for group in made) == 50


def test_the_same_members_in_any_order_are_the_same_point_and_others_another() -> None:
    same = {arrivals.point_id(BEGIN, "orders", members) for members in (["a", "b", "c"], ["c", "a", "b"])}

    assert len(same) == 1
    assert arrivals.point_id(BEGIN, "orders", ["a", "b"]) not in same
    assert arrivals.point_id(BEGIN, "crm", ["a", "b", "c"]) not in same


def test_a_point_s_id_bears_the_time_at_which_the_last_of_it_arrived() -> None:
    """And not when it was taken in: one that is taken in late isn't the latest."""
    assert arrivals.point_id(datetime(2026, 11, 23, 5, 12, tzinfo=UTC), "shop", ["a"]).startswith("20261123T051200Z-")


def test_without_a_run_each_dump_is_a_point() -> None:
    made = groups(found("pg/{database}-{time}.dump", listed("pg/a-2026-11-30.dump"), listed("pg/a-2026-12-01.dump", 9)), LONG_AGO)

    assert [group.name for group in made] == ["pg/a-2026-11-30.dump", "pg/a-2026-12-01.dump"]


def test_a_directory_is_all_its_files_and_is_new_when_its_table_of_contents_is() -> None:
    files = [listed("pg/orders/7.dat.gz", 5), listed("pg/orders/toc.dat", 1)]
    [unit] = found("pg/{database}/", *files, listed("pg/orders/", length=0), listed("pg/readme"))
    [later] = found("pg/{database}/", *files, listed("pg/orders/8.dat.gz", 30))
    [anew] = found("pg/{database}/", files[0], listed("pg/orders/toc.dat", 90))

    assert (unit.key, unit.database, unit.has_root, len(unit.objects)) == ("pg/orders/", "orders", True, 2)
    assert unit.fingerprint == later.fingerprint != anew.fingerprint
    assert later.changed == BEGIN + timedelta(minutes=30)
    assert not found("pg/{database}/", files[0])[0].has_root


def test_an_event_tells_when_what_was_uploaded_in_parts_was_there() -> None:
    at = BEGIN + timedelta(hours=6)
    [unit] = found("pg/*", listed("pg/a"), heard={"pg/a": at, "pg/b": BEGIN})

    assert unit.changed == at


@pytest.mark.parametrize("change", [{"etag": "other"}, {"length": 11}, {"minutes": 1}])
def test_what_is_written_over_is_another(change: dict[str, object]) -> None:
    [before], [after] = found("pg/*", listed("pg/a")), found("pg/*", listed("pg/a", **change))  # type: ignore[arg-type]

    assert before.fingerprint != after.fingerprint


def test_a_group_is_passed_over_when_nothing_of_it_is_young_and_whole_when_something_is() -> None:
    old, young = listed("pg/1/a.dump", -60 * 24 * 9), listed("pg/1/b.dump")

    assert groups(found("pg/{run}/{database}.dump", old), LONG_AGO) == []
    assert len(groups(found("pg/{run}/{database}.dump", old, young), LONG_AGO)[0].units) == 2


def test_of_two_dumps_of_a_database_in_a_run_the_newer_counts() -> None:
    units = found("pg/{run}/{database}.*", listed("pg/1/a.dump"), listed("pg/1/a.backup", 3), listed("pg/1/b.dump"))

    kept, replaced = newest_of_each(units)

    assert ([unit.key for unit in kept], [unit.key for unit in replaced]) == (["pg/1/b.dump", "pg/1/a.backup"], ["pg/1/a.dump"])
