"""Dumps in S3 are copied as they are and read by a worker; what it finds is what adding the same dump from a disk finds."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dbrestore.contract import keys
from dbrestore.contract.errors import (
    BackupArchived,
    BackupDamaged,
    BackupUnreadable,
    RestoreError,
    RestoreRequestInvalid,
    SourceChanged,
    SourceNotFound,
)
from dbrestore.contract.job import DatabaseResult, DatabaseServer, Job
from dbrestore.contract.manifest import DatabaseBackup, Manifest
from dbrestore.points import stored_points
from dbrestore.points.in_s3 import postgresql, unfinished
from dbrestore.points.in_s3.copying import Pace
from dbrestore.points.in_s3.unfinished import Unfinished
from dbrestore.points.pgdump import adding
from dbrestore.points.unfinished_point import write_manifest
from dbrestore.worker.base.job_folder import JobFolder
from dbrestore.worker.base.progress import ProgressWriter
from dbrestore.worker.postgresql.dumps import reading
from tests.unit.points.in_s3.conftest import BACKUPS, MIB, REPOSITORY, Buckets
from tests.unit.points.pgdump import archives

EVIDENCE = "evidence"
CUSTOM = archives.custom(archives.shop("zstd"))


def prepare(buckets: Buckets, *asked: str, names: list[str | None] | None = None, **more: Any) -> Unfinished:
    pairs = list(zip(names or [None] * len(asked), asked, strict=True))
    return postgresql.prepare(buckets.source, buckets.repository, "shop", pairs, **more)


def read(buckets: Buckets, note: Unfinished) -> list[DatabaseResult]:
    """As the worker does."""
    if EVIDENCE not in [bucket["Name"] for bucket in buckets.s3.list_buckets()["Buckets"]]:
        buckets.s3.create_bucket(Bucket=EVIDENCE, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    folder = JobFolder(buckets.s3, EVIDENCE, "restores/r-1/jobs/read/")
    server = DatabaseServer(host="", port=0, region="", ca_bundle="")
    job = Job(kind="read", restore_id="r-1", server=server, manifest=f"s3://{REPOSITORY}/{note.key}")
    return list(reading.run(buckets.s3, folder, job, ProgressWriter("read", lambda progress: None)))


def publish(buckets: Buckets, note: Unfinished) -> Manifest:
    """As ReadDumps does."""
    folder = JobFolder(buckets.s3, EVIDENCE, "restores/r-1/jobs/read/")
    backups = [folder.read_backup(number) for number in range(1, len(note.dumps) + 1)]
    write_manifest(buckets.s3, REPOSITORY, postgresql.manifest(note, [backup for backup in backups if backup]))
    return stored_points.load(buckets.s3, REPOSITORY, "shop")


def put_directory(buckets: Buckets, path: Path, prefix: str) -> None:
    for file in path.iterdir():
        buckets.put(prefix + file.name, file.read_bytes())


def comparable(backup: DatabaseBackup) -> dict[str, Any]:
    """Without where it lies, and without digests under a seed of each reading."""
    state = backup.model_dump(exclude={"files", "toc", "notes"})
    for member in (*state["tables"], *state["large_objects"]):
        member["stored"] = {name: member["stored"][name] for name in ("length", "sha256")}
        del member["content"]
    return state


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


WRONG = "0" * 64


@pytest.mark.parametrize("digest", [hashlib.sha256(CUSTOM).hexdigest(), hashlib.sha256(CUSTOM).hexdigest().upper(), "-"])
def test_a_digest_that_is_known_is_compared(buckets: Buckets, digest: str) -> None:
    buckets.put("a.dump", CUSTOM)

    note = prepare(buckets, "a.dump", digests=[digest])
    read(buckets, note)

    assert publish(buckets, note).databases[0].files[0].sha256 == hashlib.sha256(CUSTOM).hexdigest()


def test_another_digest_makes_no_point_and_no_worker_is_needed_to_see_it(buckets: Buckets) -> None:
    buckets.put("a.dump", CUSTOM)

    with pytest.raises(BackupDamaged, match=f"s3://{BACKUPS}/a.dump: the SHA-256 of its bytes is .*, --sha256 says {WRONG}"):
        prepare(buckets, "a.dump", digests=[WRONG])

    assert buckets.left() == []


def test_of_what_s3_copies_in_parts_the_worker_s_digest_is_compared(buckets: Buckets) -> None:
    shop = archives.shop("none")
    buckets.put("a.dump", archives.custom(replace(shop, rows={**shop.rows, 20: b"1\tx\n" * (2 * MIB)})))
    note = prepare(buckets, "a.dump", digests=[WRONG], pace=Pace(2, 5 * MIB))
    read(buckets, note)

    with pytest.raises(BackupDamaged, match=f"--sha256 says {WRONG}"):
        publish(buckets, note)


def test_a_directory_has_no_digest_of_its_own(buckets: Buckets, tmp_path: Path) -> None:
    put_directory(buckets, archives.directory(archives.shop("gzip"), tmp_path / "x"), "d/")

    with pytest.raises(RestoreRequestInvalid, match="is a directory, which has no SHA-256 of its own"):
        prepare(buckets, "d/", digests=[WRONG])
    buckets.put("a.dump", CUSTOM)
    with pytest.raises(RestoreRequestInvalid, match="64 hexadecimal digits"):
        prepare(buckets, "a.dump", digests=["x"])


def test_files_lie_directly_below_the_database(buckets: Buckets, tmp_path: Path) -> None:
    put_directory(buckets, archives.directory(archives.shop("gzip"), tmp_path / "x"), "d/")

    note = prepare(buckets, "d/")

    prefix = keys.database_prefix("shop", note.point_ids[0], "shop")
    assert {file.key for file in note.dumps[0].files} == {prefix + file.name for file in (tmp_path / "x").iterdir()}


def test_dumps_are_ordered_only_if_each_of_them_lies_in_a_place_to_copy_from(buckets: Buckets, tmp_path: Path) -> None:
    buckets.put("nightly/a.dump", CUSTOM)
    buckets.put("other/b.dump", CUSTOM)
    places = [f"s3://{BACKUPS}/nightly/"]

    ordered = prepare(buckets, "nightly/a.dump", names=["a"], copied_from=places)
    assert (ordered.ordered, buckets.counted("CopyObject"), buckets.left()) == (True, 0, [ordered.key, ordered.key])
    copied = prepare(buckets, "nightly/a.dump", "other/b.dump", names=["a", "b"], copied_from=places)

    assert (copied.ordered, buckets.counted("CopyObject")) == (False, 2)


def test_what_was_ordered_once_the_command_copies_when_the_place_is_no_longer_declared(buckets: Buckets) -> None:
    buckets.put("nightly/a.dump", CUSTOM)
    first = prepare(buckets, "nightly/a.dump", copied_from=[f"s3://{BACKUPS}/"])

    second = prepare(buckets, "nightly/a.dump")

    assert (first.ordered, second.ordered, first.point_ids) == (True, False, second.point_ids)
    assert read(buckets, second)[0].status == "READ"


def test_ordered_is_with_what_the_requester_agrees_to_pay(buckets: Buckets) -> None:
    buckets.put("nightly/a.dump", CUSTOM)
    places = [f"s3://{BACKUPS}/"]
    agreed = replace(buckets.repository, requester_pays=True)

    def asked(repository: Any) -> Unfinished:
        return postgresql.prepare(buckets.source, repository, "shop", [(None, "nightly/a.dump")], copied_from=places)

    assert [asked(buckets.repository).requester_pays, asked(agreed).requester_pays] == [False, True]
    assert unfinished.read(buckets.s3, REPOSITORY, asked(agreed).key).requester_pays
