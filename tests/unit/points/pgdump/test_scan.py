"""A dump is scanned once; everything that could not be replayed later is refused with its reason."""

import io
import os
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dbrestore.contract.errors import BackupDamaged, BackupUnreadable
from dbrestore.contract.manifest import Compression, TableMember
from dbrestore.points.pgdump import blocks as pgdump_blocks
from dbrestore.points.pgdump import scan as pgdump_scan
from tests.unit.points.pgdump import archives
from tests.unit.points.pgdump.archives import Archive, Entry
from tests.unit.points.pgdump.test_codecs import ALL

VERSIONS = [(1, minor) for minor in range(12, 17)]


def scanned(path: Path) -> tuple[pgdump_scan.Contents, bytes]:
    stored: list[bytes] = []
    contents = pgdump_scan.scan(path, pgdump_scan.peek(path), stored.append)
    return contents, b"".join(stored)


def file_of(archive: Archive, path: Path, change: Callable[[bytearray], object] = lambda _: None) -> Path:
    content = bytearray(archives.custom(archive))
    change(content)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("archive_format", ["custom", "directory"])
@pytest.mark.parametrize("compression", ALL)
def test_every_member_can_be_replayed_from_its_range_alone(
    tmp_path: Path, version: tuple[int, int], archive_format: str, compression: Compression
) -> None:
    archive = archives.shop("gzip" if version < (1, 15) and compression != "none" else compression, version)
    is_file = archive_format == "custom"
    path = file_of(archive, tmp_path / "dump") if is_file else archives.directory(archive, tmp_path / "dump")

    contents, stored = scanned(path)

    toc = pgdump_scan.peek(path)
    for member, rows in zip(contents.tables, archive.rows.values(), strict=True):
        part = stored[member.stored.offset :][: member.stored.length]
        found = b"".join(pgdump_blocks.table_rows([part], toc.format, toc.compression, member.dump_id))
        assert (found, member.rows, member.uncompressed_length) == (rows, rows.count(b"\n"), len(rows))
    found_objects = {}
    for large in contents.large_objects:
        part = stored[large.stored.offset :][: large.stored.length]
        found_in = pgdump_blocks.large_objects([part], toc.format, toc.compression, large.dump_id, large.oids)
        found_objects.update({oid: b"".join(pieces) for oid, pieces in found_in})
    assert found_objects == archive.objects[22]
    assert sum(o.uncompressed_length for o in contents.large_objects) == sum(map(len, found_objects.values()))
    assert len(stored) == pgdump_scan.stored_length(path)


def test_a_file_is_stored_as_it_is(tmp_path: Path) -> None:
    path = file_of(archives.shop("zstd"), tmp_path / "dump")

    contents, stored = scanned(path)

    assert stored == path.read_bytes()
    assert (contents.toc.offset, contents.toc.length) == (0, pgdump_scan.peek(path).length)


def test_a_directory_becomes_a_tar_that_unpacks_to_the_same_files(tmp_path: Path) -> None:
    path = archives.directory(archives.shop("zstd"), tmp_path / "dump")
    os.utime(path / "toc.dat", (1, 1))

    _, stored = scanned(path)
    again = scanned(path)[1]

    with tarfile.open(fileobj=io.BytesIO(stored)) as tar:
        unpacked = {m.name: tar.extractfile(m).read() for m in tar.getmembers()}  # type: ignore[union-attr]
        assert [(m.mtime, m.uid, m.uname) for m in tar.getmembers()] == [(0, 0, "")] * len(unpacked)
    assert unpacked == {p.name: p.read_bytes() for p in path.iterdir()}
    assert again == stored


def test_a_dump_written_into_a_pipe_has_no_offsets_and_is_walked(tmp_path: Path) -> None:
    archive = archives.shop("zstd")
    (tmp_path / "pipe").write_bytes(archives.custom(archive, seekable=False))

    contents, _ = scanned(tmp_path / "pipe")

    assert without_seeds(contents) == without_seeds(scanned(file_of(archive, tmp_path / "file"))[0])


def without_seeds(contents: pgdump_scan.Contents) -> list[TableMember]:
    """The members without their digests, which no two scans have in common."""
    return [replace(member, content=None) for member in contents.tables]


def redirected(archive: Archive) -> bytes:
    piped, complete = archives.custom(archive, seekable=False), archives.custom(archive)
    begin = len(archives.header(archive, 1))
    return piped + complete[begin : begin + len(archives.entries(archive, 1))]


