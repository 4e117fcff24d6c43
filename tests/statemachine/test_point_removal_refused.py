"""Restore points that stay: a drill needs them, another point has files in them, S3 retains them; and what a removal frees."""

from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from dbrestore.contract import keys
from dbrestore.points import stored_points
from tests.statemachine.engines import INSTANCE
from tests.statemachine.point_removals import NEWER, NEWEST, files, listed, points, refusal, remove
from tests.statemachine.sources import POINT, store_point
from tests.statemachine.test_drills import declare, declared
from tests.statemachine.test_point_removal_moments import before_first
from tests.statemachine.world import World

__all__ = ["declare", "points"]


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


@pytest.mark.parametrize(("operation", "name"), [("GetObjectRetention", "Retention"), ("GetObjectLegalHold", "Legal Hold")])
def test_where_nobody_may_see_whether_a_lock_is_there_the_point_stays(points: World, operation: str, name: str) -> None:
    locked()

    def deny() -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": f"You may not see the {name}"}}, operation)

    with before_first(points.patch, operation, deny):
        [told] = remove(points, POINT)

    assert told[1] == "refused"
    assert (listed(), files(POINT)) == ([POINT], 3)
