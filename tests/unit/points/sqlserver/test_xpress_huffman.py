"""What Microsoft's decoder would give, or an error: never a hang, never a foreign exception."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbrestore.contract.errors import BackupDamaged
from dbrestore.points.sqlserver import xpress_huffman
from tests.unit.points.sqlserver import backups as native_backups


def published_example() -> bytes:
    """MS-XCA, section 3.2: `abc` a hundred times, as three bytes and one copy of 297."""
    table = bytearray(256)
    table[48], table[49], table[128], table[143] = 0x30, 0x23, 0x02, 0x20
    return bytes(table) + bytes.fromhex("a8dc0000ff2601")


def test_the_published_example_inflates_to_what_it_stands_for() -> None:
    assert xpress_huffman.inflate(published_example(), 300) == b"abc" * 100


def test_no_more_than_asked_for_is_returned() -> None:
    assert xpress_huffman.inflate(published_example(), 10) == b"abcabcabca"


@given(st.binary(min_size=1, max_size=300))
def test_bytes_that_are_never_copied_come_back(data: bytes) -> None:
    assert xpress_huffman.inflate(native_backups.literal(data), len(data)) == data


def test_a_stream_that_ends_early_is_damage() -> None:
    with pytest.raises(BackupDamaged, match="ends in the middle"):
        xpress_huffman.inflate(native_backups.literal(b"x" * 100)[:-40], 100)


def test_a_copy_from_before_the_beginning_is_damage() -> None:
    table = bytearray(256)
    table[48], table[143] = 0x10, 0x10

    with pytest.raises(BackupDamaged, match="before its beginning"):
        xpress_huffman.inflate(bytes(table) + b"\xff" * 8, 100)


@pytest.mark.parametrize("table", [b"", bytes(256), b"\x99" * 255, b"\x98" + b"\x99" * 255], ids=["none", "0", "short", "over"])
def test_an_incomplete_set_of_codes_is_no_table(table: bytes) -> None:
    assert not xpress_huffman.is_table(table)
    with pytest.raises(BackupDamaged, match="no valid table"):
        xpress_huffman.inflate(table, 1)


@given(st.binary(max_size=200), st.integers(1, 2000))
def test_any_stream_ends_in_an_error_or_in_as_many_bytes_as_asked_for(stream: bytes, size: int) -> None:
    try:
        found = xpress_huffman.inflate(published_example()[:256] + stream, size)
    except BackupDamaged:
        return

    assert len(found) == size
