"""Points of native backups in S3: copied by S3 as they are, of exactly what was looked at, or refused with nothing left."""

import base64
import zlib
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from dbrestore.contract.errors import (
    BackupArchived,
    BackupDamaged,
    BackupUnreadable,
    NotReady,
    SourceAccessDenied,
    SourceChanged,
    SourceNotFound,
)
from dbrestore.contract.sqlserver_errors import NotANativeBackup, StripeMissing
from dbrestore.points import point_verification, stored_points
from dbrestore.points.in_s3 import copying, sqlserver
from dbrestore.points.in_s3.copying import Pace, Wanted
from dbrestore.points.in_s3.unfinished import FOLDER
from tests.unit.points.in_s3.conftest import BACKUPS, MIB, REPOSITORY, Buckets
from tests.unit.points.sqlserver.backups import backup
from tests.unit.points.sqlserver.test_adding import FULL, LOG

BIG = replace(FULL, pages=16 * MIB // 512)
IN_PARTS = Pace(threads=2, part_bytes=5 * MIB)


def add(buckets: Buckets, *asked: str, **more: Any) -> Any:
    return sqlserver.add(buckets.source, buckets.repository, "crm-mssql", asked, **more)


def test_a_striped_backup_and_its_log_become_a_point_that_can_be_verified(buckets: Buckets) -> None:
    for key, what in {
        "nightly/ümlaut b.bak": replace(FULL, stripe=2, stripes=2),
        "nightly/a.bak": replace(FULL, stripe=1, stripes=2, pages=30),
        "nightly/log.trn": LOG,
    }.items():
        buckets.put(key, backup(what))
    buckets.put("nightly/job.txt", b"done")

    added = add(buckets, "nightly/")

    [point] = added.points
    assert stored_points.load(buckets.s3, REPOSITORY, "crm-mssql") == point
    files = point.native_databases[0].files
    assert [file.origin for file in files] == [
        f"s3://{BACKUPS}/nightly/a.bak",
        f"s3://{BACKUPS}/nightly/ümlaut b.bak",
        f"s3://{BACKUPS}/nightly/log.trn",
    ]
    for kind in (point_verification.shallow(buckets.s3, REPOSITORY, point), point_verification.deep(buckets.s3, REPOSITORY, point, ignore)):
        assert {verdict.state for verdict in kind} == {"ok"}
    assert added.left_out[0].startswith(f"s3://{BACKUPS}/nightly/: 1 objects whose names are no backup's (.bak, ")
    assert not [key for key in live(buckets) if key.startswith(FOLDER)]


def ignore(done: int, total: int, label: str) -> None:
    """Of progress nobody is told here."""


def live(buckets: Buckets) -> list[str]:
    return [item["Key"] for item in buckets.s3.list_objects_v2(Bucket=REPOSITORY).get("Contents", [])]


def test_a_large_file_is_copied_in_parts_and_only_its_headers_come_to_the_caller(buckets: Buckets) -> None:
    body = backup(BIG)
    buckets.put("big.bak", body)
    source, seen = buckets.source, []

    [point] = sqlserver.add(
        source, buckets.repository, "crm-mssql", ["big.bak"], pace=IN_PARTS, progress=lambda *told: seen.append(told[:2])
    ).points

    [file] = point.native_databases[0].files
    assert (file.length, file.sha256, file.crc32) == (len(body), None, base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode())
    assert buckets.counted("UploadPartCopy") == 4
    assert source.received <= 2 * (64 << 10)
    assert seen[-1] == (len(body), len(body))
    buckets.s3.put_object(Bucket=REPOSITORY, Key=file.key, Body=body[:-9] + b"x" + body[-8:])
    assert "damaged" in {v.state for v in point_verification.deep(buckets.s3, REPOSITORY, point, ignore)}


def test_what_is_written_over_after_the_look_is_copied_as_it_was(buckets: Buckets) -> None:
    body = backup(FULL)
    buckets.put("a.bak", body)
    buckets.meanwhile["CopyObject"] = lambda: buckets.put("a.bak", b"the next night's")

    [point] = add(buckets, "a.bak").points

    assert buckets.s3.get_object(Bucket=REPOSITORY, Key=point.native_databases[0].files[0].key)["Body"].read() == body


def deleted(buckets: Buckets) -> None:
    for version in buckets.s3.list_object_versions(Bucket=BACKUPS)["Versions"]:
        buckets.s3.delete_object(Bucket=BACKUPS, Key=version["Key"], VersionId=version["VersionId"])


# Part by part: moto closes the file of what is deleted while another thread reads it, which S3 would let read.
IN_TURN = replace(IN_PARTS, threads=1)


@pytest.mark.parametrize(("operation", "pace"), [("CopyObject", Pace()), ("UploadPartCopy", IN_TURN), ("GetObject", IN_TURN)])
def test_what_is_gone_before_it_is_copied_is_refused_and_nothing_stays(buckets: Buckets, operation: str, pace: Pace) -> None:
    buckets.put("a.bak", backup(BIG))
    buckets.meanwhile[operation] = lambda: deleted(buckets)

    with pytest.raises((SourceChanged, SourceNotFound), match=r"s3://team-backups/a\.bak: "):
        add(buckets, "a.bak", pace=pace)

    assert buckets.left() == []


def test_without_versions_what_is_written_over_is_refused(buckets: Buckets) -> None:
    buckets.s3.create_bucket(Bucket="plain", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    source = replace(buckets.source, bucket="plain")
    buckets.s3.put_object(Bucket="plain", Key="a.bak", Body=backup(FULL))
    buckets.meanwhile["CopyObject"] = lambda: buckets.s3.put_object(Bucket="plain", Key="a.bak", Body=backup(LOG))

    with pytest.raises(SourceChanged, match="was replaced or deleted after it had been looked at"):
        sqlserver.add(source, buckets.repository, "crm-mssql", ["a.bak"])

    assert buckets.left() == []


def test_what_was_broken_off_is_carried_on_and_no_part_is_copied_twice(buckets: Buckets) -> None:
    buckets.put("a.bak", backup(BIG))
    calls = iter([False] * 3)

    with pytest.raises(NotReady, match="copying 1 of 1 files"):
        add(buckets, "a.bak", pace=replace(IN_PARTS, threads=1, is_over=lambda: next(calls, True)))
    before = buckets.counted("UploadPartCopy")
    assert stored_points.list_points(buckets.s3, REPOSITORY) == ()

    [point] = add(buckets, "a.bak", pace=IN_PARTS).points

    assert 0 < before < 4
    assert buckets.counted("UploadPartCopy") == 4
    assert [name.point_id for name in stored_points.list_points(buckets.s3, REPOSITORY)] == [point.point_id]
    assert len(live(buckets)) == 2


def test_a_lost_connection_keeps_what_is_there_and_another_object_begins_anew(buckets: Buckets) -> None:
    buckets.put("a.bak", backup(FULL))

    def lost() -> None:
        raise EndpointConnectionError(endpoint_url="s3")

    buckets.meanwhile["CopyObject"] = lost
    with pytest.raises(EndpointConnectionError):
        add(buckets, "a.bak")
    [begun] = live(buckets)
    buckets.put("a.bak", backup(FULL))

    [point] = add(buckets, "a.bak").points

    assert begun.startswith(FOLDER)
    assert point.point_id not in begun


@pytest.mark.parametrize(
    ("contents", "error", "sentence"),
    [
        ({"a.bak": b"PAR1 and more"}, NotANativeBackup, r"s3://team-backups/a\.bak: "),
        ({"a.bak": backup(replace(FULL, stripe=1, stripes=2))}, StripeMissing, "stripe 2 is not given"),
        ({"a.txt": b"x"}, BackupUnreadable, "nothing|no file was given"),
        ({}, SourceNotFound, "neither such an object nor anything below it"),
    ],
)
def test_what_can_be_no_point_is_refused_and_nothing_was_begun(
    buckets: Buckets, contents: dict[str, bytes], error: type[Exception], sentence: str
) -> None:
    for name, body in contents.items():
        buckets.put(f"x/{name}", body) if name == "a.txt" else buckets.put(name, body)

    with pytest.raises(error, match=sentence):
        add(buckets, "x" if "a.txt" in contents or not contents else "a.bak")

    assert buckets.left() == []


def test_an_archived_file_is_refused_with_what_to_do(buckets: Buckets) -> None:
    buckets.put("a.bak", backup(FULL), StorageClass="GLACIER")

    with pytest.raises(BackupArchived, match="restore-object"):
        add(buckets, "a.bak")

    assert buckets.left() == []


def test_a_bucket_that_denies_says_what_to_allow(buckets: Buckets) -> None:
    buckets.put("a.bak", backup(FULL))
    buckets.s3.put_bucket_policy(
        Bucket=BACKUPS,
        Policy='{"Statement": [{"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::team-backups/*"}]}',
    )

    with pytest.raises(SourceAccessDenied, match="allow the caller s3:ListBucket"):
        add(buckets, "a.bak")

    assert buckets.left() == []


def test_where_the_requester_pays_every_request_says_so(buckets: Buckets) -> None:
    buckets.put("n/a.bak", backup(BIG))
    buckets.requests.clear()
    source, repository = replace(buckets.source, requester_pays=True), replace(buckets.repository, requester_pays=True)

    sqlserver.add(source, repository, "crm-mssql", ["n/"], pace=IN_PARTS)

    about = [(name, asked) for name, asked in buckets.requests if asked["Bucket"] == BACKUPS or "CopySource" in asked]
    assert {name for name, _ in about} == {"HeadObject", "ListObjectsV2", "GetObject", "UploadPartCopy"}
    assert {asked.get("RequestPayer") for _, asked in about} == {"requester"}


def test_a_point_that_another_has_made_of_the_same_copies_is_not_taken_away(buckets: Buckets) -> None:
    buckets.put("a.bak", backup(FULL))
    made: list[Any] = []
    # Both found the same note; the other one ends first, and then this one fails.
    buckets.meanwhile["CopyObject"] = lambda: made.append(add(buckets, "a.bak"))

    with pytest.raises(SourceChanged):
        add_and_fail(buckets, made)

    assert [name.point_id for name in stored_points.list_points(buckets.s3, REPOSITORY)] == [made[0].points[0].point_id]
    assert {v.state for v in point_verification.shallow(buckets.s3, REPOSITORY, made[0].points[0])} == {"ok"}


def add_and_fail(buckets: Buckets, made: list[Any]) -> None:
    def told(done: int, total: int, label: str) -> None:
        if made:
            raise SourceChanged("broken on purpose")

    add(buckets, "a.bak", progress=told)


def test_what_is_written_over_between_the_look_and_the_reading_is_read_as_it_was(buckets: Buckets) -> None:
    body = backup(FULL)
    buckets.put("a.bak", body)
    buckets.meanwhile["GetObject"] = lambda: buckets.put("a.bak", backup(LOG))

    [point] = add(buckets, "a.bak").points

    assert buckets.s3.get_object(Bucket=REPOSITORY, Key=point.native_databases[0].files[0].key)["Body"].read() == body


def test_without_versions_what_is_written_over_before_it_is_read_is_refused(buckets: Buckets) -> None:
    buckets.s3.create_bucket(Bucket="plain", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    source = replace(buckets.source, bucket="plain")
    buckets.s3.put_object(Bucket="plain", Key="a.bak", Body=backup(FULL))
    pinned = source.pinned("a.bak")
    buckets.s3.put_object(Bucket="plain", Key="a.bak", Body=backup(LOG))

    with pytest.raises(SourceChanged, match="was replaced or deleted after it had been looked at"):
        source.reader(pinned)(0, 512)


def test_parts_of_another_size_are_copied_anew(buckets: Buckets) -> None:
    """A run of another version, or with other bounds, began the upload."""
    body = backup(BIG)
    buckets.put("a.bak", body)
    calls = iter([False] * 3)
    with pytest.raises(NotReady):
        add(buckets, "a.bak", pace=replace(IN_PARTS, threads=1, is_over=lambda: next(calls, True)))

    [point] = add(buckets, "a.bak", pace=replace(IN_PARTS, part_bytes=IN_PARTS.part_bytes + MIB)).points

    assert buckets.s3.get_object(Bucket=REPOSITORY, Key=point.native_databases[0].files[0].key)["Body"].read() == body


def test_a_copy_of_another_length_is_not_called_a_copy(buckets: Buckets) -> None:
    buckets.put("a.bak", backup(FULL))
    wanted = Wanted(buckets.source.pinned("a.bak"), "crm-mssql/x/a.bak")
    buckets.s3.put_object(Bucket=REPOSITORY, Key=wanted.key, Body=b"cut")

    with pytest.raises(BackupDamaged, match=r"s3://team-backups/a\.bak: its copy has 3 bytes and not "):
        copying.described([wanted], buckets.repository, Pace())


def test_what_s3_does_not_delete_is_not_called_hidden(buckets: Buckets) -> None:
    buckets.s3.put_object(Bucket=REPOSITORY, Key="crm-mssql/x/a.bak", Body=b"x")
    refusal = {"Key": "crm-mssql/x/a.bak", "Code": "InternalError", "Message": "try again"}
    buckets.s3.meta.events.register("after-call.s3.DeleteObjects", lambda parsed, **_: parsed.update(Errors=[refusal]))

    with pytest.raises(NotReady, match=r"waiting for S3 to delete crm-mssql/x/a\.bak \(InternalError: try again\)"):
        copying.hide(buckets.repository, "crm-mssql/x/")
