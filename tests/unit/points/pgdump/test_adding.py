"""A restore point is whole and found again, or it is refused and nothing of it stays."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import botocore.exceptions
import pytest

from dbrestore.contract import keys
from dbrestore.contract.errors import (
    BackupArchived,
    BackupDamaged,
    BackupUnreadable,
    RestorePointNotFound,
    RestoreRequestInvalid,
)
from dbrestore.points import stored_points
from dbrestore.points.pgdump import adding as points
from tests.unit.points.conftest import BUCKET, leftovers
from tests.unit.points.pgdump import archives

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

WEIRD = [
    'a"b',
    "two words",
    "Straße",
    "😀" * 15 + "abc",
    "../../etc/passwd",
    "$(reboot)",
    "x; DROP TABLE y",
    "a/b",
    ".",
    "..",
    "'",
    "%2F",
    "x" * 63,
]


def dump(path: Path, database: str = "shop", server: str = "17.10") -> Path:
    path.write_bytes(archives.custom(replace(archives.shop("zstd", database=database), server=server)))
    return path


def damaged(path: Path) -> Path:
    path.write_bytes(dump(path).read_bytes()[:-1])
    return path


def test_a_point_is_loaded_as_it_was_made(s3: "S3Client", tmp_path: Path) -> None:
    shop = dump(tmp_path / "shop")
    crm = archives.directory(archives.shop("gzip", database="crm"), tmp_path / "crm")

    made = points.add(s3, BUCKET, "orders-prod", [(None, shop), (None, crm)])

    assert stored_points.load(s3, BUCKET, "orders-prod") == made
    assert stored_points.load(s3, BUCKET, "orders-prod", made.point_id) == made
    assert [(d.name, d.format, d.compression, d.rows) for d in made.databases] == [
        ("shop", "custom", "zstd", 3000),
        ("crm", "directory", "gzip", 3000),
    ]
    assert (made.instance, made.engine, made.engine_version) == ("orders-prod", "postgres", "17.10")


def test_the_manifest_describes_exactly_the_stored_bytes(s3: "S3Client", tmp_path: Path) -> None:
    made = points.add(s3, BUCKET, "orders-prod", [(None, dump(tmp_path / "shop"))])

    [database] = made.databases
    [file] = database.files
    stored = s3.get_object(Bucket=BUCKET, Key=file.key)["Body"].read()
    assert stored == (tmp_path / "shop").read_bytes()
    assert (file.length, file.sha256) == (len(stored), hashlib.sha256(stored).hexdigest())
    for member in (database.toc, *(m.stored for m in (*database.tables, *database.large_objects))):
        part = stored[member.offset : member.offset + member.length]
        assert hashlib.sha256(part).hexdigest() == member.sha256
    assert file.key == f"orders-prod/{made.point_id}/shop/dump.pgdump"


@pytest.mark.parametrize("name", WEIRD)
def test_a_database_may_have_any_name(s3: "S3Client", tmp_path: Path, name: str) -> None:
    made = points.add(s3, BUCKET, "orders-prod", [(None, dump(tmp_path / "dump", database=name))])

    [database] = stored_points.load(s3, BUCKET, "orders-prod").databases
    segments = database.files[0].key.split("/")
    assert database.name == name
    assert (len(segments), segments[1]) == (4, made.point_id)
    assert segments[2] not in (".", "..", "")
    assert stored_points.list_points(s3, BUCKET)[0].point_id == made.point_id


def test_a_dump_may_be_given_another_name(s3: "S3Client", tmp_path: Path) -> None:
    made = points.add(s3, BUCKET, "i", [("crm", dump(tmp_path / "a")), (None, tmp_path / "a")])

    assert [d.name for d in made.databases] == ["crm", "shop"]


def test_twice_the_same_database_is_refused_before_anything_is_stored(s3: "S3Client", tmp_path: Path) -> None:
    pairs = [(None, dump(tmp_path / "a")), ("shop", dump(tmp_path / "b", database="crm"))]

    with pytest.raises(BackupUnreadable, match=r"2 dumps are of the database 'shop' \(.*/a, .*/b\)"):
        points.add(s3, BUCKET, "i", pairs)

    assert leftovers(s3) == []


def test_no_dump_at_all_is_refused(s3: "S3Client") -> None:
    with pytest.raises(BackupUnreadable, match="no dump was given"):
        points.add(s3, BUCKET, "i", [])


@pytest.mark.parametrize("versioned", [False, True])
def test_damage_in_the_last_dump_removes_the_first(s3: "S3Client", tmp_path: Path, versioned: bool) -> None:
    if versioned:
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    pairs = [("first", dump(tmp_path / "a")), ("second", damaged(tmp_path / "b"))]

    with pytest.raises(BackupDamaged, match=f"^{tmp_path}/b: BLOBS BLOBS: the data ends"):
        points.add(s3, BUCKET, "i", pairs)

    assert leftovers(s3) == []


def test_an_interruption_leaves_nothing_and_no_point(s3: "S3Client", tmp_path: Path) -> None:
    def interrupt(done: int, total: int, label: str) -> None:
        if label == "second":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        points.add(s3, BUCKET, "i", [("first", dump(tmp_path / "a")), ("second", dump(tmp_path / "b"))], interrupt)

    assert leftovers(s3) == []
    assert stored_points.list_points(s3, BUCKET) == ()


def test_a_manifest_that_cannot_be_written_leaves_nothing(s3: "S3Client", tmp_path: Path) -> None:
    def refuse(**_: object) -> None:
        raise botocore.exceptions.ConnectionClosedError(endpoint_url="https://s3")

    s3.meta.events.register("before-send.s3.PutObject", refuse)

    with pytest.raises(botocore.exceptions.ConnectionClosedError):
        points.add(s3, BUCKET, "i", [(None, dump(tmp_path / "a"))])

    assert leftovers(s3) == []


def test_what_could_not_be_removed_is_named_beside_the_first_error(s3: "S3Client", tmp_path: Path) -> None:
    def refuse(**_: object) -> None:
        raise botocore.exceptions.ConnectionClosedError(endpoint_url="https://s3")

    s3.meta.events.register("before-send.s3.DeleteObject", refuse)

    with pytest.raises(BackupDamaged) as caught:
        points.add(s3, BUCKET, "i", [("first", dump(tmp_path / "a")), ("second", damaged(tmp_path / "b"))])

    assert "first/dump.pgdump could not be deleted" in caught.value.__notes__[0]


def test_progress_counts_every_byte_of_all_dumps(s3: "S3Client", tmp_path: Path) -> None:
    crm = archives.directory(archives.shop("none", database="crm"), tmp_path / "crm")
    seen: list[tuple[int, int, str]] = []

    made = points.add(s3, BUCKET, "i", [(None, dump(tmp_path / "a")), (None, crm)], lambda *call: seen.append(call))

    total = sum(f.length for d in made.databases for f in d.files)
    assert {t for _, t, _ in seen} == {total}
    assert [d for d, _, _ in seen] == sorted(d for d, _, _ in seen)
    assert seen[-1] == (total, total, "crm")


def test_points_are_listed_by_instance_and_time(s3: "S3Client", tmp_path: Path) -> None:
    path = dump(tmp_path / "a")
    ids = [points.add(s3, BUCKET, instance, [(None, path)]).point_id for instance in ("b-1", "a", "b-1", "b-1")]
    s3.put_object(Bucket=BUCKET, Key=keys.database_prefix("a", "20990101T000000Z-00000000", "x") + "dump.tar", Body=b"half")

    assert [(p.instance, p.point_id) for p in stored_points.list_points(s3, BUCKET)] == [
        ("a", ids[1]),
        ("b-1", ids[0]),
        ("b-1", ids[2]),
        ("b-1", ids[3]),
    ]
    assert [p.point_id for p in stored_points.list_points(s3, BUCKET, "b-1")] == [ids[0], ids[2], ids[3]]
    assert stored_points.load(s3, BUCKET, "b-1").point_id == ids[3]
    assert stored_points.load(s3, BUCKET, "a").point_id == ids[1]
    assert stored_points.list_points(s3, BUCKET, "b") == ()


def test_what_is_not_there_is_refused_with_what_is(s3: "S3Client", tmp_path: Path) -> None:
    with pytest.raises(RestorePointNotFound, match="no restore point yet"):
        stored_points.load(s3, BUCKET, "orders-prod")

    made = points.add(s3, BUCKET, "orders-prod", [(None, dump(tmp_path / "a"))])

    for point in (stored_points.LATEST, made.point_id):
        with pytest.raises(RestorePointNotFound, match=r"'order-prod' \(did you mean 'orders-prod'\?\); it has points of orders-prod"):
            stored_points.load(s3, BUCKET, "order-prod", point)
    almost = made.point_id[:-1] + "x"
    with pytest.raises(RestorePointNotFound, match=rf"no restore point '{almost}' \(did you mean '{made.point_id}'"):
        stored_points.load(s3, BUCKET, "orders-prod", almost)


def test_the_newest_servers_version_is_the_points(s3: "S3Client", tmp_path: Path) -> None:
    versions = ["9.6.24", "15.4 (Debian 15.4-1)", "16beta1"]

    made = points.add(s3, BUCKET, "i", [(v, dump(tmp_path / str(n), server=v)) for n, v in enumerate(versions)])

    assert made.engine_version == "15.4"


@pytest.mark.parametrize("instance", ["", "../x", "$(id)", "orders\n", "1st", "o" * 64, "a/b"])
def test_an_instance_that_no_request_could_name_is_refused_and_nothing_stored(s3: "S3Client", tmp_path: Path, instance: str) -> None:
    with pytest.raises(RestoreRequestInvalid, match="isn't a DB instance name"):
        points.add(s3, BUCKET, instance, [(None, dump(tmp_path / "a"))])

    assert leftovers(s3) == []


@pytest.mark.parametrize(("name", "problem"), [("", "empty"), ("ä" * 32, "64 bytes"), ("x" * 64, "64 bytes"), ("a\0b", "zero byte")])
def test_a_name_that_postgresql_could_not_give_is_refused_and_nothing_stored(
    s3: "S3Client", tmp_path: Path, name: str, problem: str
) -> None:
    with pytest.raises(RestoreRequestInvalid, match=problem):
        points.add(s3, BUCKET, "orders-prod", [(name, dump(tmp_path / "a"))])

    assert leftovers(s3) == []


@pytest.mark.parametrize("text", [b"{", b"", b"\xff\xfe", b"[]", b'{"schemaVersion": "1"}', b"[" * 100_000])
def test_a_damaged_manifest_is_named(s3: "S3Client", tmp_path: Path, text: bytes) -> None:
    made = points.add(s3, BUCKET, "orders-prod", [(None, dump(tmp_path / "a"))])
    key = keys.manifest_key("orders-prod", made.point_id)
    s3.put_object(Bucket=BUCKET, Key=key, Body=text)

    for point in (stored_points.LATEST, made.point_id):
        with pytest.raises(BackupDamaged, match=f"s3://{BUCKET}/{key} can't be read as a manifest"):
            stored_points.load(s3, BUCKET, "orders-prod", point)


def test_a_manifest_of_a_later_schema_is_refused_with_the_fix(s3: "S3Client", tmp_path: Path) -> None:
    made = points.add(s3, BUCKET, "orders-prod", [(None, dump(tmp_path / "a"))])
    text = made.to_json().replace('"schemaVersion":"1"', '"schemaVersion":"2"')
    s3.put_object(Bucket=BUCKET, Key=keys.manifest_key("orders-prod", made.point_id), Body=text.encode())

    with pytest.raises(BackupUnreadable, match="has the schema version '2', and this program knows '1': update it"):
        stored_points.load(s3, BUCKET, "orders-prod")


def test_an_archived_manifest_is_told_with_the_way_out(s3: "S3Client", tmp_path: Path) -> None:
    s3.put_object(Bucket=BUCKET, Key=keys.manifest_key("shop", "p-1"), Body=b"{}", StorageClass="GLACIER")

    with pytest.raises(BackupArchived, match=r"p-1/manifest.json is archived.*RestoreObject.*lifecycle rule"):
        stored_points.load(s3, BUCKET, "shop", "p-1")
