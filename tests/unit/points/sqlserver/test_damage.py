"""Damage in a native backup is found before RDS is asked, and nothing else is called damage."""

import random
import re
import struct
import time
import tracemalloc
from dataclasses import replace

import pytest

from dbrestore.contract.errors import BackupDamaged
from dbrestore.points.sqlserver.header import Lsn
from localcloud.backups.files import PAGE, Written, backup, compressed
from tests.unit.points.sqlserver.damages import (
    SECTOR,
    checked,
    complaint,
    flipped,
    header_of,
    mutated,
    overwritten,
    pages,
    records,
    resealed,
    stream,
    stripe,
    stripes,
    swapped,
    without_checksum,
)

BIG = Written(pages=3000)
SUMMED = backup(BIG)
PLAIN = backup(without_checksum(BIG))
COMPRESSED = compressed(Written(pages=1200))
# Reading a compressed header takes longer than judging the file.
COMPRESSED_HEADER = header_of(COMPRESSED)
PAGES = pages(PLAIN)
EXTENT = 8 * PAGE

WHOLE = {
    "with checksum": BIG,
    "plain": without_checksum(BIG),
    "differential": without_checksum(replace(BIG, kind="I")),
    "log": replace(BIG, kind="L"),
    "SQL Server 2005": replace(BIG, version=(9, 0, 3042)),
    "free pages": without_checksum(replace(BIG, free=40)),
    "torn-page detection": replace(BIG, protection="torn"),
    "no protection": without_checksum(replace(BIG, protection="none")),
    **{f"unit {unit}": replace(BIG, unit=unit, pages=400) for unit in (512, 1024, 4096, 8192, 65536)},
}


@pytest.mark.parametrize("what", WHOLE.values(), ids=WHOLE)
def test_a_whole_backup_is_not_damaged(what: Written) -> None:
    data = backup(what)

    found = checked(data)

    assert found.length == len(data)
    assert 0 < found.covered <= len(data)


@pytest.mark.parametrize("what", [Written(), Written(pages=1000), Written(pages=600, unit=4096), Written(kind="L")])
def test_a_whole_compressed_backup_is_not_damaged(what: Written) -> None:
    data = compressed(what)

    found = checked(data)

    assert found.records == sum(1 for _ in records(data))
    assert found.covered >= sum(size for _, size in records(data))


def test_what_was_recomputed_is_counted() -> None:
    plain, summed = checked(PLAIN), checked(SUMMED)
    begin, log = stream(SUMMED, b"MQTL")

    # Pages 4 and 5 of a file are zeros.
    assert plain.pages == len(PAGES) == plain.allocated_pages
    assert summed.covered - plain.covered == 2 * PAGE + log + 2 * 22
    assert begin
    assert summed.not_judged == ()


@pytest.mark.parametrize("piece", [1, 511, 4097, 70_000, 1 << 24])
def test_pieces_of_any_size_are_judged_alike(piece: int) -> None:
    small = backup(Written(pages=200))

    assert stripe(small, piece=piece).covered == stripe(small).covered
    assert stripe(COMPRESSED, piece=piece).covered == stripe(COMPRESSED).covered


def test_every_flipped_bit_of_a_page_in_use_is_found() -> None:
    chance = random.Random(1)
    for (file, page), at in chance.sample(sorted(PAGES.items()), 60):
        bit = chance.randrange(PAGE * 8)

        found = complaint(flipped(PLAIN, at * 8 + bit))

        assert f"page {file}:{page} " in found or bit // 8 < 64, (file, page, bit)
        # The flag that says there is a checksum is not under it.
        assert found or bit == 4 * 8 + 9


def test_the_sentence_names_page_place_and_how_many_more() -> None:
    at = PAGES[1, 100]
    one = overwritten(PLAIN, at + 5000, b"other")
    two = overwritten(one, PAGES[1, 150] + 300, b"bytes")

    assert complaint(one) == (
        f"is damaged: the checksum of page 1:100 at byte {at:,} is wrong: compare it with its original, or make it again"
    )
    assert f"page 1:100 at byte {at:,} is wrong, and those of 1 more page:" in complaint(two)


def test_every_flipped_bit_of_a_stream_with_checksum_is_found() -> None:
    chance = random.Random(2)
    for tag in (b"MQDA", b"MQTL"):
        begin, length = stream(SUMMED, tag)
        for _ in range(25):
            assert complaint(flipped(SUMMED, (begin + chance.randrange(length)) * 8 + chance.randrange(8)))


def test_every_flipped_bit_of_a_record_is_found_and_the_record_named() -> None:
    chance = random.Random(3)
    for number, (at, size) in enumerate(records(COMPRESSED), 1):
        data = flipped(COMPRESSED, (at + chance.randrange(size)) * 8 + chance.randrange(8))
        found = complaint(data, header=COMPRESSED_HEADER)

        assert f"the checksum of record {number} at byte {at - 28:,} is wrong" in found