def test_a_redirected_dump_repeats_its_toc_at_the_end(tmp_path: Path) -> None:
    archive = archives.shop("zstd")
    (tmp_path / "dump").write_bytes(redirected(archive))

    contents, stored = scanned(tmp_path / "dump")

    assert [t.rows for t in contents.tables] == [3000, 0]
    assert stored == (tmp_path / "dump").read_bytes()


@pytest.mark.parametrize("cut", [1, 9, 100])
def test_a_repeated_toc_that_is_cut_or_longer_is_damage(tmp_path: Path, cut: int) -> None:
    whole = redirected(archives.shop("zstd"))

    for content in (whole[:-cut], whole + bytes(cut)):
        (tmp_path / "dump").write_bytes(content)
        with pytest.raises(BackupDamaged, match="unknown bytes follow the last data block"):
            scanned(tmp_path / "dump")


def test_a_repeated_toc_with_other_offsets_is_damage(tmp_path: Path) -> None:
    content = redirected(archives.shop("zstd"))
    place = content.rindex(b"\x02" + content.index(b"\x01" + archives.number(20)).to_bytes(8, "little"))
    (tmp_path / "dump").write_bytes(content[: place + 1] + b"\xff" + content[place + 2 :])

    with pytest.raises(BackupDamaged, match="other offsets"):
        scanned(tmp_path / "dump")


@pytest.mark.parametrize("compression", ALL)
def test_a_file_cut_anywhere_is_damaged(tmp_path: Path, compression: Compression) -> None:
    small = {"rows": {20: b"1\tx\n" * 50, 21: b""}, "objects": {22: {16401: b"picture", 3000000001: b""}}}
    whole = archives.custom(replace(archives.shop(compression), **small))

    for length in range(len(archives.header(archives.shop(), 1)), len(whole)):
        (tmp_path / "dump").write_bytes(whole[:length])
        with pytest.raises(BackupDamaged):
            scanned(tmp_path / "dump")


@pytest.mark.parametrize("compression", ALL)
def test_a_file_with_garbage_at_its_end_is_damaged(tmp_path: Path, compression: Compression) -> None:
    for garbage in (
        b"\0",
        b"\x01",
        b"\n",
        bytes(5),
        bytes(512),
        b"<html>",
        archives.rows_block(archives.shop(compression), 20),
    ):
        path = file_of(archives.shop(compression), tmp_path / "dump", lambda content, g=garbage: content.extend(g))
        with pytest.raises(BackupDamaged):
            scanned(path)


def test_a_block_without_an_entry_and_an_entry_without_a_block_are_damage(tmp_path: Path) -> None:
    archive = archives.shop()
    block, toc = archives.rows_block(archive, 20), archives.header(archive, 1) + archives.entries(archive, 1)
    rest = archives.rows_block(archive, 21) + archives.objects_block(archive, 22)

    for content, sentence in (
        (toc + rest, "ends before the data of TABLE DATA public.orders"),
        (toc + block + block + rest, "dump id 20. has no entry"),
        (toc + b"\x03" + block[1:] + rest, "block of large objects .* has no entry"),
        (toc + block.replace(archives.number(20), archives.number(19), 1) + rest, "dump id 19. has no entry"),
    ):
        (tmp_path / "dump").write_bytes(content)
        with pytest.raises(BackupDamaged, match=sentence):
            scanned(tmp_path / "dump")


def test_offsets_of_the_toc_must_be_those_of_the_data(tmp_path: Path) -> None:
    archive = archives.shop()
    offset = archives.custom(archive).index(b"\x01" + archives.number(20)).to_bytes(8, "little")

    def shift(content: bytearray) -> None:
        place = content.index(b"\x02" + offset)
        content[place + 1] ^= 4

    with pytest.raises(BackupDamaged, match="the table of contents says"):
        scanned(file_of(archive, tmp_path / "dump", shift))


def test_damage_is_named_by_its_table(tmp_path: Path) -> None:
    archive = replace(archives.shop(), rows={20: b"1\tx\n2\n", 21: b""})

    with pytest.raises(BackupDamaged, match=r"TABLE DATA public\.orders: 2 rows of 2 columns need 2 tabs but have 1"):
        scanned(file_of(archive, tmp_path / "dump"))


@pytest.mark.parametrize("archive_format", ["custom", "directory"])
@pytest.mark.parametrize("version", [(1, 14), (1, 16)])
def test_a_large_object_that_the_toc_creates_must_have_its_content(tmp_path: Path, version: tuple[int, int], archive_format: str) -> None:
    archive = replace(archives.shop(version=version), objects={22: {16401: b"picture"}})
    is_file = archive_format == "custom"
    path = file_of(archive, tmp_path / "dump") if is_file else archives.directory(archive, tmp_path / "dump")

    with pytest.raises(BackupDamaged, match="holds 1 large objects but its table of contents names 2"):
        scanned(path)


