"""The synthetic backups against real ones: the same blocks and streams, and checksums whose rules hold on real bytes."""

import struct
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, groupby, pairwise

import pytest

from localcloud.backups.checksums import page_checksum, record_checksum, stream_checksum
from localcloud.backups.files import PAGE, Written, backup, backup_of_sets, compressed, files_of
from tests.unit.localcloud.sqlserver.native_walk import Part, carried, marks, records, walk
from tests.unit.points.sqlserver.test_samples import SAMPLES

real = pytest.mark.skipif(not SAMPLES.is_dir(), reason="no sample backups here (DBRESTORE_SAMPLES)")
OF_2008 = Written(version=(10, 50, 4042), flags=0x200)
# Of each real file what was read out of it by hand: 64 KiB of data are 128 sectors.
LIKE = [
    ("full-2008r2.bak", replace(OF_2008, pages=23 * 128)),
    ("differential-2008r2.bak", replace(OF_2008, kind="I", pages=4 * 128)),
    ("log-2008r2.trn", replace(OF_2008, kind="L")),
    ("stripe-1-of-2.bak", replace(OF_2008, stripes=2, pages=12 * 128)),
    ("stripe-2-of-2.bak", replace(OF_2008, stripes=2, stripe=2, pages=12 * 128)),
    ("full-2019.bak", Written(flags=0x200, pages=57 * 128)),
]
UNITS = [512, 1024, 2048, 4096, 8192, 16384, 32768]


def pages(data: bytes) -> Iterator[bytes]:
    for part in walk(data):
        if part.tag == "MQDA":
            said = carried(data, part)
            yield from (said[at : at + PAGE] for at in range(0, len(said), PAGE))


def ids(data: bytes) -> list[tuple[int, int]]:
    """(file, page) of the pages, without the ones of zeros and what fills a stripe up."""
    return [struct.unpack_from("<HxxI", page[36:40] + page[32:36]) for page in pages(data) if page[0] == 1 and page[1] < 100]


def shape(data: bytes) -> list[tuple[str, int]]:
    """Blocks and streams with their attributes; what a real set has several of (log files, pages changed meanwhile) once."""
    parts = [(part.tag, part.attributes) for part in walk(data)]
    blocks = [list(group) for group in _blocks(parts)]
    return [part for block, _ in groupby(blocks) for part in block]


def _blocks(parts: list[tuple[str, int]]) -> Iterator[list[tuple[str, int]]]:
    starts = [n for n, (tag, _) in enumerate(parts) if tag in {"TAPE", "SFMB", "SSET", "VOLB", "MSCI", "MSDA", "MSTL", "MSLS", "ESET"}]
    for start, end in pairwise([*starts, len(parts)]):
        yield parts[start:end]


@real
@pytest.mark.parametrize(("name", "what"), LIKE)
def test_a_written_file_has_the_blocks_and_streams_of_a_real_one(name: str, what: Written) -> None:
    assert shape(backup(what)) == shape((SAMPLES / name).read_bytes())


@real
@pytest.mark.parametrize(("name", "what"), LIKE)
def test_a_written_file_begins_and_ends_where_a_real_one_does(name: str, what: Written) -> None:
    ours, theirs = backup(what), (SAMPLES / name).read_bytes()

    def ends(data: bytes) -> list[tuple[str, int]]:
        return [(part.tag, len(data) - part.position) for part in walk(data) if part.tag in {"SFMB", "ESET", "OTCP", "TSMP"}][-4:]

    def begins(data: bytes) -> list[tuple[str, int]]:
        return [(part.tag, part.position) for part in walk(data) if part.tag in {"TAPE", "SFMB", "SSET", "VOLB", "MSCI"}][:5]

    assert begins(ours) == begins(theirs)
    assert ends(ours) == ends(theirs)
    assert [names for _, names in marks(ours, 72)][:2] == [names for _, names in marks(theirs, 72)][:2] == [[], [1024]]


@real
def test_a_written_compressed_file_has_the_records_and_blocks_of_a_real_one() -> None:
    what = Written(version=(13, 0, 1500), flags=0x200, pages=48 * 128)
    (ours, our_blocks), (theirs, their_blocks) = (
        records(compressed(what)),
        records((SAMPLES / "compressed-2016.bak").read_bytes()),
    )

    assert [record.kind for record in ours] == [record.kind for record in theirs]
    assert shape(our_blocks) == shape(their_blocks)


@real
@pytest.mark.parametrize("sample", ["compressed-2016.bak", ""])
def test_the_checksums_of_records_and_of_the_index_hold(sample: str) -> None:
    data = (SAMPLES / sample).read_bytes() if sample else compressed(Written(pages=3000))
    found, _ = records(data)

    for kind, position, payload in found:
        if kind == 0x21:
            assert record_checksum(payload) == struct.unpack_from("<I", data, position + 24)[0]
        if kind == 0x2C:
            count, _, checksum = struct.unpack_from("<III", payload, 4)
            assert record_checksum(payload[16 : 16 + 16 * count]) == checksum
    assert {kind for kind, _, _ in found} == {0x21, 0x24, 0x2C}


