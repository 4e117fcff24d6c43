"""Framing: what was put into chunks comes out, and a block that isn't whole is refused."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbrestore.contract.errors import BackupDamaged
from dbrestore.contract.manifest import ArchiveFormat, Compression
from dbrestore.points.pgdump import blocks as pgdump_blocks
from tests.unit.points.pgdump import archives
from tests.unit.points.pgdump.test_codecs import ALL, cut

ROWS = b"".join(b"%d\tsome text\n" % i for i in range(2000))


def rows_of(block: bytes, compression: Compression = "none", size: int = 1 << 20, dump_id: int = 7) -> bytes:
    return b"".join(pgdump_blocks.table_rows(iter(cut(block, size)), "custom", compression, dump_id))


def block_of(rows: bytes, compression: Compression = "none", chunk: int = 4096) -> bytes:
    return b"\x01" + archives.number(7) + archives.chunks(archives.compress(rows + archives.TERMINATOR, compression), chunk)


@pytest.mark.parametrize("compression", ALL)
@given(lines=st.lists(st.text("ab\t\\Nä", max_size=9), max_size=40), chunk=st.integers(1, 60), size=st.integers(1, 90))
def test_rows_survive_any_chunking_and_any_reading(compression: Compression, lines: list[str], chunk: int, size: int) -> None:
    rows = "".join(line + "\n" for line in lines).encode()

    assert rows_of(block_of(rows, compression, chunk), compression, size) == rows


@pytest.mark.parametrize("compression", ALL)
@given(
    objects=st.dictionaries(st.integers(1, 2**32 - 1), st.binary(max_size=300), max_size=6),
    chunk=st.integers(1, 60),
    size=st.integers(1, 90),
)
def test_large_objects_survive_with_any_oid_and_content(compression: Compression, objects: dict[int, bytes], chunk: int, size: int) -> None:
    archive = archives.Archive((), objects={7: objects}, compression=compression)
    stored = cut(archives.objects_block(archive, 7), size)

    found = pgdump_blocks.large_objects(stored, "custom", compression, 7, tuple(objects))

    assert {oid: b"".join(content) for oid, content in found} == objects


def test_a_large_object_that_nobody_reads_is_skipped() -> None:
    archive = archives.Archive((), objects={7: {1: b"one" * 1000, 2: b"two"}}, compression="zstd")

    found = pgdump_blocks.large_objects([archives.objects_block(archive, 7)], "custom", "zstd", 7, (1, 2))

    assert [oid for oid, _ in found] == [1, 2]


def test_other_large_objects_than_the_manifests_are_damage() -> None:
    archive = archives.Archive((), objects={7: {1: b"one", 2: b"two"}})

    with pytest.raises(BackupDamaged, match="other large objects"):
        list(pgdump_blocks.large_objects([archives.objects_block(archive, 7)], "custom", "none", 7, (1, 3)))


@pytest.mark.parametrize("compression", ALL)
def test_a_directorys_member_files_give_rows_and_large_objects(compression: Compression) -> None:
    member = archives.compress(ROWS + archives.TERMINATOR, compression, gzip_file=True)
    content = archives.compress(b"picture", compression, gzip_file=True)

    rows = b"".join(pgdump_blocks.table_rows(cut(member, 100), "directory", compression, 7))
    [(oid, picture)] = [
        (oid, b"".join(pieces)) for oid, pieces in pgdump_blocks.large_objects([content], "directory", compression, 7, (5,))
    ]

    assert (rows, oid, picture) == (ROWS, 5, b"picture")


@pytest.mark.parametrize("compression", ALL)
def test_a_block_cut_anywhere_is_damaged(compression: Compression) -> None:
    block = block_of(ROWS, compression, 500)

    for length in range(len(block)):
        with pytest.raises(BackupDamaged):
            rows_of(block[:length], compression)


@pytest.mark.parametrize("compression", ALL)
def test_a_chunk_length_of_zero_ends_no_block_early(compression: Compression) -> None:
    block = bytearray(block_of(ROWS, compression, 500))
    block[6:11] = archives.number(0)

    with pytest.raises(BackupDamaged):
        rows_of(bytes(block), compression)


@pytest.mark.parametrize(
    ("block", "sentence"),
    [
        (block_of(ROWS) + b"\x01", "bytes follow"),
        (block_of(ROWS)[:6] + archives.number(-4) + b"rows", "length is negative"),
        (b"\x03" + block_of(ROWS)[1:], "block of large objects with dump id 7 was found where rows of 7"),
        (b"\x02" + block_of(ROWS)[1:], "byte 0 should begin a data block but is 2"),
        (b"\x01\x07" + block_of(ROWS)[2:], "sign of a number but is 7"),
        (b"\x01" + archives.number(8) + block_of(ROWS)[6:], "dump id 8 was found where rows of 7"),
    ],
)
def test_framing_that_cannot_be_is_named(block: bytes, sentence: str) -> None:
    with pytest.raises(BackupDamaged, match=sentence):
        rows_of(block)


@pytest.mark.parametrize("archive_format", ["custom", "directory"])
def test_the_stored_stream_is_read_to_its_end_so_that_its_checksum_is_looked_at(archive_format: ArchiveFormat) -> None:
    ended = []

    def stored() -> Iterator[bytes]:
        yield block_of(ROWS) if archive_format == "custom" else ROWS + archives.TERMINATOR
        ended.append(True)

    list(pgdump_blocks.table_rows(stored(), archive_format, "none", 7))

    assert ended == [True]
