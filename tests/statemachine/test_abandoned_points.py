"""Copies of points that nobody finished go after two days, and nothing else does."""

from datetime import timedelta
from typing import Any

import boto3

from dbrestore.points import stored_points
from tests.statemachine.test_added_points import CUSTOM, order, points, prepared, really_read
from tests.statemachine.world import World


def in_repository() -> set[str]:
    return {item["Key"] for item in boto3.client("s3").list_objects_v2(Bucket="repository").get("Contents", [])}


def test_what_nobody_finished_goes_after_two_days(world: World) -> None:
    before = in_repository()
    note = prepared(CUSTOM, CUSTOM)
    left = in_repository()

    assert world.call("RemoveAbandonedPoints", {})["points"] == []
    assert in_repository() == left
    world.clock.let_pass(seconds=timedelta(hours=49).total_seconds())
    told = world.call("RemoveAbandonedPoints", {})

    assert (told["points"], told["objects"]) == ([note.point_ids[0]], 2)
    assert in_repository() == before


def test_a_point_that_was_made_stays_and_only_its_note_goes(world: World) -> None:
    world.worker.behaviour["read"] = really_read
    note = prepared(CUSTOM)
    assert world.run(order(note))["status"] == "SUCCEEDED"
    left = in_repository()
    world.clock.let_pass(seconds=timedelta(hours=49).total_seconds())

    assert world.call("RemoveAbandonedPoints", {})["objects"] == 0

    assert in_repository() == left - {note.key}
    assert stored_points.load(boto3.client("s3"), "repository", note.instance).point_id == note.point_ids[0]


def test_what_is_being_read_stays(world: World) -> None:
    world.worker.behaviour["read"] = really_read
    note = prepared(CUSTOM)
    told: list[Any] = []

    def look() -> None:
        world.clock.let_pass(seconds=timedelta(hours=49).total_seconds())
        told.append(world.call("RemoveAbandonedPoints", {}))

    world.before["ReadDumps"] = look

    assert world.run(order(note))["status"] == "SUCCEEDED"
    assert told[0]["points"] == []
    assert points()[-1] == note.point_ids[0]
