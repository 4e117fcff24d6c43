"""A restore point of native backups is whole and found again, or it is refused and nothing of it stays."""

import base64
import hashlib
import zlib
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import botocore.exceptions
import pytest

from dbrestore.contract import keys
from dbrestore.contract.errors import BackupDamaged, BackupUnreadable, RestoreRequestInvalid
from dbrestore.contract.manifest import Manifest, NativeDatabaseFile
from dbrestore.contract.sqlserver_errors import StripeMissing
from dbrestore.points import stored_points
from dbrestore.points.pgdump import adding as points
from dbrestore.points.sqlserver import adding as native_points
from tests.unit.points.conftest import BUCKET, leftovers
from tests.unit.points.pgdump.test_adding import WEIRD, dump
from tests.unit.points.sqlserver.backups import DATABASE, MEDIA, SET, Written, backup, compressed

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

FULL = Written()
LOG = replace(FULL, kind="L", set_id=UUID(int=3), last=(21, 180, 1), begun=datetime(2023, 3, 1))


def write(path: Path, what: Written = FULL) -> Path:
    path.write_bytes(backup(what))
    return path


def chain(folder: Path) -> list[Path]:
    """A striped full backup and a log, in no order."""
    return [
        write(folder / "log.trn", LOG),
        write(folder / "b.bak", replace(FULL, stripe=2, stripes=2)),
        write(folder / "a.bak", replace(FULL, stripe=1, stripes=2, pages=30)),
    ]


def test_a_point_is_loaded_as_it_was_made(s3: "S3Client", tmp_path: Path) -> None:
    made = native_points.add(s3, BUCKET, "crm-mssql", chain(tmp_path)).points[0]

    assert stored_points.load(s3, BUCKET, "crm-mssql") == made
    assert [(p.instance, p.point_id) for p in stored_points.list_points(s3, BUCKET)] == [("crm-mssql", made.point_id)]
    assert (made.engine, made.engine_version, made.databases) == ("sqlserver", "15.0.2080", ())


def test_the_manifest_says_what_the_headers_say(s3: "S3Client", tmp_path: Path) -> None:
    made = native_points.add(s3, BUCKET, "crm-mssql", chain(tmp_path)).points[0]

    [database] = made.native_databases
    full, log = database.backup_sets
    assert (database.name, database.source_name, database.database_id) == ("shop", "shop", str(DATABASE))
    assert (full.kind, log.kind, full.begun_at, log.begun_at) == ("FULL", "LOG", FULL.begun, LOG.begun)
    assert (full.set_id, full.media_set_id, full.server, full.version) == (
        str(SET),
        str(MEDIA),
        "HOST\\SQL",
        "15.0.2080",
    )
    assert (full.compressed, full.checksums, full.compatibility_level, full.database_version) == (False, True, 150, 904)
    assert (full.first_lsn, full.last_lsn, full.checkpoint_lsn, full.base_lsn) == (
        "21:153:37",
        "21:169:1",
        "21:153:37",
        "0:0:0",
    )
    assert full.database_files[0] == NativeDatabaseFile(logical_name="shop", physical_path="D:\\shop.mdf", size=8 << 20)
    assert (full.data_size, full.restored_size, database.restored_size) == (284_672, 9 << 20, 9 << 20)


def test_the_manifest_describes_exactly_the_stored_bytes(s3: "S3Client", tmp_path: Path) -> None:
    log, second, first = chain(tmp_path)

    made = native_points.add(s3, BUCKET, "crm-mssql", [log, second, first]).points[0]

    files = made.native_databases[0].files
    prefix = f"crm-mssql/{made.point_id}/shop/"
    assert [file.key for file in files] == [
        prefix + "01-full-1-of-2.bak",
        prefix + "01-full-2-of-2.bak",
        prefix + "02-log-1-of-1.bak",
    ]
    for file, path in zip(files, (first, second, log), strict=True):
        stored = s3.get_object(Bucket=BUCKET, Key=file.key)["Body"].read()
        assert stored == path.read_bytes()
        assert (file.length, file.sha256) == (len(stored), hashlib.sha256(stored).hexdigest())
        assert file.crc32 == base64.b64encode(zlib.crc32(stored).to_bytes(4, "big")).decode()


