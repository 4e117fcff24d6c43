"""What becomes of copied dumps when there is no restore point in the end: they are kept for the same order, or seen absent, and no upload
stays open."""

from contextlib import AbstractContextManager
from dataclasses import replace
from itertools import count
from typing import Any

import boto3
import pytest
from botocore.client import BaseClient

from dbrestore.contract.errors import AwsRefused, NotReady, ReplayFailed
from dbrestore.contract.limits import VISIBLE_AFTER
from dbrestore.points.in_s3 import unfinished
from lambdas.runtime import invocations
from lambdas.runtime.open_restores import request_cancel
from lambdas.runtime.state import Surroundings
from tests.statemachine.copied_dumps import CLEARING, LARGE, LATER, WAY, WHOLE, again, copies_row, counted, lies, ordered_of, reading
from tests.statemachine.fake_worker import lose_worker
from tests.statemachine.test_added_points import CUSTOM, order, points, really_read
from tests.statemachine.test_failures import failing, in_order
from tests.statemachine.world import World, execution_arn

__all__ = ["counted", "reading"]


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


def test_what_somebody_cancelled_and_something_else_ended_is_not_kept_for_later(reading: World) -> None:
    def cancel_and_fail() -> None:
        request_cancel(Surroundings().table, reading.ledger().restore_id)
        raise ReplayFailed("broken on purpose")

    note = ordered_of(CUSTOM)
    reading.before["ReadDumps"] = cancel_and_fail

    assert reading.run(order(note))["error"] == "ReplayFailed"

    assert lies(note) == []
    assert copies_row(reading)["state"] == "DELETED"


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


def give_up(world: World, state: str, held: list[AbstractContextManager[object]]) -> None:
    """The execution is stopped in a call of the state, which is at work for as long as it is held."""
    held.append(invocations.at_work(world.ledger(), state))
    held[-1].__enter__()
    boto3.client("stepfunctions").stop_execution(executionArn=execution_arn("restore-1"))
    raise AwsRefused("nobody hears this any more")


def test_a_copying_that_was_given_up_is_waited_for_before_anything_is_called_absent(reading: World, counted: list[int]) -> None:
    note = ordered_of(LARGE)
    ticks = count()
    reading.stopwatch = lambda: float(next(ticks))
    reading.bounds = replace(reading.bounds, copying_seconds=3, visible_after=VISIBLE_AFTER)
    reading.seconds_between_calls = VISIBLE_AFTER / 12
    given_up: list[AbstractContextManager[object]] = []

    def stop() -> None:
        if counted:
            give_up(reading, "CopyDumps", given_up)

    reading.before["CopyDumps"] = stop
    assert reading.run(order(note))["status"] == "ABORTED"
    looks = count()

    def answer_late() -> None:
        if next(looks) == 1:
            boto3.client("s3").create_multipart_upload(Bucket="repository", Key=f"{note.prefixes[0]}db0/dump.pgdump")

    # S3 does what the one was asked for that nobody hears, after the first look.
    reading.before = {"RemoveCopies": answer_late}
    reading.calls.clear()

    assert [clean_up["status"] for clean_up in reading.sweep()] == ["SUCCEEDED"]

    assert reading.calls.count("RemoveCopies") > 1
    assert lies(note) == []
    assert copies_row(reading)["seenAbsentAt"]


def test_a_publishing_that_was_given_up_is_waited_for_before_the_copies_are_judged(reading: World) -> None:
    note = ordered_of(CUSTOM)
    reading.bounds = replace(reading.bounds, visible_after=VISIBLE_AFTER)
    reading.seconds_between_calls = VISIBLE_AFTER / 12
    given_up: list[AbstractContextManager[object]] = []
    reading.before["ReadDumps"] = lambda: give_up(reading, "ReadDumps", given_up)
    assert reading.run(order(note))["status"] == "ABORTED"
    looks = count()

    def publish_late() -> None:
        if next(looks) == 1:
            boto3.client("s3").put_object(Bucket="repository", Key=f"{note.prefixes[0]}manifest.json", Body=b"{}")

    reading.before = {"RemoveCopies": publish_late}
    reading.calls.clear()

    assert [clean_up["status"] for clean_up in reading.sweep()] == ["SUCCEEDED"]

    assert reading.calls.count("RemoveCopies") > 1
    assert lies(note) == WHOLE
    assert copies_row(reading)["note"] == "the restore point's files"


def test_whoever_publishes_a_point_is_signed_in_until_it_is_published(reading: World, monkeypatch: pytest.MonkeyPatch) -> None:
    original, seen = BaseClient._make_api_call, []

    def call(client: Any, operation: str, arguments: Any) -> Any:
        if operation == "PutObject" and arguments["Key"] == f"{note.prefixes[0]}manifest.json":
            with pytest.raises(NotReady, match="an invocation of ReadDumps that did not end properly"):
                invocations.require_none_at_work(reading.ledger(), "ReadDumps")
            seen.append(arguments["Key"])
        return original(client, operation, arguments)

    note = ordered_of(CUSTOM)
    reading.bounds = replace(reading.bounds, visible_after=VISIBLE_AFTER)
    with monkeypatch.context() as within:
        within.setattr(BaseClient, "_make_api_call", call)
        assert reading.run(order(note))["status"] == "SUCCEEDED"

    assert len(seen) == 1
