"""Pages of 8 KiB as stream MQDA of a backup holds them: extents of eight, the database's own pages where SQL Server has them.

Page 0 of a file describes it, 1 (and every 8,088th) says which pages are allocated (PFS), 2 and 3 which extents (GAM, SGAM), 6 and 7
what changed since a full backup, 9 of the first file is the boot page; 4 and 5 are zeros. The others are the database's rows. Two pages
of rows differ by their ids alone, so that hundreds of MB are written as fast as they are copied: a checksum is linear in every word.
"""

import struct
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Final, NamedTuple

from localcloud.backups.blocks import utf16
from localcloud.backups.checksums import SECTOR, page_checksum, stream_checksum, turned
from localcloud.backups.written import EXTENT, PAGE, Protection, Written

PER_EXTENT: Final = 8
PFS_INTERVAL: Final = 8088
CHECKSUM, TORN = 0x200, 0x100
ALLOCATED: Final = 0x40

_HEADER: Final = 96
_BITS: Final = 194
_FLAGS: Final[dict[Protection, int]] = {"checksum": CHECKSUM, "torn": TORN, "none": 0}
# The type of a page, in its second byte.
_FILE, _PFS, _GAM, _SGAM, _CHANGED, _MINIMAL, _BOOT = 15, 11, 8, 9, 16, 17, 13
_ROWS: Final = (1, 2, 1, 10, 3)
# What fills a stripe that got an extent less than the others: memory that was never a page. So it was in a real pair of stripes.
_FILLING: Final = 0x65
_SECTORS: Final = PAGE // SECTOR


class Extent(NamedTuple):
    """Eight pages from `start` on of the file with this number; -1 for one that only fills a stripe up."""

    file: int
    start: int


class Pages(NamedTuple):
    """What stream MQDA holds, its checksum, and how many pages of each file."""

    data: bytes
    checksum: int
    counts: dict[int, int]