@pytest.mark.parametrize("data", [SUMMED, COMPRESSED], ids=["with checksum", "compressed"])
def test_of_bits_anywhere_nearly_all_are_found(data: bytes) -> None:
    chance, header = random.Random(4), header_of(data)
    found = sum(bool(complaint(flipped(data, chance.randrange(len(data) * 8)), header=header)) for _ in range(200))

    # What isn't: padding, and in a record's header memory that means nothing.
    assert found >= 194


def test_swapped_pages_are_found() -> None:
    chance = random.Random(5)
    for _ in range(40):
        one, other = chance.sample(sorted(PAGES.values()), 2)

        assert "not in its place" in complaint(swapped(PLAIN, one, other))


def test_swapped_extents_are_found() -> None:
    one, other = PAGES[1, 80], PAGES[1, 160]

    found = complaint(swapped(PLAIN, one, other, EXTENT))

    assert re.search(r"page 1:88 at byte [\d,]+ comes after higher ones, so do \d+ more pages", found)


def test_a_page_that_is_zeros_or_noise_is_missed() -> None:
    for new in (bytes(PAGE), random.Random(6).randbytes(PAGE)):
        assert "page 1:77 is in use and not in its place" in complaint(overwritten(PLAIN, PAGES[1, 77], new))


def test_the_pages_of_the_pfs_are_missed_too() -> None:
    assert "page 1:1 is in use and not in its place" in complaint(overwritten(PLAIN, PAGES[1, 1], bytes(PAGE)))


@pytest.mark.parametrize("data", [PLAIN, SUMMED, COMPRESSED], ids=["plain", "with checksum", "compressed"])
def test_bytes_that_are_lost_or_added_are_found(data: bytes) -> None:
    chance, header = random.Random(7), header_of(data)
    for size in (1, 512, 4096, 65_536):
        at = chance.randrange(9000, len(data) - 9000 - size)

        assert complaint(data[:at] + data[at + size :], header=header), size
        assert complaint(data[:at] + bytes(size) + data[at:], header=header), size
    assert "goes on after its end at byte" in complaint(data + data, header=header)
    assert "ends after" in complaint(data[:-SECTOR], header=header)
    assert "goes on after its end" in complaint(data + bytes(SECTOR), header=header)


def test_a_filemark_that_names_another_place_is_damage() -> None:
    mark = PLAIN.rindex(b"SFMB")
    (said,) = struct.unpack_from("<Q", PLAIN, mark + 72)

    found = complaint(overwritten(PLAIN, mark + 72, struct.pack("<Q", said + 1024)))

    assert f"1,024 bytes fewer than the filemark at byte {mark:,} says" in found


def test_stripes_are_judged_together() -> None:
    files = stripes(without_checksum(replace(BIG, pages=1000, free=9)), 3)
    held = pages(files[1])
    lost = next(iter(sorted(held)))

    whole = checked(*files)

    assert whole.allocated_pages == sum(len(pages(file)) for file in files) - sum(
        1 for file in files for at in pages(file).values() if file[at + 60 : at + 64] == b"\xde\xad\xbe\xef"
    )
    broken = overwritten(files[1], held[lost] + 4000, b"other")
    assert f"page {lost[0]}:{lost[1]} at byte {held[lost]:,} of x.bak is wrong" in complaint(files[0], broken, files[2])
    zeroed = overwritten(files[1], held[lost], bytes(PAGE))
    assert f"page {lost[0]}:{lost[1]} is in use and not" in complaint(files[0], zeroed, files[2])


def test_free_pages_hold_what_they_like() -> None:
    what = without_checksum(replace(BIG, free=60))
    data = backup(what)
    in_use = pages(data)
    begin, length = stream(data, b"MQDA")
    chance = random.Random(8)
    free = range(begin + length - 60 * PAGE, begin + length, PAGE)
    for at in free:
        # Old bytes of the disk: of another database's file, of this one's other pages, or of no page.
        source = chance.choice(sorted(in_use.values()))
        kind = chance.randrange(3)
        new = (data[source : source + PAGE], data[source : source + PAGE], chance.randbytes(PAGE))[kind]
        data = overwritten(data, at, new)
        if kind == 0:
            data = resealed(data, at, page=(32, struct.pack("<I", chance.randrange(1 << 20))))

    assert complaint(data) == ""


def test_a_database_whose_pages_are_encrypted_is_not_judged() -> None:
    chance = random.Random(9)
    clear, random_headers = PLAIN, PLAIN
    for at in PAGES.values():
        clear = overwritten(clear, at + 96, chance.randbytes(PAGE - 96))
        random_headers = overwritten(random_headers, at, chance.randbytes(PAGE))

    assert any("encrypted database" in note for note in checked(clear).not_judged)
    assert checked(random_headers).pages == 0


def test_encrypted_pages_with_right_checksums_are_judged() -> None:
    chance, data = random.Random(10), PLAIN
    for at in PAGES.values():
        data = resealed(data, at, body=(96, chance.randbytes(PAGE - 96)))

    assert checked(data).pages == len(PAGES)
    assert complaint(flipped(data, (PAGES[1, 50] + 1000) * 8))


