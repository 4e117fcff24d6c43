"""Each codec gives back what was compressed, in bounded pieces, and accepts nothing but one finished frame."""

import random
import re

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from dbrestore.contract.errors import BackupDamaged
from dbrestore.contract.manifest import Compression
from dbrestore.points.pgdump.codecs import PIECE, decompress
from tests.unit.points.pgdump import archives

FRAMED: list[Compression] = ["gzip", "lz4", "zstd"]
ALL: list[Compression] = ["none", *FRAMED]
# Half text, half noise: compressed and raw blocks in one frame.
SAMPLE = b"".join(b"%d\tsome text\n" % i for i in range(20000)) + random.Random(1).randbytes(300_000)


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[i : i + size] for i in range(0, len(data), size)]


def outcome(stored: bytes, compression: Compression) -> str:
    try:
        return f"decoded {sum(map(len, decompress([stored], compression)))} bytes"
    except BackupDamaged as error:
        return str(error)


@pytest.mark.parametrize("compression", ALL)
@given(data=st.binary(max_size=2000), size=st.integers(1, 500))
def test_what_was_compressed_comes_back(compression: Compression, data: bytes, size: int) -> None:
    stored = archives.compress(data, compression)

    assert b"".join(decompress(cut(stored, size), compression)) == data


@pytest.mark.parametrize("compression", ALL)
@pytest.mark.parametrize("size", [777, 70_000, 10**9])
def test_a_long_stream_comes_back_from_pieces_of_any_size(compression: Compression, size: int) -> None:
    stored = archives.compress(SAMPLE, compression)

    assert b"".join(decompress(cut(stored, size), compression)) == SAMPLE


def test_gzip_files_and_zlib_streams_are_both_read() -> None:
    for gzip_file in (True, False):
        stored = archives.compress(SAMPLE, "gzip", gzip_file=gzip_file)

        assert b"".join(decompress([stored], "gzip")) == SAMPLE


def test_zstd_frames_with_checksum_and_content_size_are_read_and_the_checksum_is_checked() -> None:
    frame = zstandard.ZstdCompressor(write_checksum=True, write_content_size=True).compress(SAMPLE)

    assert b"".join(decompress(cut(frame, 1000), "zstd")) == SAMPLE
    with pytest.raises(BackupDamaged, match="zstd"):
        list(decompress([frame[:-1] + bytes([frame[-1] ^ 1])], "zstd"))


@pytest.mark.parametrize("compression", ALL)
def test_an_empty_stream_is_an_empty_large_object(compression: Compression) -> None:
    assert list(decompress([], compression)) == []
    assert list(decompress([b""], compression)) == []


@pytest.mark.parametrize("compression", FRAMED)
def test_a_frame_cut_anywhere_is_damaged(compression: Compression) -> None:
    stored = archives.compress(SAMPLE, compression)

    for length in {1, 4, 10, len(stored) // 3, len(stored) // 2, len(stored) - 5, len(stored) - 1}:
        with pytest.raises(BackupDamaged):
            list(decompress(cut(stored[:length], 50_000), compression))


@pytest.mark.parametrize("compression", FRAMED)
@pytest.mark.parametrize("size", [1, 10**9])
def test_bytes_behind_the_frame_are_damage(compression: Compression, size: int) -> None:
    stored = archives.compress(b"rows", compression)

    for trailing in (b"x", stored):
        with pytest.raises(BackupDamaged, match="bytes follow"):
            list(decompress(cut(stored + trailing, size), compression))


def test_every_flipped_bit_of_gzip_data_is_found() -> None:
    stored = archives.compress(SAMPLE[:4000], "gzip")

    for position in range(2, len(stored), 7):
        damaged = bytearray(stored)
        damaged[position] ^= 1 << position % 8
        with pytest.raises(BackupDamaged):
            list(decompress([bytes(damaged)], "gzip"))


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
@given(position=st.integers(0, 3000), bit=st.integers(0, 7))
def test_a_flipped_bit_is_an_error_or_other_data_but_nothing_else(compression: Compression, position: int, bit: int) -> None:
    damaged = bytearray(archives.compress(SAMPLE[:20_000], compression))
    damaged[position % len(damaged)] ^= 1 << bit

    assert re.search(f"decoded|{compression}|bytes follow", outcome(bytes(damaged), compression))


@pytest.mark.parametrize("compression", FRAMED)
def test_pieces_stay_small_however_strongly_the_data_is_compressed(compression: Compression) -> None:
    stored = archives.compress(bytes(64 << 20), compression)

    sizes = [len(piece) for piece in decompress([stored], compression)]

    assert sum(sizes) == 64 << 20
    assert max(sizes) <= PIECE


def test_zstd_blocks_that_cannot_be_are_damage() -> None:
    frame = archives.compress(SAMPLE, "zstd")

    for header in (0b110, (1 << 21) - 8):
        with pytest.raises(BackupDamaged, match="impossible block"):
            list(decompress([frame[:6] + header.to_bytes(3, "little") + frame[9:]], "zstd"))
