"""Rules whose backups stay where they arrive."""

import json
from pathlib import Path

import pytest

from tests.statemachine.arrivals import BUCKET, DUMPS, NATIVE, Arrivals, arrivals, in_repository, versions
from tests.statemachine.test_added_points import CUSTOM
from tests.statemachine.world import REGION
from tests.unit.points.pgdump import archives
from tests.unit.points.sqlserver.backups import Written, backup

__all__ = ["arrivals"]


@pytest.fixture
def staying(arrivals: Arrivals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Arrivals:
    """The same rules for what stays where it lies, in a bucket that keeps versions."""
    path = tmp_path / "in_place.json"
    path.write_text(json.dumps({"rules": [{**DUMPS, "inPlace": True}, {**NATIVE, "inPlace": True}]}))
    monkeypatch.setenv("ADOPTION_CONFIGURATION", str(path))
    arrivals.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    return arrivals


def test_what_stays_in_place_is_referred_to_by_the_version_that_arrived(staying: Arrivals) -> None:
    staying.put("pg/latest/orders.dump", CUSTOM)
    staying.settle()
    staying.settle()
    staying.put("pg/latest/orders.dump", archives.custom(archives.shop("gzip")))
    staying.settle()
    staying.settle()

    first, second = staying.points()

    told = staying.s3.list_object_versions(Bucket=BUCKET)["Versions"]
    expected = [(one["Key"], one["VersionId"]) for one in sorted(told, key=lambda one: one["IsLatest"])]
    assert [*versions(first), *versions(second)] == expected
    assert in_repository(staying, first) == in_repository(staying, second) == ["manifest.json"]
    assert all(file.sha256 for point in (first, second) for file in point.files)
    assert staying.s3.list_objects_v2(Bucket="repository", Prefix=".unfinished/").get("Contents", []) == []


def test_a_native_backup_in_place_is_referred_to(staying: Arrivals) -> None:
    staying.put("native/crm.bak", backup(Written()))
    for _ in range(3):
        staying.settle()

    [point] = staying.points("crm-mssql")

    assert [key for key, _ in versions(point)] == ["native/crm.bak"]
    assert in_repository(staying, point) == ["manifest.json"]


def test_what_could_be_overwritten_is_no_point_in_place(staying: Arrivals) -> None:
    staying.s3.delete_bucket(Bucket=BUCKET)
    staying.s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    staying.put("pg/monday/orders.dump", CUSTOM)
    staying.settle()
    staying.settle()

    assert staying.points() == []
    [refused] = staying.state("dumps").not_adopted
    assert refused.error.name == "BackupUnreadable"
    assert "switch versioning on" in refused.error.message
