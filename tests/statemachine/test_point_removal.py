"""Restore points are removed: whole or not at all in every list, never under a restore, and whatever dies meanwhile is finished."""

from typing import Any

import boto3
import pytest

from dbrestore.contract import keys
from dbrestore.contract.errors import RestoreError
from lambdas.planning.plan_restore import plan_restore
from lambdas.runtime import point_rows
from tests.statemachine.engines import INSTANCE
from tests.statemachine.point_removals import NEWER, NEWEST, OF_POINT, files, listed, planned, points, refusal, remove
from tests.statemachine.sources import POINT, store_point
from tests.statemachine.test_point_removal_moments import before_first
from tests.statemachine.world import World, execution_arn

__all__ = ["points"]


def test_a_point_goes_with_all_its_files_and_the_others_stay(points: World) -> None:
    assert remove(points, POINT) == [(POINT, "removed", "")]

    assert listed() == [NEWER, NEWEST]
    assert (files(POINT), files(NEWER)) == (0, 3)
    assert list(point_rows.unfinished(points.surroundings().table)) == []


def test_what_a_dry_run_tells_happens_afterwards_and_it_changes_nothing(points: World) -> None:
    question = {"instance": INSTANCE, "points": [POINT, NEWER]}
    looked = points.call("RemovePoints", {**question, "dryRun": True})

    assert listed() == [POINT, NEWER, NEWEST]
    did = points.call("RemovePoints", question)
    assert [one["outcome"] for one in looked["points"]] == ["removable"] * 2
    for one, other in zip(looked["points"], did["points"], strict=True):
        assert (one["files"], one["bytes"]) == (other["files"], other["bytes"])
        assert one["files"] == 3


def test_a_point_that_is_not_there_is_told_so_and_when_it_was_removed(points: World) -> None:
    assert remove(points, "20250101T000000Z-00000000", POINT, POINT) == [
        ("20250101T000000Z-00000000", "refused", "RestorePointNotFound"),
        (POINT, "removed", ""),
        (POINT, "refused", "RestorePointNotFound"),
    ]
    assert "it was removed at " in refusal(points, POINT)


def test_files_of_an_add_that_is_under_way_are_not_taken_for_a_point(points: World) -> None:
    key = keys.point_prefix(INSTANCE, "20261125T021500Z-3fa9c1d2") + "orders/dump.pgdump"
    boto3.client("s3").put_object(Bucket="repository", Key=key, Body=b"half")

    assert remove(points, "20261125T021500Z-3fa9c1d2") == [("20261125T021500Z-3fa9c1d2", "refused", "RestorePointNotFound")]
    assert files("20261125T021500Z-3fa9c1d2") == 1


@pytest.mark.parametrize("wrong", [{"points": ["../x"]}, {"points": [""]}, {"instance": "x/y"}])
def test_a_name_that_leads_elsewhere_is_refused(points: World, wrong: dict[str, Any]) -> None:
    with pytest.raises(RestoreError, match="should match pattern"):
        points.call("RemovePoints", {"instance": INSTANCE, "points": [POINT], **wrong})
    assert listed() == [POINT, NEWER, NEWEST]


def test_a_damaged_point_can_be_removed(points: World) -> None:
    boto3.client("s3").put_object(Bucket="repository", Key=keys.manifest_key(INSTANCE, POINT), Body=b"{")

    assert remove(points, POINT) == [(POINT, "removed", "")]


# Restores


def test_a_point_that_a_restore_reads_stays_until_the_restore_is_closed(points: World) -> None:
    restore_id = planned()

    assert remove(points, POINT, NEWER) == [(POINT, "refused", "RestorePointInUse"), (NEWER, "removed", "")]
    assert restore_id in refusal(points, POINT)
    assert remove(points, POINT, dryRun=True) == [(POINT, "refused", "RestorePointInUse")]

    points.ledger().close(points.meta().anchor)
    assert remove(points, POINT) == [(POINT, "removed", "")]


def test_after_a_whole_restore_its_point_can_be_removed(points: World) -> None:
    assert points.run(OF_POINT)["status"] == "SUCCEEDED"

    assert remove(points, POINT) == [(POINT, "removed", "")]
    ended = points.run(OF_POINT, "restore-2")
    assert (ended["status"], ended["error"]) == ("FAILED", "RestorePointNotFound")


def test_a_restore_that_a_version_opened_which_wrote_no_row_of_the_point_counts_too(points: World) -> None:
    planned()
    table = points.surroundings().table
    table.write(table.delete(f"POINT#{INSTANCE}/{POINT}", "USE"))

    assert remove(points, POINT) == [(POINT, "refused", "RestorePointInUse")]
    assert planned("restore-2", {**OF_POINT, "databases": ["crm"]}).startswith("r-"), "a refused removal keeps nobody from restoring"


def test_one_that_such_a_version_opens_at_the_last_moment_counts_too(points: World) -> None:
    def open_as_before() -> None:
        planned()
        table = points.surroundings().table
        table.write(table.delete(f"POINT#{INSTANCE}/{POINT}", "USE"))

    with before_first(points.patch, "TransactWriteItems", open_as_before):
        assert remove(points, POINT) == [(POINT, "refused", "RestorePointInUse")]

    assert files(POINT) == 3
    assert list(point_rows.unfinished(points.surroundings().table)) == []


def test_a_restore_that_a_version_closed_which_knew_no_such_row_does_not_count(points: World) -> None:
    planned()
    table, anchor = points.surroundings().table, points.meta().anchor
    row = table.get(f"POINT#{INSTANCE}/{POINT}", "USE")
    points.ledger().close(anchor)
    table.write(table.put(row or {}))

    assert remove(points, POINT) == [(POINT, "removed", "")]


def test_a_point_that_somebody_brought_back_can_be_restored_and_removed_again(points: World) -> None:
    remove(points, POINT)
    store_point(INSTANCE, POINT, ["orders", "crm"])

    assert planned() == "RestorePointRemoved", "within the time that clocks may differ nobody can tell"
    points.clock.let_pass(seconds=600)
    restore_id = plan_restore(
        {"request": OF_POINT, "executionArn": execution_arn("restore-1"), "startedAt": points.clock().isoformat()}, None
    )["restoreId"]
    assert remove(points, POINT) == [(POINT, "refused", "RestorePointInUse")]
    points.ledger().close(points.meta().anchor)
    assert remove(points, POINT) == [(POINT, "removed", "")], restore_id
