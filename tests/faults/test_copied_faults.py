"""One fault at one request of an execution that copies dumps and makes a restore point of them, for every request and every kind of fault.

Oracles: nothing of the account is left that wasn't there; no upload is open; a point is listed if and only if it is whole; a fault that
passes ends in success; what the ledger says of the copies is true.
"""

from dataclasses import replace
from typing import Any

import boto3
import pytest

from dbrestore.points.in_s3.unfinished import Unfinished
from tests.faults.injection import KINDS, TRANSIENT, Injector, Kind
from tests.faults.test_single_faults import faulty, injector
from tests.statemachine.copied_dumps import LARGE, LATER, MIB, WHOLE, lies, ordered_of
from tests.statemachine.test_added_points import order, points, really_read
from tests.statemachine.world import World

__all__ = ["faulty", "injector"]

LONGEST_RUN = 260
SAMPLE = tuple((at, KINDS[n % len(KINDS)]) for n, at in enumerate(range(20, 200, 13)))


@pytest.fixture
def copying(faulty: World) -> World:
    faulty.worker.behaviour["read"] = really_read
    faulty.bounds = replace(faulty.bounds, staging_part_bytes=5 * MIB)
    return faulty


def is_true(world: World, note: Unfinished) -> bool:
    """Whether the report's row, if there is one, says of the copies what S3 says."""
    rows = [row for row in world.report()["resources"] if row["kind"] == "dump-copies"]
    found: Any = lies(note)
    if not rows:
        return found == ["note"]
    kept = rows[0]["state"] == "KEPT"
    return found in (WHOLE, LATER) if kept else found == [] and bool(rows[0]["seenAbsentAt"])


def check(world: World, injector: Injector, at: int, kind: Kind) -> None:
    note, others = ordered_of(LARGE), points()
    before = world.inventory()
    injector.at, injector.kind = at, kind

    ended = world.run(order(note))
    fault = injector.calls[at] if at < len(injector.calls) else "none"
    injector.at = None
    while world.sweep():
        pass

    told = (fault, ended["status"], ended.get("error"), ended.get("cause"), lies(note))
    assert world.inventory() == before, told
    assert not [one for one in lies(note) if one.startswith("upload")], told
    is_listed = note.point_ids[0] in points()
    assert points() == [*others, *([note.point_ids[0]] if is_listed else [])], told
    assert is_listed == (lies(note) == WHOLE), told
    if kind in TRANSIENT:
        assert ended["status"] == "SUCCEEDED", told
    assert is_listed or ended["status"] == "FAILED", told
    if world.calls != ["PlanRestore"]:
        assert is_true(world, note), told


@pytest.mark.parametrize(("at", "kind"), SAMPLE)
def test_a_fault_of_the_sample_leaves_nothing_half(copying: World, injector: Injector, at: int, kind: Kind) -> None:
    check(copying, injector, at, kind)


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("at", range(LONGEST_RUN))
def test_any_single_fault_leaves_nothing_half(copying: World, injector: Injector, at: int, kind: Kind) -> None:
    check(copying, injector, at, kind)


def test_the_campaign_reaches_every_request(copying: World, injector: Injector) -> None:
    note = ordered_of(LARGE)

    assert copying.run(order(note))["status"] == "SUCCEEDED"

    assert 100 < len(injector.calls) < LONGEST_RUN
    assert "s3:UploadPartCopy" in injector.calls
    assert boto3.client("s3").list_multipart_uploads(Bucket="repository").get("Uploads", []) == []
