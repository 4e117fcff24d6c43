"""The judge's own sums, on bytes that anybody can check by hand."""

import struct

import pytest

from tests.judge.blocks import Block, Stream, mark_positions
from tests.judge.container import inflate, rotated_sum
from tests.judge.pages import PAGE, judged_pages


def test_the_two_examples_of_ms_xca_inflate() -> None:
    alphabet, thrice = bytearray(256), bytearray(256)
    alphabet[48], alphabet[49:59], alphabet[59:62], alphabet[128] = 0x50, b"\x55" * 10, b"\x45\x44\x04", 0x04
    thrice[48:50], thrice[128], thrice[143] = b"\x30\x23", 0x02, 0x20
    assert inflate(bytes(alphabet) + bytes.fromhex("d8523ed794115be9195ff9d67cdf8d0400000000"), 26) == b"abcdefghijklmnopqrstuvwxyz"
    assert inflate(bytes(thrice) + bytes.fromhex("a8dc0000ff2601"), 300) == b"abc" * 100


def test_what_is_no_table_is_not_inflated() -> None:
    with pytest.raises(ValueError, match="not a Huffman table"):
        inflate(bytes(300), 10)


def test_the_sum_of_a_record_turns_before_each_word() -> None:
    assert rotated_sum(struct.pack("<II", 0x80000001, 0x10)) == 0x13
    assert rotated_sum(b"\x01") == 1


@pytest.mark.parametrize(("newer", "start"), [(True, 72), (False, 60)], ids=["since 2008", "2005"])
def test_filemarks_of_2005_name_positions_twelve_bytes_earlier(newer: bool, start: int) -> None:
    mark = bytearray(512)
    struct.pack_into("<I", mark, 56, 2)
    if newer:
        struct.pack_into("<I", mark, 60, 72)
    struct.pack_into("<QQ", mark, start, 7 << 32, 1024)
    assert mark_positions(bytes(mark), Block("SFMB", 0, 512, ())) == (2, [7 << 32, 1024])


def summed_stream(data: bytes, checksum: int) -> tuple[bytes, Block]:
    """One data stream of `data` with its CSUM, as WITH CHECKSUM writes it."""
    payload = bytes(24) + data
    file = payload + bytes(22) + struct.pack("<I", checksum)
    return file, Block("MSDA", 0, len(file), (Stream("MQDA", 0, 2 + len(data)), Stream("CSUM", len(payload), 4)))


@pytest.mark.parametrize(("checksum", "bad"), [(3, 0), (5, 1)])
def test_with_checksum_sums_every_sector_of_a_stream(checksum: int, bad: int) -> None:
    data = bytearray(PAGE)
    struct.pack_into("<I", data, PAGE - 1024, 0)
    struct.pack_into("<I", data, PAGE - 512, 3)
    found = judged_pages(*_one(*summed_stream(bytes(data), checksum)), whole=False)
    assert (found.sums, len(found.bad_sums), found.covered) == (1, bad, PAGE)


def _one(file: bytes, block: Block) -> tuple[bytes, list[Block]]:
    return file, [block]


def page(number: int, type_: int = 1) -> bytearray:
    made = bytearray(PAGE)
    struct.pack_into("<BBBBH", made, 0, 1, type_, 0, 0, 0x200)
    struct.pack_into("<IH", made, 32, number, 1)
    struct.pack_into("<I", made, 60, 0)
    return made


def sealed(made: bytearray) -> bytes:
    """With its checksum: sixteen sectors of 128 words."""
    total = 0
    for sector in range(16):
        total = (total << 1 | total >> 31) & 0xFFFFFFFF
        for (word,) in struct.iter_unpack("<I", made[sector * 512 : sector * 512 + 512]):
            total ^= word
    struct.pack_into("<I", made, 60, total)
    return bytes(made)


def extent(allocated: int, stale: int) -> tuple[bytes, Block]:
    """Eight pages of file 1: 1 is its PFS page, which calls 0, 1 and `allocated` in use; the checksum of `stale` is another."""
    pages = [page(number) for number in range(8)]
    pages[1] = page(1, 11)
    for number in (0, 1, allocated):
        pages[1][100 + number] = 0x40
    made = [sealed(each) for each in pages]
    made[stale] = made[stale][:5000] + b"\1" + made[stale][5001:]
    data = bytes(24) + b"".join(made)
    return data, Block("MSDA", 0, len(data), (Stream("MQDA", 0, len(data) - 22),))


def test_old_bytes_on_a_free_page_are_no_damage_and_on_an_allocated_one_they_are() -> None:
    free = judged_pages(*_one(*extent(allocated=3, stale=5)), whole=True)
    used = judged_pages(*_one(*extent(allocated=5, stale=5)), whole=True)
    assert (free.bad, free.stale, free.misplaced, free.missing) == ([], 1, [], [])
    assert (used.bad, used.stale) == ([24 + 5 * PAGE], 0)
    assert (free.seen, free.summed, free.allocated) == (8, 8, 3)
