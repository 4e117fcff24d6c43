"""The 8 KiB pages in a set's data streams, against their own checksums, their ids and what the file's PFS pages call allocated; and the
checksums of whole streams that WITH CHECKSUM adds."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.judge.blocks import Block, Stream, u16, u32, xor_words

PAGE, SECTOR, EXTENT = 8192, 512, 8
CHECKSUM, PFS, PFS_INTERVAL, ALLOCATED = 0x200, 11, 8088, 0x40
PageId = tuple[int, int]


@dataclass
class Pages:
    """What the pages of one set say. `bad`, `misplaced` and `bad_sums` are places in the stream of blocks, `missing` is (file, page)."""

    seen: int = 0
    summed: int = 0
    bad: list[int] = field(default_factory=list)
    stale: int = 0
    misplaced: list[int] = field(default_factory=list)
    missing: list[PageId] = field(default_factory=list)
    sums: int = 0
    bad_sums: list[int] = field(default_factory=list)
    covered: int = 0
    allocated: int = 0


def folded(data: bytes, start: int, end: int, total: int = 0) -> int:
    """For each sector of 512 bytes: x = rol32(x, 1) ^ XOR of its 128 words of 32 bits."""
    for at in range(start, end, SECTOR):
        total = ((total << 1 | total >> 31) & 0xFFFFFFFF) ^ xor_words(data[at : at + SECTOR], "<I")
    return total


def page_is_sound(data: bytes, at: int) -> bool:
    stored = u32(data, at + 60)
    page = bytearray(data[at : at + PAGE])
    page[60:64] = bytes(4)
    return folded(bytes(page), 0, PAGE) == stored


def is_page(data: bytes, at: int) -> bool:
    return data[at] == 1 and 1 <= data[at + 1] <= 22


def has_checksum(data: bytes, at: int) -> bool:
    return is_page(data, at) and bool(u16(data, at + 4) & CHECKSUM)


def page_id(data: bytes, at: int) -> PageId:
    return u16(data, at + 36), u32(data, at + 32)


def judged_pages(data: bytes, blocks: list[Block], whole: bool) -> Pages:
    """`whole`: the set has every extent in use, so that an allocated page that it lacks is a loss (a full backup in one stripe)."""
    found = Pages()
    _check_sums(data, blocks, found)
    streams = [stream for block in blocks for stream in block.streams if stream.tag == "MQDA" and stream.length > 2]
    summed_streams = {stream for block in blocks if block.stream("CSUM") for stream in block.streams}
    unsound: dict[int, bool] = {}
    for stream in streams:
        for at in _slots(stream):
            found.seen += 1
            if has_checksum(data, at):
                unsound[at] = not page_is_sound(data, at)
                found.summed += 1
                found.covered += 0 if stream in summed_streams else PAGE
    allocation = _allocation(data, [at for stream in streams for at in _slots(stream)], unsound)
    found.allocated = sum(allocation.values())
    places: dict[int, PageId] = {}
    for stream in streams:
        places.update(_check_places(data, stream, allocation, found))
    for at in (at for at, wrong in unsound.items() if wrong):
        if allocation.get(places.get(at, page_id(data, at)), True):
            found.bad.append(at)
        else:
            found.stale += 1
    if whole:
        found.missing = sorted({page for page, used in allocation.items() if used} - set(places.values()))
    return found


def _slots(stream: Stream) -> range:
    places = stream.aligned()
    return range(places.start, places.stop - PAGE + 1, PAGE)


def _check_sums(data: bytes, blocks: list[Block], found: Pages) -> None:
    for block in blocks:
        total = 0
        for stream in block.streams:
            if stream.tag in ("MQDA", "MQTL") and stream.length > 2:
                places = stream.aligned()
                total = folded(data, places.start, places.stop, total)
            if stream.tag == "CSUM":
                found.sums += 1
                found.covered += sum(len(each.aligned()) for each in block.streams if each.tag in ("MQDA", "MQTL") and each.length > 2)
                if total != u32(data, stream.payload):
                    found.bad_sums.append(stream.at)
                total = 0


def _allocation(data: bytes, slots: list[int], unsound: dict[int, bool]) -> dict[PageId, bool]:
    """Of every page that a sound PFS page speaks of, whether it is allocated."""
    allocation: dict[PageId, bool] = {}
    for at in slots:
        file, page = page_id(data, at)
        if is_page(data, at) and data[at + 1] == PFS and (page == 1 or page % PFS_INTERVAL == 0) and not unsound.get(at):
            first = 0 if page == 1 else page
            flags = data[at + 100 : at + 100 + PFS_INTERVAL]
            allocation.update({(file, first + number): bool(flag & ALLOCATED) for number, flag in enumerate(flags)})
    return allocation


def _check_places(data: bytes, stream: Stream, allocation: dict[PageId, bool], found: Pages) -> dict[int, PageId]:
    """Which page belongs where, by the extents that the stream brings."""
    before: PageId | None = None
    places: dict[int, PageId] = {}
    slots = _slots(stream)
    for number in range(0, len(slots), EXTENT):
        extent = slots[number : number + EXTENT]
        first = _first_page(data, extent)
        if first is None:
            continue
        if before is not None and first <= before:
            found.misplaced.append(extent[0])
        before = first
        for slot, at in enumerate(extent):
            places[at] = expected = (first[0], first[1] + slot)
            if allocation.get(expected) and not (data[at] == 1 and page_id(data, at) == expected):
                found.misplaced.append(at)
    return places


def _first_page(data: bytes, extent: range) -> PageId | None:
    """The extent's first page by the voice of most of its pages."""
    voices = Counter(_voices(data, extent))
    return voices.most_common(1)[0][0] if voices else None


def _voices(data: bytes, extent: range) -> Iterator[PageId]:
    for slot, at in enumerate(extent):
        file, page = page_id(data, at)
        if is_page(data, at) and page % EXTENT == slot:
            yield file, page - slot
