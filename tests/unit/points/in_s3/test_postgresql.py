"""Dumps in S3 are copied as they are and read by a worker; what it finds is what adding the same dump from a disk finds."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dbrestore.contract.errors import (
    BackupArchived,
    BackupDamaged,
    BackupUnreadable,
    RestoreError,
    RestoreRequestInvalid,
    SourceChanged,
    SourceNotFound,
)
from dbrestore.points import stored_points
from dbrestore.points.in_s3 import postgresql
from dbrestore.points.in_s3.copying import Pace
from dbrestore.points.pgdump import adding
from tests.unit.points.in_s3.conftest import BACKUPS, MIB, REPOSITORY, Buckets
from tests.unit.points.in_s3.dumps_in_s3 import CUSTOM, comparable, prepare, publish, put_directory, read
from tests.unit.points.pgdump import archives


@pytest.mark.parametrize("compression", ["none", "gzip", "lz4", "zstd"])
@pytest.mark.parametrize("kind", ["custom", "directory"])
def test_what_the_worker_finds_is_what_adding_from_a_disk_finds(buckets: Buckets, tmp_path: Path, compression: Any, kind: str) -> None:
    archive, local = archives.shop(compression), tmp_path / "x"
    if kind == "custom":
        local.write_bytes(archives.custom(archive))
        buckets.put("nightly/ä b.dump", local.read_bytes())
    else:
        put_directory(buckets, archives.directory(archive, local), "nightly/ä b.dump/")

    note = prepare(buckets, "nightly/ä b.dump")
    [result] = read(buckets, note)
    found = publish(buckets, note)

    by_hand = adding.add(buckets.s3, REPOSITORY, "by-hand", [(None, local)]).databases[0]
    assert (result.status, result.rows, result.tables) == ("READ", by_hand.rows, len(by_hand.tables))
    assert comparable(found.databases[0]) == comparable(by_hand)
    assert found.point_id == note.point_ids[0]
    for file in found.databases[0].files:
        body = buckets.s3.get_object(Bucket=REPOSITORY, Key=file.key)["Body"].read()
        assert (file.length, file.sha256) == (len(body), hashlib.sha256(body).hexdigest())
        assert (file.origin or "").startswith(f"s3://{BACKUPS}/nightly/ä b.dump")


def test_of_a_large_dump_the_caller_gets_the_table_of_contents_and_no_more(buckets: Buckets) -> None:
    shop = archives.shop("none")
    large = replace(shop, rows={**shop.rows, 20: b"1\tx\n" * (4 * MIB)})
    buckets.put("a.dump", archives.custom(large))
    source = buckets.source

    note = postgresql.prepare(source, buckets.repository, "shop", [(None, "a.dump")], pace=Pace(2, 5 * MIB))

    assert source.received <= 256 << 10
    assert buckets.counted("UploadPartCopy") >= 3
    assert stored_points.list_points(buckets.s3, REPOSITORY) == ()
    assert read(buckets, note)[0].status == "READ"


def test_called_again_it_copies_nothing_again_and_a_second_worker_reads_nothing_again(buckets: Buckets) -> None:
    buckets.put("a.dump", CUSTOM)

    first = prepare(buckets, "a.dump")
    copies = buckets.counted("CopyObject")
    second = prepare(buckets, "a.dump")
    read(buckets, second)
    gets = buckets.counted("GetObject")
    [result] = read(buckets, second)

    assert (first, copies, buckets.counted("CopyObject")) == (second, 1, 1)
    # The note, and what the first worker found.
    assert buckets.counted("GetObject") - gets == 2
    assert result.status == "READ"


def test_what_pg_dumpall_leaves_is_one_point_of_all_databases(buckets: Buckets, tmp_path: Path) -> None:
    buckets.put("all/map.dat", b"# a comment\n5 shop\n16384 crm with a blank\n")
    buckets.put("all/toc.glo", b"PGDMP")
    buckets.put("all/databases/5.dmp", CUSTOM)
    put_directory(buckets, archives.directory(archives.shop("gzip"), tmp_path / "x"), "all/databases/16384/")

    note = prepare(buckets, "all/")
    assert [result.status for result in read(buckets, note)] == ["READ", "READ"]

    assert [backup.name for backup in publish(buckets, note).databases] == ["shop", "crm with a blank"]


def cut(body: bytes) -> bytes:
    return body[:-40]


@pytest.mark.parametrize("harm", [cut, lambda body: body[:-200] + b"\xff" * 50 + body[-150:]])
def test_a_damaged_dump_is_found_by_the_worker_and_makes_no_point(buckets: Buckets, harm: Callable[[bytes], bytes]) -> None:
    buckets.put("a.dump", harm(CUSTOM))

    [result] = read(buckets, prepare(buckets, "a.dump"))

    assert result.status == "FAILED"
    assert result.error
    assert result.error.name == "BackupDamaged"
    assert f"s3://{BACKUPS}/a.dump: " in result.error.message
    assert stored_points.list_points(buckets.s3, REPOSITORY) == ()


def test_a_copy_that_is_written_over_is_not_what_s3_copied(buckets: Buckets) -> None:
    buckets.put("a.dump", CUSTOM)
    note = prepare(buckets, "a.dump")
    buckets.s3.put_object(Bucket=REPOSITORY, Key=note.dumps[0].files[0].key, Body=archives.custom(archives.shop("zstd", database="x")))

    [result] = read(buckets, note)

    assert result.error
    assert result.error.name == "BackupDamaged"


@pytest.mark.parametrize(
    ("objects", "asked", "error", "sentence"),
    [
        ({"a.dump": b"PAR1 parquet"}, ["a.dump"], BackupUnreadable, "s3://team-backups/a.dump: "),
        ({"inv/manifest.json": b"{}", "inv/data/x.csv.gz": b"\x1f\x8b"}, ["inv"], BackupUnreadable, "no dump lies directly there"),
        ({"a.dump": CUSTOM}, ["b.dump"], SourceNotFound, "neither such an object nor anything below it"),
        ({"a.dump": CUSTOM, "b.dump": CUSTOM}, ["a.dump", "b.dump"], BackupUnreadable, "2 dumps are of the database 'shop'"),
        ({"d/toc.dat": CUSTOM}, ["d/"], BackupUnreadable, "is a custom-format dump: give that object"),
        (
            {"m/map.dat": b"5 shop\n", "m/databases/5.tar": b"x"},
            ["m"],
            BackupUnreadable,
            "5.tar: a tar file: run pg_dumpall with -Fc or -Fd",
        ),
        ({"m/map.dat": b"x y\n"}, ["m"], BackupUnreadable, "isn't an oid and a database's name"),
        ({"a.dump": b"-- PostgreSQL database dump\n"}, ["a.dump"], BackupUnreadable, "s3://team-backups/a.dump: "),
        ({"a.dump": archives.custom(archives.shop(database="x" * 64))}, ["a.dump"], RestoreRequestInvalid, "x"),
    ],
)
def test_what_can_be_no_point_is_refused_before_anything_is_copied(
    buckets: Buckets, objects: dict[str, bytes], asked: list[str], error: type[RestoreError], sentence: str
) -> None:
    for key, body in objects.items():
        buckets.put(key, body)

    with pytest.raises(error, match=sentence):
        prepare(buckets, *asked)

    assert (buckets.left(), buckets.counted("CopyObject")) == ([], 0)


def test_a_directory_that_lacks_a_file_or_holds_another_is_refused(buckets: Buckets, tmp_path: Path) -> None:
    put_directory(buckets, archives.directory(archives.shop("gzip"), tmp_path / "x"), "d/")
    buckets.put("d/sub/notes.txt", b"")
    with pytest.raises(BackupUnreadable, match=r"sub/notes\.txt doesn't belong to the dump"):
        prepare(buckets, "d/")
    rows = min(file.name for file in (tmp_path / "x").iterdir() if file.name[0].isdigit())
    for key in ("d/sub/notes.txt", f"d/{rows}"):
        buckets.s3.delete_object(Bucket=BACKUPS, Key=key)

    with pytest.raises(BackupDamaged, match=r"is missing"):
        prepare(buckets, "d/")


def test_an_archived_member_is_refused(buckets: Buckets, tmp_path: Path) -> None:
    put_directory(buckets, archives.directory(archives.shop("gzip"), tmp_path / "x"), "d/")
    name = next(file.name for file in (tmp_path / "x").iterdir() if file.name.endswith(".dat.gz"))
    buckets.put(f"d/{name}", b"x", StorageClass="DEEP_ARCHIVE")

    with pytest.raises(BackupArchived, match="retrieve it first"):
        prepare(buckets, "d/")

    assert buckets.left() == []


@pytest.mark.parametrize("versions", ["Enabled", "Suspended"])
def test_a_dump_that_is_written_over_after_the_look_is_copied_as_it_was_or_refused(buckets: Buckets, versions: str) -> None:
    buckets.s3.put_bucket_versioning(Bucket=BACKUPS, VersioningConfiguration={"Status": versions})
    buckets.put("a.dump", CUSTOM)
    buckets.meanwhile["CopyObject"] = lambda: buckets.put("a.dump", b"PGDMP of tomorrow")

    if versions == "Suspended":
        with pytest.raises(SourceChanged, match="was replaced or deleted after it had been looked at"):
            prepare(buckets, "a.dump")
        assert buckets.left() == []
    else:
        read(buckets, note := prepare(buckets, "a.dump"))
        assert publish(buckets, note).databases[0].files[0].sha256 == hashlib.sha256(CUSTOM).hexdigest()