@real
@pytest.mark.parametrize("name", ["full-2008r2.bak", "stripe-1-of-2.bak", "stripe-2-of-2.bak", "chain-a-differential.bak"])
def test_the_checksum_of_a_page_holds_on_real_ones(name: str) -> None:
    checked = [
        page_checksum(page) == struct.unpack_from("<I", page, 60)[0]
        for page in pages((SAMPLES / name).read_bytes())
        if page[0] == 1 and page[1] < 23 and struct.unpack_from("<H", page, 4)[0] & 0x200
    ]

    assert len(checked) > 20
    assert all(checked)


@pytest.mark.parametrize("what", [Written(pages=3000), Written(kind="I", pages=900), Written(stripes=3, stripe=2, pages=900)])
def test_pages_have_their_checksums_and_stand_in_order(what: Written) -> None:
    data = backup(what)

    for page in pages(data):
        if page[0] == 1 and page[1] < 100:
            assert page_checksum(page) == struct.unpack_from("<I", page, 60)[0]
    assert ids(data) == sorted(set(ids(data)))


@pytest.mark.parametrize("protection", ["checksum", "torn", "none"])
@pytest.mark.parametrize("kind", ["D", "L"])
def test_stream_csum_is_the_checksum_of_what_the_stream_before_it_carries(protection: str, kind: str) -> None:
    data = backup(Written(kind=kind, free=5, pages=700, protection=protection))  # type: ignore[arg-type]
    parts = walk(data)

    checked = [_said(data, after) == stream_checksum(carried(data, before)) for before, after in pairwise(parts) if after.tag == "CSUM"]

    assert checked == [True] * (2 if kind == "D" else 1)
    assert not [part for part in walk(backup(Written(flags=0x200))) if part.tag == "CSUM"]


def _said(data: bytes, part: Part) -> int:
    return int.from_bytes(data[part.position : part.position + 4], "little")


def test_torn_page_detection_marks_each_sectors_end() -> None:
    page = list(pages(backup(Written(protection="torn"))))[9]

    assert struct.unpack_from("<H", page, 4)[0] == 0x100
    assert {page[512 * sector + 511] & 3 for sector in range(1, 16)} == {1}


def test_pfs_says_which_pages_are_there_and_which_are_free() -> None:
    data = backup(Written(pages=8200 * 16, free=9))
    numbers = {number for _, number in ids(data)}
    allocated = {
        start + n
        for start, page in ((struct.unpack_from("<I", page, 32)[0] // 8088 * 8088, page) for page in pages(data) if page[1] == 11)
        for n in range(8088)
        if page[100 + n] & 0x40
    }

    assert allocated <= numbers
    assert max(allocated) == 8200 - 9 - 1


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("sets", [1, 3])
@pytest.mark.parametrize("version", [(9, 0, 5000), (15, 0, 2080)])
def test_filemarks_name_all_those_before_them(unit: int, sets: int, version: tuple[int, int, int]) -> None:
    data = backup(Written(unit=unit, sets=sets, version=version))
    found = marks(data, 60 if version[0] == 9 else 72)
    before: list[int] = []

    for position, named in found:
        assert named == before
        assert position % unit == 0
        before.insert(0, position)
    assert len(found) == 1 + 2 * sets
    assert [data[part.position + 78] for part in walk(data) if part.tag == "ESET"] == [n for n in range(1, sets + 1) for _ in "12"]


@pytest.mark.parametrize("unit", [512, 4096])
def test_several_sets_may_be_striped_and_compressed(unit: int) -> None:
    full = Written(stripes=2, unit=unit, pages=300)
    for stripe in files_of([full, replace(full, kind="L")]):
        assert [part.tag for part in walk(stripe)].count("SSET") == 2
    _, blocks = records(compressed(replace(full, sets=2)))
    assert [part.tag for part in walk(blocks)].count("SSET") == 2


def test_the_first_record_is_the_tape_alone_as_long_as_a_unit() -> None:
    found, blocks = records(compressed(Written(unit=4096)))

    assert next(part.position for part in walk(blocks) if part.tag == "SFMB") == 4096
    assert found[0].kind == 0x21


def test_the_last_header_says_when_it_finished_and_its_status_is_the_boot_pages() -> None:
    data = backup(Written(recovery="SIMPLE", protection="torn"))
    first, last = (part.position for part in walk(data) if part.tag == "MQCI")

    assert data[first + 82 : first + 87] == bytes(5)
    assert data[last + 82 : last + 87] > data[last + 77 : last + 82]
    assert data[first + 244 : first + 248] == list(pages(data))[9][132:136] == struct.pack("<I", 0x18)


def test_all_extents_are_on_one_stripe_each() -> None:
    stripes = [ids(stripe) for stripe in files_of([Written(stripes=3, pages=900)])]

    assert sorted(chain.from_iterable(stripes)) == ids(backup(Written(pages=(3 * 8 - 1) * 128)))


def test_media_and_unit_are_the_first_sets() -> None:
    data = backup_of_sets([Written(unit=4096), Written(kind="L")])

    assert [position % 4096 for position, _ in marks(data, 72)] == [0] * 5
