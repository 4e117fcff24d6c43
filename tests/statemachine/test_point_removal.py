"""Restore points are removed: whole or not at all in every list, never under a restore, and whatever dies meanwhile is finished."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import boto3
import pytest
from botocore.client import BaseClient

from dbrestore.contract import keys, limits
from dbrestore.contract.errors import RestoreError
from dbrestore.points import stored_points
from lambdas.planning.plan_restore import plan_restore
from lambdas.runtime import point_rows
from tests.statemachine.engines import INSTANCE
from tests.statemachine.sources import POINT, store_point
from tests.statemachine.test_drills import declare, declared
from tests.statemachine.world import REQUEST, World, execution_arn

__all__ = ["declare"]

NEWER, NEWEST = "20261123T021500Z-3fa9c1d2", "20261124T021500Z-3fa9c1d2"
OF_POINT = {**REQUEST, "source": {"restorePoint": POINT}}


@pytest.fixture
def points(world: World) -> World:
    """Three points of two databases."""
    for point in (NEWER, NEWEST):
        store_point(INSTANCE, point, ["orders", "crm"])
    return world


def remove(world: World, *ids: str, **question: Any) -> list[tuple[str, str, str]]:
    """Of each point its outcome, and by what error or an empty text."""
    told = world.call("RemovePoints", {"instance": INSTANCE, "points": list(ids), **question})
    return [(one["pointId"], one["outcome"], (one["error"] or {}).get("name", "")) for one in told["points"]]


def refusal(world: World, point: str) -> str:
    told = world.call("RemovePoints", {"instance": INSTANCE, "points": [point]})
    return str(told["points"][0]["error"]["message"])


def listed() -> list[str]:
    return [one.point_id for one in stored_points.list_points(boto3.client("s3"), "repository", INSTANCE)]


def files(point: str) -> int:
    found = boto3.client("s3").list_objects_v2(Bucket="repository", Prefix=keys.point_prefix(INSTANCE, point))
    return int(found["KeyCount"])


def planned(name: str = "restore-1", request: dict[str, Any] = OF_POINT) -> str:
    """The id of the restore, or the name of the error."""
    try:
        return str(plan_restore({"request": request, "executionArn": execution_arn(name)}, None)["restoreId"])
    except RestoreError as error:
        return type(error).__name__


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


@contextmanager
def at_call(patch: pytest.MonkeyPatch, number: int, do: Callable[[], None], *, after: bool = False) -> Iterator[list[str]]:
    """`do` before, or after, the call of AWS with this number; the calls until then."""
    original, calls, numbers = BaseClient._make_api_call, [], count(1)

    def call(client: Any, operation: str, arguments: Any) -> Any:
        calls.append(operation)
        is_it = next(numbers) == number
        if is_it and not after:
            do()
        try:
            return original(client, operation, arguments)
        finally:
            if is_it and after:
                do()

    with patch.context() as within:
        within.setattr(BaseClient, "_make_api_call", call)
        yield calls


@contextmanager
def before_first(patch: pytest.MonkeyPatch, operation: str, do: Callable[[], None]) -> Iterator[None]:
    """`do` once, before the first call of this operation."""
    original, still = BaseClient._make_api_call, [do]

    def call(client: Any, name: str, arguments: Any) -> Any:
        if name == operation and still:
            still.pop()()
        return original(client, name, arguments)

    with patch.context() as within:
        within.setattr(BaseClient, "_make_api_call", call)
        yield
    assert not still, f"{operation} was never called"


def both(world: World, opened: str) -> tuple[bool, bool]:
    """Whether the restore was opened and whether the point is there, after a check that it is whole or not listed at all."""
    assert files(POINT) == (3 if POINT in listed() else 0)
    return opened.startswith("r-"), POINT in listed()


@pytest.mark.slow
def test_a_restore_that_starts_at_any_moment_of_a_removal_wins_or_is_refused(points: World) -> None:
    outcomes = set()
    for number in count(1):
        store_point(INSTANCE, POINT, ["orders", "crm"])
        points.clock.let_pass(seconds=3600)
        opened: list[str] = []
        with at_call(points.patch, number, lambda: opened.append(_plan(points, number))):  # noqa: B023 - called within the loop
            remove(points, POINT)
        if not opened:
            break
        restored, there = both(points, opened[0])
        assert restored == there, (number, opened)
        assert restored or opened[0] in ("RestorePointRemoved", "RestorePointNotFound"), opened
        outcomes.add(opened[0] if not restored else "restored")
        _close(points, number)
    assert outcomes == {"restored", "RestorePointRemoved", "RestorePointNotFound"}


@pytest.mark.slow
def test_a_removal_that_starts_at_any_moment_of_a_plan_removes_or_is_refused(points: World) -> None:
    outcomes = set()
    for number in count(1):
        store_point(INSTANCE, POINT, ["orders", "crm"])
        points.clock.let_pass(seconds=3600)
        told: list[Any] = []
        with at_call(points.patch, number, lambda: told.extend(remove(points, POINT))):  # noqa: B023 - called within the loop
            opened = _plan(points, number)
        if not told:
            break
        restored, there = both(points, opened)
        assert restored == there, (number, opened, told)
        outcomes.add(told[0][1:])
        _close(points, number)
    assert outcomes == {("removed", ""), ("refused", "RestorePointInUse")}


def _plan(world: World, number: int) -> str:
    try:
        section = {"request": OF_POINT, "executionArn": execution_arn(f"restore-{number}")}
        return str(plan_restore(section, None, world.surroundings())["restoreId"])
    except RestoreError as error:
        return type(error).__name__


def _close(world: World, number: int) -> None:
    ledger = world.ledger(f"restore-{number}")
    if ledger.exists():
        ledger.close(ledger.meta().anchor)


@pytest.mark.slow
def test_of_two_removals_at_once_that_rely_on_each_others_point_one_is_refused(points: World, declare: Any) -> None:
    remove(points, NEWEST)
    declare(declared(databases=["orders"]))
    left = set()
    for number in count(1):
        for point in (POINT, NEWER):
            store_point(INSTANCE, point, ["orders", "crm"])
        points.clock.let_pass(seconds=3600)
        other: list[Any] = []
        with at_call(points.patch, number, lambda: other.extend(remove(points, NEWER))):  # noqa: B023 - called within the loop
            own = remove(points, POINT)
        if not other:
            break
        assert listed() != [], (number, own, other)
        left.add(tuple(listed()))
    assert left >= {(POINT,), (NEWER,)}


# Crashes


class Killed(BaseException):
    """The function died."""


def kill() -> None:
    raise Killed


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True])
def test_a_removal_that_dies_anywhere_is_finished_and_never_listed_as_good(points: World, after: bool) -> None:
    phases = set()
    for number in count(1):
        store_point(INSTANCE, POINT, ["orders", "crm"])
        points.clock.let_pass(seconds=3600)
        died = False
        with at_call(points.patch, number, kill, after=after):
            try:
                remove(points, POINT)
            except Killed:
                died = True
        if not died:
            break
        assert files(POINT) == 3 if POINT in listed() else True
        begun = point_rows.find(points.surroundings().table, INSTANCE, POINT) is not None
        phases.add((POINT in listed(), begun))
        assert points.call("RemovePoints", {})["finished"] == [], "while its function may still run nobody else does its work"
        points.clock.let_pass(seconds=limits.VISIBLE_AFTER + 1)
        assert points.call("RemovePoints", {})["finished"] == ([f"{INSTANCE}/{POINT}"] if begun else [])
        if begun:
            assert (POINT in listed(), files(POINT)) == (False, 0)
    assert (True, True) in phases, "died between the ledger and the manifest"
    assert (False, True) in phases, "died among the files"


def test_before_the_first_file_goes_the_point_is_in_no_list(points: World) -> None:
    seen: list[list[str]] = []
    with before_first(points.patch, "DeleteObjects", lambda: seen.append(listed())):
        remove(points, POINT)

    assert seen == [[NEWER, NEWEST]]


def test_a_removal_that_died_is_finished_by_asking_again(points: World) -> None:
    with at_call(points.patch, 1, lambda: None) as calls:
        remove(points, POINT, dryRun=True)
    store_point(INSTANCE, POINT, ["orders", "crm"])
    with at_call(points.patch, len(calls) + 8, kill), pytest.raises(Killed):
        remove(points, POINT)
    assert POINT not in listed()
    assert files(POINT) > 0

    assert remove(points, POINT) == [(POINT, "removed", "")]
    assert files(POINT) == 0


def test_a_removal_that_died_early_and_is_refused_now_keeps_nobody_from_restoring(points: World, declare: Any) -> None:
    remove(points, POINT, NEWER)
    point_rows.begin(points.surroundings().table, point_rows.Removal(INSTANCE, NEWEST, points.clock()))
    declare(declared(databases="all"))
    points.clock.let_pass(seconds=limits.VISIBLE_AFTER + 1)

    told = points.call("RemovePoints", {})

    assert told["stuck"][0].startswith(f"{INSTANCE}/{NEWEST}: RestorePointNeeded: ")
    assert planned(request={**REQUEST, "source": {"restorePoint": NEWEST}}).startswith("r-")


def test_what_there_is_no_time_for_is_told_and_goes_on(points: World) -> None:
    points.bounds = replace(points.bounds, removal_seconds=-1)

    told = points.call("RemovePoints", {"instance": INSTANCE, "points": [POINT, NEWER]})

    assert (told["points"], told["remaining"]) == ([], [POINT, NEWER])
    assert listed() == [POINT, NEWER, NEWEST]


# Drills and other points


def test_the_last_point_of_a_database_that_a_drill_restores_stays(points: World, declare: Any) -> None:
    declare(declared(databases=["orders"]))

    assert remove(points, NEWEST, NEWER) == [(NEWEST, "removed", ""), (NEWER, "removed", "")]
    assert remove(points, POINT) == [(POINT, "refused", "RestorePointNeeded")]
    assert "the drill weekly can restore orders" in refusal(points, POINT)
    declare()
    assert remove(points, POINT) == [(POINT, "removed", "")]


def test_a_dry_run_of_several_knows_which_would_be_gone(points: World, declare: Any) -> None:
    declare(declared(databases=["orders"]))

    assert remove(points, POINT, NEWER, NEWEST, dryRun=True)[2] == (NEWEST, "refused", "RestorePointNeeded")
    assert remove(points, NEWEST, gone=[POINT, NEWER], dryRun=True) == [(NEWEST, "refused", "RestorePointNeeded")]


def test_a_drill_that_takes_all_databases_of_the_latest_point_keeps_the_point_that_has_more(points: World, declare: Any) -> None:
    store_point(INSTANCE, "20261125T021500Z-3fa9c1d2", ["orders", "crm", "hr"])
    declare(declared(databases="all"))

    assert remove(points, "20261125T021500Z-3fa9c1d2")[0][2] == "RestorePointNeeded"
    assert "can restore hr" in refusal(points, "20261125T021500Z-3fa9c1d2")


def test_a_drill_that_draws_among_young_points_keeps_the_last_of_them(points: World, declare: Any) -> None:
    point = {"random": {"withinDays": 7}}
    declare(declared(source={"dbInstance": INSTANCE, "restorePoint": point}))

    assert [one[2] for one in remove(points, NEWEST, POINT, NEWER)] == ["", "", "RestorePointNeeded"]


def test_a_point_that_another_one_has_files_in_stays_until_that_one_goes(points: World) -> None:
    manifest = stored_points.load(boto3.client("s3"), "repository", INSTANCE, NEWEST)
    own, others = (keys.point_prefix(INSTANCE, point) for point in (NEWEST, POINT))
    # As a version might write it that shares the base of a chain, and in JSON's other spelling.
    text = manifest.to_json().replace(f'"{own}orders', f'"{others}orders'.replace("/", r"\/"))
    boto3.client("s3").put_object(Bucket="repository", Key=keys.manifest_key(INSTANCE, NEWEST), Body=text.encode())

    assert remove(points, POINT) == [(POINT, "refused", "RestorePointNeeded")]
    assert NEWEST in refusal(points, POINT)
    assert remove(points, NEWEST, POINT) == [(NEWEST, "removed", ""), (POINT, "removed", "")]


# How the bucket keeps


def versioned(rules: list[dict[str, Any]] | None = None, **bucket: Any) -> Any:
    s3 = boto3.client("s3")
    s3.put_bucket_versioning(Bucket="repository", VersioningConfiguration={"Status": "Enabled"})
    if rules:
        s3.put_bucket_lifecycle_configuration(Bucket="repository", LifecycleConfiguration={"Rules": rules})  # type: ignore[typeddict-item]
    return s3


def expiring(days: int, **rule: Any) -> dict[str, Any]:
    return {"ID": str(days), "Status": "Enabled", "Filter": {"Prefix": ""}, "NoncurrentVersionExpiration": {"NoncurrentDays": days}, **rule}


def told_of(world: World, point: str = POINT) -> dict[str, Any]:
    return dict(world.call("RemovePoints", {"instance": INSTANCE, "points": [point]})["points"][0])


def test_without_versions_the_bytes_are_free_at_once(points: World) -> None:
    told = told_of(points)

    assert (told["versioned"], told["bytes"] > 20) == (False, True)
    assert timedelta(0) <= points.clock() - datetime.fromisoformat(told["freedAt"]) < timedelta(minutes=1)


def test_in_a_versioned_bucket_a_removal_hides_and_says_until_when_the_bytes_stay(points: World) -> None:
    s3 = versioned([expiring(30)])
    store_point(INSTANCE, POINT, ["orders", "crm"])

    told = told_of(points)

    midnight = points.clock().replace(hour=0, minute=0, second=0, microsecond=0)
    assert (told["versioned"], datetime.fromisoformat(told["freedAt"])) == (True, midnight + timedelta(days=31))
    prefix = keys.point_prefix(INSTANCE, POINT)
    found = s3.list_object_versions(Bucket="repository", Prefix=prefix)
    assert len(found["DeleteMarkers"]) == 3, "one each, and none for what was hidden already"
    assert len({one["Key"] for one in found["Versions"]}) == 3


@pytest.mark.parametrize(
    "rules",
    [
        [],
        [expiring(30, Status="Disabled")],
        [expiring(30, Filter={"Prefix": "elsewhere/"})],
        [expiring(30, Filter={"Tag": {"Key": "a", "Value": "b"}})],
    ],
)
def test_where_no_rule_deletes_every_version_nothing_is_called_freed(points: World, rules: list[dict[str, Any]]) -> None:
    versioned(rules)

    told = told_of(points)

    assert (told["versioned"], told["freedAt"]) == (True, None)


def test_storage_classes_with_a_minimum_are_billed_longer_and_it_is_told(points: World) -> None:
    versioned([expiring(30)])
    s3, file = boto3.client("s3"), keys.point_prefix(INSTANCE, POINT) + "orders/dump.pgdump"
    (key, *_) = [one["Key"] for one in s3.list_objects_v2(Bucket="repository", Prefix=file.rpartition("/")[0])["Contents"]]
    s3.put_object(Bucket="repository", Key=key, Body=b"x" * 10, StorageClass="DEEP_ARCHIVE")

    (told,) = told_of(points)["billedLonger"]

    assert (told["storageClass"], told["bytes"]) == ("DEEP_ARCHIVE", 10)
    assert abs(datetime.fromisoformat(told["until"]) - (datetime.now(UTC) + timedelta(days=180))) < timedelta(minutes=5)


def locked() -> Any:
    """The repository with Object Lock: a bucket gets it when it is made."""
    s3 = boto3.client("s3")
    for item in s3.list_objects_v2(Bucket="repository")["Contents"]:
        s3.delete_object(Bucket="repository", Key=item["Key"])
    s3.delete_bucket(Bucket="repository")
    place: Any = {"LocationConstraint": s3.meta.region_name}
    s3.create_bucket(Bucket="repository", CreateBucketConfiguration=place, ObjectLockEnabledForBucket=True)
    store_point(INSTANCE, POINT, ["orders", "crm"])
    return s3


def test_a_point_that_object_lock_retains_stays_listed_and_it_is_told_until_when(points: World) -> None:
    s3 = locked()
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(days=40)
    key = next(item["Key"] for item in s3.list_objects_v2(Bucket="repository")["Contents"] if "manifest" not in item["Key"])
    s3.put_object_retention(Bucket="repository", Key=key, Retention={"Mode": "GOVERNANCE", "RetainUntilDate": until})

    assert remove(points, POINT) == [(POINT, "refused", "RestorePointRetained")]
    assert f"retains it until {until:%Y-%m-%d %H:%M:%S} UTC" in refusal(points, POINT)
    assert (listed(), files(POINT)) == ([POINT], 3)
    points.clock.let_pass(seconds=41 * 86400)
    assert remove(points, POINT) == [(POINT, "removed", "")]


def test_a_point_that_somebody_holds_stays_until_nobody_does(points: World) -> None:
    s3, key = locked(), keys.manifest_key(INSTANCE, POINT)
    s3.put_object_legal_hold(Bucket="repository", Key=key, LegalHold={"Status": "ON"})

    assert remove(points, POINT) == [(POINT, "refused", "RestorePointRetained")]
    assert "legal hold" in refusal(points, POINT)
    s3.put_object_legal_hold(Bucket="repository", Key=key, LegalHold={"Status": "OFF"})
    assert remove(points, POINT) == [(POINT, "removed", "")]