@pytest.mark.parametrize(
    ("entries", "sentence"),
    [
        ((Entry(20, "TABLE DATA", "t", "s", copy="COPY s.t (a) FROM stdin;\n", has_data=True),), "without --data-only"),
        ((Entry(1, "TABLE", "t", "s"), Entry(20, "TABLE DATA", "t", "s", has_data=True)), "made with --inserts"),
        ((Entry(20, "STATISTICS DATA", "t", "s", has_data=True),), "data of an unknown kind"),
    ],
)
def test_data_that_could_not_be_replayed_is_refused_early(tmp_path: Path, entries: tuple[Entry, ...], sentence: str) -> None:
    path = file_of(Archive(entries, rows={20: b""}), tmp_path / "dump")

    with pytest.raises(BackupUnreadable, match=sentence):
        pgdump_scan.peek(path)


@pytest.mark.parametrize("name", ["20.dat.zst", "blobs_22.toc", "blob_16401.dat.zst"])
def test_a_missing_member_file_is_damage(tmp_path: Path, name: str) -> None:
    path = archives.directory(archives.shop("zstd"), tmp_path / "dump")
    (path / name).unlink()

    with pytest.raises(BackupDamaged, match=f"{name}.* is missing"):
        scanned(path)


@pytest.mark.parametrize("name", [".DS_Store", "19.dat.zst", "20.dat", "blob_1.dat.zst", "nested"])
def test_a_file_that_the_dump_does_not_know_is_refused(tmp_path: Path, name: str) -> None:
    path = archives.directory(archives.shop("zstd"), tmp_path / "dump")
    (path / name).mkdir() if name == "nested" else (path / name).write_bytes(b"")

    with pytest.raises(BackupUnreadable, match="doesn't belong to the dump"):
        scanned(path)


@pytest.mark.parametrize("name", ["20.dat", "blobs_22.toc", "blob_16401.dat", "toc.dat"])
def test_a_link_is_not_followed(tmp_path: Path, name: str) -> None:
    path = archives.directory(archives.shop(), tmp_path / "dump")
    (path / name).rename(tmp_path / "private")
    (path / name).symlink_to(tmp_path / "private")

    with pytest.raises(BackupUnreadable, match=f"{name} is a symbolic link, which isn't followed"):
        scanned(path)


@pytest.mark.parametrize("name", ["20.dat", "blob_16401.dat"])
def test_a_named_pipe_is_refused_and_not_waited_for(tmp_path: Path, name: str) -> None:
    path = archives.directory(archives.shop(), tmp_path / "dump")
    (path / name).unlink()
    os.mkfifo(path / name)

    with pytest.raises(BackupUnreadable, match=f"{name} doesn't belong to the dump, it isn't a file"):
        scanned(path)


@pytest.mark.parametrize("replaced", [Path.symlink_to, lambda path, _: os.mkfifo(path)])
def test_what_takes_a_files_place_after_the_first_look_is_refused(tmp_path: Path, replaced: Callable[[Path, Path], None]) -> None:
    path = archives.directory(archives.shop(), tmp_path / "dump")
    toc = pgdump_scan.peek(path)
    (path / "blob_16401.dat").rename(tmp_path / "private")
    replaced(path / "blob_16401.dat", tmp_path / "private")

    with pytest.raises((BackupUnreadable, BackupDamaged), match=r"blob_16401.dat (can't be read|is missing)"):
        pgdump_scan.scan(path, toc, lambda _: None)


def test_a_link_to_a_dump_is_followed_because_the_user_typed_it(tmp_path: Path) -> None:
    (tmp_path / "latest").symlink_to(archives.directory(archives.shop(), tmp_path / "dump"))

    assert [t.rows for t in scanned(tmp_path / "latest")[0].tables] == [3000, 0]


def configured(dependencies: tuple[int, ...], *extensions: str) -> Archive:
    """As pg_dump writes the rows of an extension's configuration table: no TABLE entry, and a dependency on one that isn't there."""
    made = tuple(Entry(2 + n, "EXTENSION", name, owner="") for n, name in enumerate(extensions))
    copy = "COPY public.spatial_ref_sys (srid) FROM stdin;\n"
    rows = Entry(20, "TABLE DATA", "spatial_ref_sys", "public", copy=copy, has_data=True, dependencies=dependencies)
    return Archive((*made, Entry(10, "TABLE", "own", "public"), rows), rows={20: b"9001\n"})