def test_a_compressed_backup_says_that_it_is(s3: "S3Client", tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(compressed())

    [database] = native_points.add(s3, BUCKET, "i", [tmp_path / "a"]).points[0].native_databases

    assert database.backup_sets[0].compressed


@pytest.mark.parametrize("name", WEIRD)
def test_a_database_may_have_any_name(s3: "S3Client", tmp_path: Path, name: str) -> None:
    made = native_points.add(s3, BUCKET, "i", [write(tmp_path / "a", replace(FULL, database=name))]).points[0]

    [database] = stored_points.load(s3, BUCKET, "i").native_databases
    segments = database.files[0].key.split("/")
    assert database.name == name
    assert (len(segments), segments[1]) == (4, made.point_id)
    assert segments[2] not in (".", "..", "")


def test_a_backup_may_be_given_another_name(s3: "S3Client", tmp_path: Path) -> None:
    [database] = native_points.add(s3, BUCKET, "i", [write(tmp_path / "a")], "crm").points[0].native_databases

    assert (database.name, database.source_name) == ("crm", "shop")
    assert "/crm/01-full" in database.files[0].key


def test_one_name_for_two_databases_is_refused(s3: "S3Client", tmp_path: Path) -> None:
    paths = [write(tmp_path / "a"), write(tmp_path / "b", replace(FULL, database="crm", set_id=UUID(int=9)))]

    with pytest.raises(RestoreRequestInvalid, match=r"2 databases \(crm, shop\)"):
        native_points.add(s3, BUCKET, "i", paths, "one")

    assert leftovers(s3) == []


def test_no_file_at_all_is_refused(s3: "S3Client") -> None:
    with pytest.raises(BackupUnreadable, match="no file was given"):
        native_points.add(s3, BUCKET, "i", [])


def test_the_newest_servers_version_is_the_points(s3: "S3Client", tmp_path: Path) -> None:
    crm = replace(FULL, database="crm", set_id=UUID(int=9), version=(9, 0, 5000))

    assert native_points.add(s3, BUCKET, "i", [write(tmp_path / "a"), write(tmp_path / "b", crm)]).points[0].engine_version == "15.0.2080"


def test_nothing_is_asked_of_s3_before_all_files_are_judged(s3: "S3Client", tmp_path: Path) -> None:
    asked: list[str] = []
    s3.meta.events.register("before-call.s3", lambda model, **_: asked.append(model.name))
    half = replace(FULL, database="crm", set_id=UUID(int=9), stripes=2)

    with pytest.raises(StripeMissing):
        native_points.add(s3, BUCKET, "i", [write(tmp_path / "a"), write(tmp_path / "b", half)])

    assert asked == []


def test_each_file_is_sent_once_and_the_manifest_last(s3: "S3Client", tmp_path: Path) -> None:
    sent: list[str] = []

    def note(params: dict[str, Any], model: Any, **_: object) -> None:
        if model.name in ("UploadPart", "PutObject"):
            sent.append(params["url_path"].rsplit("/", 1)[1])

    s3.meta.events.register("before-call.s3", note)

    native_points.add(s3, BUCKET, "i", chain(tmp_path))

    # Stripes are sent side by side.
    assert sorted(sent[:2]) == ["01-full-1-of-2.bak", "01-full-2-of-2.bak"]
    assert sent[2:] == ["02-log-1-of-1.bak", keys.MANIFEST]


@pytest.mark.parametrize("versioned", [False, True])
def test_a_file_that_grows_while_it_is_read_removes_the_whole_point(s3: "S3Client", tmp_path: Path, versioned: bool) -> None:
    if versioned:
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    paths = chain(tmp_path)

    def grow(done: int, total: int, label: str) -> None:
        # The log is read when both stripes were: these are read side by side.
        if label.endswith("a.bak"):
            with paths[0].open("ab") as growing:
                growing.write(bytes(512))

    with pytest.raises(BackupDamaged, match=r"log\.trn: had .* when it was judged"):
        native_points.add(s3, BUCKET, "i", paths, progress=grow)

    assert leftovers(s3) == []


def test_an_interruption_leaves_nothing_and_no_point(s3: "S3Client", tmp_path: Path) -> None:
    def interrupt(done: int, total: int, label: str) -> None:
        if label.endswith(".trn"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        native_points.add(s3, BUCKET, "i", chain(tmp_path), progress=interrupt)

    assert leftovers(s3) == []
    assert stored_points.list_points(s3, BUCKET) == ()


def test_a_manifest_that_cannot_be_written_leaves_nothing(s3: "S3Client", tmp_path: Path) -> None:
    def refuse(**_: object) -> None:
        raise botocore.exceptions.ConnectionClosedError(endpoint_url="https://s3")

    s3.meta.events.register("before-send.s3.PutObject", refuse)

    with pytest.raises(botocore.exceptions.ConnectionClosedError):
        native_points.add(s3, BUCKET, "i", chain(tmp_path))

    assert leftovers(s3) == []


def test_progress_counts_every_byte_of_all_files(s3: "S3Client", tmp_path: Path) -> None:
    paths = chain(tmp_path)
    seen: list[tuple[int, int, str]] = []

    native_points.add(s3, BUCKET, "i", paths, progress=lambda *call: seen.append(call))

    total = sum(path.stat().st_size for path in paths)
    assert {whole for _, whole, _ in seen} == {total}
    assert [done for done, _, _ in seen] == sorted(done for done, _, _ in seen)
    assert seen[-1] == (total, total, str(tmp_path / "log.trn"))


def test_a_file_larger_than_a_part_arrives_whole(s3: "S3Client", tmp_path: Path) -> None:
    path = write(tmp_path / "a", replace(FULL, pages=20_000))

    [database] = native_points.add(s3, BUCKET, "i", [path]).points[0].native_databases

    stored = s3.get_object(Bucket=BUCKET, Key=database.files[0].key)["Body"].read()
    assert hashlib.sha256(stored).hexdigest() == database.files[0].sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_manifest_of_dumps_from_before_is_still_read(s3: "S3Client", tmp_path: Path) -> None:
    made = points.add(s3, BUCKET, "i", [(None, dump(tmp_path / "dump"))])
    document = made.to_state()
    del document["nativeDatabases"]

    assert Manifest.model_validate(document) == made