def test_pages_that_came_into_use_during_the_backup_need_not_be_there() -> None:
    data = resealed(PLAIN, PAGES[1, 1], lsn=(40, struct.pack("<IIH", 21, 160, 1)))
    data = overwritten(data, PAGES[1, 77], bytes(PAGE))

    found = checked(data)

    assert found.not_judged == ("whether all pages are there in 1 part of 63 MiB that was changed during the backup",)
    later = replace(header_of(PLAIN).backup_set, checkpoint_lsn=Lsn(21, 170, 1))
    assert "page 1:77 is in use" in complaint(data, header=replace(header_of(PLAIN), backup_set=later))


def test_torn_page_detection_is_told() -> None:
    notes = checked(backup(without_checksum(replace(BIG, protection="torn")))).not_judged

    assert notes == (f"{len(PAGES)} pages of 8,192 bytes: they have torn-page detection instead of a checksum",)


def test_a_stream_of_another_kind_is_told() -> None:
    found = PLAIN.index(b"OTCP")
    head = bytearray(PLAIN[found : found + 22])
    head[:4] = b"XYZW"
    head[20:22] = struct.pack("<H", _xor(head[:20]))

    notes = checked(overwritten(PLAIN, found, bytes(head))).not_judged

    assert re.fullmatch(r"[\d,]+ bytes in streams XYZW, whose layout is not known", notes[0])


def test_records_of_another_kind_are_told() -> None:
    at, _ = list(records(COMPRESSED))[3]
    unknown = overwritten(COMPRESSED, at - 28, b"\x77")
    other_layout = overwritten(COMPRESSED, 8, b"\x01")

    assert f"records from byte {at - 28:,} on: of an unknown kind" in checked(unknown, header=COMPRESSED_HEADER).not_judged
    assert "layout 1" in checked(other_layout, header=COMPRESSED_HEADER).not_judged[0]


def test_records_whose_checksums_are_all_other_are_told() -> None:
    data = COMPRESSED
    for at, _ in records(data):
        data = overwritten(data, at - 4, b"\0\0\0\0")

    assert "checksums of an unknown kind" in checked(data, header=COMPRESSED_HEADER).not_judged[0]


SMALL = [
    backup(Written(pages=300)),
    backup(Written(kind="L")),
    compressed(Written(pages=300)),
    backup(Written(unit=4096)),
]


def test_whatever_the_bytes_are_the_answer_is_a_verdict() -> None:
    judge_mutations(400, random.Random(11))


def judge_mutations(count: int, chance: random.Random) -> None:
    """No error but BackupDamaged, no hang, no memory."""
    headers = [header_of(data) for data in SMALL]
    for number in range(count):
        index = chance.randrange(len(SMALL))
        data = mutated(SMALL[index], chance)
        began = time.monotonic()
        complaint(data, header=headers[index])
        assert time.monotonic() - began < 10, number


def test_the_file_is_not_held() -> None:
    data = memoryview(PLAIN)
    check_header = header_of(PLAIN)
    stripe(PLAIN[: len(PLAIN)], check_header)
    tracemalloc.start()
    try:
        stripe(data, check_header)  # type: ignore[arg-type]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert len(data) > 1_500_000
    assert peak < 8 << 20


def test_a_file_that_was_judged_damaged_stays_so() -> None:
    with pytest.raises(BackupDamaged):
        stripe(PLAIN + b"x" * SECTOR)


def _xor(data: bytes | bytearray) -> int:
    found = 0
    for (word,) in struct.iter_unpack("<H", bytes(data)):
        found ^= word
    return found


def _pfs_says(data: bytes, numbers: range, what: int) -> bytes:
    return resealed(data, pages(data)[1, 1], bytes=(100 + numbers.start, bytes([what]) * len(numbers)))


def test_a_differential_holds_only_what_was_changed() -> None:
    differential = backup(without_checksum(replace(BIG, kind="I")))
    unheld = range(16, 24)
    assert not any((1, page) in pages(differential) for page in unheld)
    data = _pfs_says(differential, unheld, 0x40)

    assert complaint(data) == ""
    assert "page 1:16 is in use and not in its place, nor are 7 more pages" in complaint(data, header=header_of(PLAIN))


def test_a_free_extent_may_hold_what_is_in_use_elsewhere() -> None:
    higher = PLAIN[PAGES[1, 120] : PAGES[1, 120] + EXTENT]

    assert complaint(_pfs_says(overwritten(PLAIN, PAGES[1, 80], higher), range(80, 88), 0)) == ""


def test_free_pages_do_not_outvote_the_one_in_use() -> None:
    data = PLAIN
    for page in range(81, 88):
        data = overwritten(data, PAGES[1, page], PLAIN[PAGES[1, page - 40] : PAGES[1, page - 40] + PAGE])

    assert complaint(_pfs_says(data, range(81, 88), 0)) == ""


def test_an_encrypted_pfs_page_says_nothing() -> None:
    data = overwritten(PLAIN, PAGES[1, 77], bytes(PAGE))

    assert complaint(resealed(data, PAGES[1, 1], body=(96, random.Random(12).randbytes(PAGE - 96)))) == ""