@pytest.mark.parametrize(
    ("dependencies", "extensions", "told"),
    [
        ((220,), ("geo",), "geo"),
        ((220,), ("postgis", "pg_cron"), "postgis"),
        ((220,), ("geo", "pg_cron"), ""),
        ((220, 3), ("geo", "pg_cron"), "pg_cron"),
        ((220,), (), ""),
    ],
)
def test_rows_of_an_extensions_table_are_told_as_that(
    tmp_path: Path, dependencies: tuple[int, ...], extensions: tuple[str, ...], told: str
) -> None:
    [member] = scanned(file_of(configured(dependencies, *extensions), tmp_path / "dump"))[0].tables

    assert (member.extension, member.rows) == (told, 1)


def test_rows_whose_table_is_simply_missing_are_still_refused(tmp_path: Path) -> None:
    renamed = configured((10,), "geo")
    alone = replace(configured((220,)), entries=configured((220,)).entries[-1:])

    for archive in (renamed, alone):
        with pytest.raises(BackupUnreadable, match="the table itself isn't in the dump: dump again without --data-only"):
            scanned(file_of(archive, tmp_path / "dump"))


@pytest.mark.parametrize("member", ["../../etc/passwd", "toc.dat", "/etc/passwd", ""])
def test_a_member_name_never_leads_out_of_the_directory(tmp_path: Path, member: str) -> None:
    archive = archives.shop()
    entries = tuple(replace(e, member=member) if e.dump_id == 20 else e for e in archive.entries)
    (tmp_path / "dump").mkdir()
    (tmp_path / "dump" / "toc.dat").write_bytes(archives.header(archive, 3) + archives.entries(replace(archive, entries=entries), 3))

    with pytest.raises(BackupDamaged, match="impossible file"):
        scanned(tmp_path / "dump")


@pytest.mark.parametrize("line", ["16401 ../toc.dat\n", "16401 blob_16401.dat", "x blob_x.dat\n", "16401\n", "16401 blob_1.dat\n"])
def test_a_list_of_large_objects_that_cannot_be_is_damage(tmp_path: Path, line: str) -> None:
    path = archives.directory(archives.shop(), tmp_path / "dump")
    (path / "blobs_22.toc").write_text(line)

    with pytest.raises(BackupDamaged, match="impossible line"):
        scanned(path)


def test_a_toc_file_with_bytes_behind_it_is_damage(tmp_path: Path) -> None:
    path = archives.directory(archives.shop(), tmp_path / "dump")
    with (path / "toc.dat").open("ab") as file:
        file.write(b"\0")

    with pytest.raises(BackupDamaged, match="bytes follow the table of contents"):
        scanned(path)


def test_a_dump_that_still_grows_is_damage(tmp_path: Path) -> None:
    path = file_of(archives.shop(), tmp_path / "dump")
    toc = pgdump_scan.peek(path)
    file_of(archives.shop(database="other"), path)

    with pytest.raises(BackupDamaged, match="changed while it was read"):
        pgdump_scan.scan(path, toc, lambda _: None)


def test_a_member_file_that_still_grows_is_damage(tmp_path: Path) -> None:
    path = archives.directory(archives.shop(), tmp_path / "dump")

    def grow(stored: bytes) -> None:
        if stored.startswith(b"blob_16401.dat"):
            with (path / "blob_16401.dat").open("ab") as file:
                file.write(b"more")

    with pytest.raises(BackupDamaged, match=r"blob_16401\.dat changed while it was read"):
        pgdump_scan.scan(path, pgdump_scan.peek(path), grow)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda p: p / "nothing", "no such file or directory"),
        (lambda p: p, "a directory without toc.dat"),
        (lambda p: archives.directory(archives.shop(), p / "d") / "toc.dat", "give the directory instead of the file"),
    ],
)
def test_a_path_that_is_no_dump_is_refused(tmp_path: Path, make: Callable[[Path], Path], sentence: str) -> None:
    with pytest.raises(BackupUnreadable, match=sentence):
        pgdump_scan.peek(make(tmp_path))


def test_a_data_directory_and_a_wrapped_custom_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "PG_VERSION").write_text("17\n")
    with pytest.raises(BackupUnreadable, match="a server's data directory"):
        pgdump_scan.peek(tmp_path)

    file_of(archives.shop(), tmp_path / "toc.dat")
    with pytest.raises(BackupUnreadable, match="give that file instead of the directory"):
        pgdump_scan.peek(tmp_path)
