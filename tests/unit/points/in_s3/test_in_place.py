"""Backups that stay where they are: what a point then says of them, who reads them, and what is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from dbrestore.contract.errors import (
    BackupArchived,
    BackupDamaged,
    BackupUnreadable,
    RestoreError,
    RestoreRequestInvalid,
    SourceAccessDenied,
    SourceChanged,
)
from dbrestore.contract.manifest import Manifest, ObjectReference, StoredFile
from dbrestore.points import point_verification, stored_points
from dbrestore.points.in_s3 import in_place, postgresql, sqlserver
from dbrestore.points.in_s3.source import Source
from tests.unit.points.in_s3.conftest import BACKUPS, REPOSITORY, Buckets
from tests.unit.points.in_s3.dumps_in_s3 import CUSTOM, prepare, publish, put_directory, read
from tests.unit.points.pgdump import archives
from tests.unit.points.sqlserver.backups import backup
from tests.unit.points.sqlserver.test_adding import FULL

HERE = (f"s3://{BACKUPS}/nightly/",)


def dumped(buckets: Buckets) -> Manifest:
    buckets.put("nightly/shop.dump", CUSTOM)
    note = prepare(buckets, "nightly/shop.dump", places=HERE)
    assert [result.status for result in read(buckets, note)] == ["READ"]
    return publish(buckets, note)


def backed_up(buckets: Buckets) -> Manifest:
    buckets.put("nightly/crm.bak", backup(FULL))
    [point] = sqlserver.add(buckets.source, buckets.repository, "crm", ["nightly/crm.bak"], places=HERE).points
    return point


ADDED: tuple[Callable[[Buckets], Manifest], ...] = (dumped, backed_up)


def versions(buckets: Buckets, key: str) -> list[str]:
    return [one["VersionId"] for one in buckets.s3.list_object_versions(Bucket=BACKUPS, Prefix=key)["Versions"]]


@pytest.mark.parametrize("added", ADDED)
def test_nothing_is_copied_and_the_point_says_which_version_is_meant(buckets: Buckets, added: Callable[[Buckets], Manifest]) -> None:
    point = added(buckets)

    [file] = point.files
    told = buckets.s3.head_object(Bucket=BACKUPS, Key=file.reference.key if file.reference else "")
    assert file.reference
    assert (file.reference.bucket, file.reference.version_id, file.reference.etag) == (BACKUPS, told["VersionId"], told["ETag"])
    assert (file.length, buckets.counted("CopyObject"), buckets.counted("UploadPartCopy")) == (told["ContentLength"], 0, 0)
    keys = [item["Key"] for item in buckets.s3.list_objects_v2(Bucket=REPOSITORY)["Contents"] if not item["Key"].startswith(".unfinished")]
    assert keys == [f"{point.instance}/{point.point_id}/manifest.json"]
    assert stored_points.load(buckets.s3, REPOSITORY, point.instance) == point


def references(point: Manifest) -> list[ObjectReference]:
    return [file.reference for file in point.files if file.reference]


@pytest.mark.parametrize("added", ADDED)
def test_what_is_written_over_it_or_hides_it_changes_nothing(buckets: Buckets, added: Callable[[Buckets], Manifest]) -> None:
    point = added(buckets)
    key = references(point)[0].key

    buckets.put(key, b"another")
    buckets.s3.delete_object(Bucket=BACKUPS, Key=key)

    deep = list(point_verification.deep(buckets.s3, REPOSITORY, point, lambda done, total, label: None))
    assert [verdict.state for verdict in (*point_verification.shallow(buckets.s3, REPOSITORY, point), *deep)] == ["ok", "ok"]


@pytest.mark.parametrize("added", ADDED)
def test_a_version_that_somebody_deleted_is_missing(buckets: Buckets, added: Callable[[Buckets], Manifest]) -> None:
    point = added(buckets)
    reference = references(point)[0]

    buckets.put(reference.key, b"another")
    buckets.s3.delete_object(Bucket=BACKUPS, Key=reference.key, VersionId=reference.version_id)

    for verdicts in (
        point_verification.shallow(buckets.s3, REPOSITORY, point),
        point_verification.deep(buckets.s3, REPOSITORY, point, lambda done, total, label: None),
    ):
        [verdict] = verdicts
        assert verdict.state == "missing"
        assert f"somebody deleted s3://{BACKUPS}/{reference.key} (version {reference.version_id})" in verdict.sentence


def test_a_directory_stays_file_by_file(buckets: Buckets, tmp_path: Path) -> None:
    put_directory(buckets, archives.directory(archives.shop("gzip"), tmp_path / "x"), "nightly/shop/")

    note = prepare(buckets, "nightly/shop", places=HERE)
    assert [result.status for result in read(buckets, note)] == ["READ"]

    point = publish(buckets, note)
    assert len(references(point)) == len(point.files) > 1
    assert [verdict.state for verdict in point_verification.shallow(buckets.s3, REPOSITORY, point)] == ["ok"] * len(point.files)


@pytest.mark.parametrize(
    ("places", "error", "sentence"),
    [
        ((), SourceAccessDenied, "the places they may read are: none"),
        ((f"s3://{BACKUPS}/other/",), SourceAccessDenied, f"the places they may read are: s3://{BACKUPS}/other/"),
    ],
)
def test_what_restores_may_not_read_is_refused(buckets: Buckets, places: Any, error: type[RestoreError], sentence: str) -> None:
    buckets.put("nightly/shop.dump", CUSTOM)
    buckets.put("nightly/crm.bak", backup(FULL))

    with pytest.raises(error, match=sentence):
        prepare(buckets, "nightly/shop.dump", places=places)
    with pytest.raises(error, match=sentence):
        sqlserver.add(buckets.source, buckets.repository, "crm", ["nightly/crm.bak"], places=places)
    assert buckets.left() == []


@pytest.mark.parametrize("status", ["Suspended", None])
def test_a_bucket_that_kept_no_versions_is_refused(buckets: Buckets, status: str | None) -> None:
    if status:
        buckets.s3.put_bucket_versioning(Bucket=BACKUPS, VersioningConfiguration={"Status": status})
        source = buckets.source
    else:
        buckets.s3.create_bucket(Bucket="no-versions", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        source = Source(buckets.s3, "no-versions")
    buckets.s3.put_object(Bucket=source.bucket, Key="nightly/shop.dump", Body=CUSTOM)

    with pytest.raises(BackupUnreadable, match="has no version id, because its bucket kept no versions when it was written"):
        postgresql.prepare(source, buckets.repository, "shop", [(None, "nightly/shop.dump")], places=(f"s3://{source.bucket}/",))
    assert buckets.left() == []


def test_more_files_than_a_plan_can_look_at_are_refused(buckets: Buckets) -> None:
    buckets.put("nightly/shop.dump", CUSTOM)
    pinned = buckets.source.pinned("nightly/shop.dump")

    in_place.require_fixed([pinned, pinned], most=2)
    with pytest.raises(BackupUnreadable, match="these are 3 files, and at most 2 can stay in place"):
        in_place.require_fixed([pinned, pinned, pinned], most=2)


def test_a_version_that_goes_before_the_point_is_made_leaves_nothing(buckets: Buckets) -> None:
    buckets.put("nightly/crm.bak", backup(FULL))
    [version] = versions(buckets, "nightly/crm.bak")

    def go() -> None:
        buckets.s3.delete_object(Bucket=BACKUPS, Key="nightly/crm.bak", VersionId=version)

    # The note is the first thing that is written, after everything was judged.
    buckets.meanwhile["PutObject"] = go
    with pytest.raises(SourceChanged):
        sqlserver.add(buckets.source, buckets.repository, "crm", ["nightly/crm.bak"], places=HERE)

    assert buckets.left() == []


def test_a_version_that_goes_before_the_worker_reads_it_makes_no_point(buckets: Buckets) -> None:
    buckets.put("nightly/shop.dump", CUSTOM)
    note = prepare(buckets, "nightly/shop.dump", places=HERE)
    buckets.s3.delete_object(Bucket=BACKUPS, Key="nightly/shop.dump", VersionId=versions(buckets, "nightly/shop.dump")[0])

    [result] = read(buckets, note)

    assert result.error
    assert result.error.name == BackupDamaged.__name__
    assert "somebody deleted this version" in result.error.message


def test_what_was_begun_as_a_copy_is_not_carried_on_in_place(buckets: Buckets) -> None:
    buckets.put("nightly/shop.dump", CUSTOM)

    copied = prepare(buckets, "nightly/shop.dump")
    staying = prepare(buckets, "nightly/shop.dump", places=HERE)

    assert copied.point_ids != staying.point_ids
    assert [copied.dumps[0].files[0].reference, bool(staying.dumps[0].files[0].reference)] == [None, True]


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ({"NoncurrentVersionExpiration": {"NoncurrentDays": 30}}, "deletes a version 30 days after another one"),
        (
            {"Expiration": {"Days": 7}, "NoncurrentVersionExpiration": {"NoncurrentDays": 1}},
            "it hides an object 7 days after it was written, and deletes a version 1 days after",
        ),
        ({"Expiration": {"Days": 7}}, "hides an object 7 days after it was written; its versions stay"),
        ({"Transitions": [{"Days": 30, "StorageClass": "DEEP_ARCHIVE"}]}, "moves versions to DEEP_ARCHIVE"),
    ],
)
def test_what_the_bucket_s_rules_do_to_it_is_told(buckets: Buckets, rule: dict[str, Any], told: str) -> None:
    point = dumped(buckets)
    about = {"ID": "nightly", "Status": "Enabled", "Filter": {"Prefix": "nightly/"}, **rule}
    elsewhere = {**about, "ID": "others", "Filter": {"Prefix": "other/"}}
    off = {**about, "ID": "off", "Status": "Disabled"}
    buckets.s3.put_bucket_lifecycle_configuration(Bucket=BACKUPS, LifecycleConfiguration={"Rules": [about, elsewhere, off]})

    [sentence] = in_place.warnings(buckets.source, [point])

    assert sentence.startswith(f"s3://{BACKUPS}/: its lifecycle rule 'nightly'")
    assert told in sentence


def test_a_bucket_without_rules_has_nothing_to_tell(buckets: Buckets) -> None:
    assert in_place.warnings(buckets.source, [dumped(buckets)]) == ()


@pytest.mark.parametrize(
    ("source", "home", "sentence"),
    [
        (lambda s3: Source(s3, BACKUPS, requester_pays=True), "eu-central-1", "restores would pay for each reading"),
        (lambda s3: Source(s3, BACKUPS), "eu-west-1", "lies in eu-central-1, and what restores read must lie in eu-west-1"),
    ],
)
def test_a_bucket_that_no_restore_can_read_from_is_refused(buckets: Buckets, source: Any, home: str, sentence: str) -> None:
    with pytest.raises(RestoreRequestInvalid, match=sentence):
        in_place.require_usable(source(buckets.s3), home)


@pytest.mark.parametrize("lacking", ["bucket", "key", "versionId", "etag"])
def test_a_manifest_with_half_a_reference_can_not_be_read(buckets: Buckets, lacking: str) -> None:
    file: dict[str, Any] = dumped(buckets).files[0].to_state()
    file["reference"][lacking] = ""

    with pytest.raises(ValidationError, match="reference"):
        StoredFile.model_validate(file)


def test_the_version_of_a_bucket_that_no_longer_keeps_any_is_none(buckets: Buckets) -> None:
    """S3 calls it `null`, and the next upload takes its place; moto's answer has none (Amazon S3 User Guide, "Working with objects in a
    versioning-suspended bucket")."""
    buckets.put("a.dump", CUSTOM)
    buckets.s3.meta.events.register("after-call.s3.HeadObject", lambda parsed, **_: parsed.update(VersionId="null"))

    assert buckets.source.pinned("a.dump").version_id is None


def test_what_is_archived_is_refused_though_nothing_of_it_is_read_or_copied_yet(buckets: Buckets) -> None:
    buckets.put("a.dump", CUSTOM, StorageClass="DEEP_ARCHIVE")

    with pytest.raises(BackupArchived, match=r"s3://team-backups/a\.dump: "):
        buckets.source.pinned("a.dump")