def of_stripe(what: Written) -> Pages:
    """The pages that stripe `what.stripe` holds: extents are dealt out in turn, a stripe that got one less is filled up."""
    stripes = max(1, what.stripes)
    own = extents(what)[what.stripe - 1 :: stripes]
    own += [Extent(0, -1)] * (-(-len(extents(what)) // stripes) - len(own))
    counts: dict[int, int] = {}
    for extent in extents(what):
        counts[extent.file] = counts.get(extent.file, 0) + PER_EXTENT
    data, folded = bytearray(), 0
    for page, fold in _pages(what, own):
        data += page
        folded = turned(folded, _SECTORS) ^ fold
    return Pages(bytes(data), folded, counts)


@lru_cache(maxsize=8)
def extents(what: Written) -> list[Extent]:
    """Those of all stripes, in order: of the first file as many as there's room for, of the others the first one."""
    first, *others = what.data_files or (1,)
    room = what.stripes * what.extents
    # One less than there's room for: so one stripe is filled up, as it happens.
    short = what.stripes > 1 and what.extents > 1
    starts = _changed(max(1, room - short - len(others))) if what.kind == "I" else range(max(1, room - short - len(others)))
    return [Extent(first, start * PER_EXTENT) for start in starts] + [Extent(file, 0) for file in others]


def _changed(count: int) -> list[int]:
    """Extents that a differential holds: the first two, then every third one."""
    return [number if number < 2 else 3 * number - 2 for number in range(count)]


def _pages(what: Written, own: Iterable[Extent]) -> Iterator[tuple[bytes, int]]:
    """Each page and what a checksum of the stream takes it for."""
    freed = _free(what)
    for file, start in own:
        for number in range(start, start + PER_EXTENT):
            if start < 0:
                yield _filling()
            elif (file, number) in freed:
                yield _old(file, number)
            else:
                yield _page(what, file, number)


@lru_cache(maxsize=8)
def _free(what: Written) -> frozenset[tuple[int, int]]:
    """The free pages: the last ones of the first file that the backup holds, but never of its first extent."""
    first = [extent for extent in extents(what) if extent.file == extents(what)[0].file]
    numbers = [extent.start + n for extent in first[1:] for n in range(PER_EXTENT)]
    return frozenset((first[0].file, number) for number in numbers[len(numbers) - min(what.free, len(numbers)) :])


def _page(what: Written, file: int, number: int) -> tuple[bytes, int]:
    if number in (4, 5):
        return bytes(PAGE), 0
    made = _OWN.get(number)
    if number and number % PFS_INTERVAL == 0:
        made = _allocation
    if number == 9 and file != extents(what)[0].file:
        made = None
    if made is not None:
        return _sealed(made(what, file, number), what.protection)
    return _row_page(file, number, what.protection)


def _row_page(file: int, number: int, protection: Protection) -> tuple[bytes, int]:
    """A page of rows: a cached one, its ids and checksum changed."""
    start, rest, checksum, fold = _template(_ROWS[number // PER_EXTENT % len(_ROWS)], protection)
    changed = turned(number ^ file, _SECTORS - 1)
    if protection != "checksum":
        return start[:32] + struct.pack("<IH", number, file) + start[38:] + rest, fold ^ changed
    checksum ^= changed
    page = start[:32] + struct.pack("<IH", number, file) + start[38:60] + struct.pack("<I", checksum) + rest
    return page, checksum ^ turned(checksum, _SECTORS - 1)


@lru_cache(maxsize=64)
def _template(kind: int, protection: Protection) -> tuple[bytes, bytes, int, int]:
    """A page of rows without ids: its first 64 bytes, the rest, its checksum, its part in the stream's."""
    rows = b"".join(b"\x30\x00\x10\x00customer %05d of the shop " % number for number in range(40))
    page, fold = _sealed(_laid_out(kind, 0, 0, {_HEADER: rows}), protection)
    return page[:64], page[64:], page_checksum(page), fold


def _laid_out(kind: int, file: int, number: int, pieces: dict[int, bytes]) -> bytearray:
    page = bytearray(PAGE)
    page[:4] = struct.pack("<BBH", 1, kind, 0)
    page[22:24], page[28:32] = struct.pack("<H", 1), struct.pack("<HH", 6, 8182)
    page[32:50] = struct.pack("<IHHIIH", number, file, 0, 21, 153, 37)
    for offset, piece in pieces.items():
        page[offset : offset + len(piece)] = piece
    return page


def _sealed(page: bytearray, protection: Protection) -> tuple[bytes, int]:
    """The page with its protection: its checksum, or what a torn write would leave behind."""
    page[4:6] = struct.pack("<H", _FLAGS[protection])
    if protection == "checksum":
        page[60:64] = struct.pack("<I", page_checksum(bytes(page)))
    elif protection == "torn":
        _marked(page)
    return bytes(page), stream_checksum(page)


def _marked(page: bytearray) -> None:
    """Torn-page detection: two bits at each sector's end alternate from write to write; what they were stands at 60."""
    kept = 1
    for sector in range(1, _SECTORS):
        last = sector * SECTOR + SECTOR - 1
        kept |= (page[last] & 3) << 2 * sector
        page[last] = page[last] & ~3 | 1
    page[60:64] = struct.pack("<I", kept)


@lru_cache(maxsize=64)
def _old(file: int, number: int) -> tuple[bytes, int]:
    """A free page: zeros, another program's bytes, or a page of long ago whose checksum is none any more."""
    if number % 3 == 0:
        return bytes(PAGE), 0
    page = _laid_out(1, file, number, {_HEADER: b"what stood here before " * 200})
    page[0] = number % 3
    page[4:6], page[60:64] = struct.pack("<H", CHECKSUM), b"\xde\xad\xbe\xef"
    return bytes(page), stream_checksum(page)


@lru_cache(maxsize=1)
def _filling() -> tuple[bytes, int]:
    page = bytearray(b"!" * PAGE)
    page[:_HEADER] = struct.pack("<BB", 1, _FILLING) + bytes(_HEADER - 2)
    return bytes(page), stream_checksum(page)


def _file_page(what: Written, file: int, number: int) -> bytearray:
    return _laid_out(_FILE, file, number, {_HEADER: b"\x30\0\x08\0", 178: what.database_id.bytes_le})


def _allocation(what: Written, file: int, number: int) -> bytearray:
    """PFS: a byte for each of 8,088 pages from `number` (or 0) on."""
    start = number // PFS_INTERVAL * PFS_INTERVAL
    near = [extent.start for extent in extents(what) if extent.file == file and start <= extent.start < start + PFS_INTERVAL]
    said = bytearray(PFS_INTERVAL)
    for first in near:
        said[first - start : first - start + PER_EXTENT] = bytes([ALLOCATED]) * PER_EXTENT
    for page in (4, 5, *(page for of, page in _free(what) if of == file)):
        if start <= page < start + PFS_INTERVAL:
            said[page - start] = 0
    return _laid_out(_PFS, file, number, {_HEADER: b"\0\0\x9c\x1f" + bytes(said)})


def _extent_map(kind: int, of: Callable[[Written, int], Iterable[int]]) -> Callable[[Written, int, int], bytearray]:
    def made(what: Written, file: int, number: int) -> bytearray:
        bits = bytearray(PAGE - _BITS - 14)
        for extent in of(what, file):
            if extent < 8 * len(bits):
                bits[extent // 8] |= 1 << extent % 8
        return _laid_out(kind, file, number, {_HEADER: b"\0\0\x5e\0", 190: b"\0\0\x38\x1f" + bytes(bits)})

    return made


def _held(what: Written, file: int) -> list[int]:
    return [extent.start // PER_EXTENT for extent in extents(what) if extent.file == file]


def _unallocated(what: Written, file: int) -> Iterable[int]:
    return sorted(set(range(what.files[file - 1][2] // EXTENT)) - set(_held(what, file)))


def _since_full(what: Written, file: int) -> list[int]:
    return _held(what, file) if what.kind == "I" else []


def _boot(what: Written, file: int, number: int) -> bytearray:
    """The boot page: versions, status word, name."""
    version = struct.pack("<HH", what.database_version, what.database_version)
    name = utf16(what.database).ljust(256, b"\x20")[:256]
    return _laid_out(_BOOT, file, number, {_HEADER: b"\0\0\xa4\x05" + version, 132: struct.pack("<I", what.status), 148: name})


_OWN: Final[dict[int, Callable[[Written, int, int], bytearray]]] = {
    0: _file_page,
    1: _allocation,
    2: _extent_map(_GAM, _unallocated),
    3: _extent_map(_SGAM, lambda what, file: ()),
    6: _extent_map(_CHANGED, _since_full),
    7: _extent_map(_MINIMAL, lambda what, file: ()),
    9: _boot,
}
