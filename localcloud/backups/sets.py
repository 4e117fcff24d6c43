"""A backup set from SSET to its filemark: SSET, VOLB, MSCI, MSDA (pages), MSTL (log), MSLS.

Blocks begin at multiples of 1,024 bytes from SSET on; what streams MQDA and MQTL carry begins at one that is a multiple of the BLOCKSIZE
in the file too, after stream APAD.
"""

import struct
from functools import lru_cache
from typing import Final, NamedTuple

from localcloud.backups.blocks import (
    FORMAT_BLOCK,
    STREAM,
    Place,
    block,
    padding,
    set_start,
    stream,
    stream_header,
    volume,
    wide,
)
from localcloud.backups.checksums import SECTOR, stream_checksum, turned
from localcloud.backups.items import items
from localcloud.backups.pages import of_stripe
from localcloud.backups.written import EXTENT, PAGE, Written

_ITEMS_AT: Final = 56
_PAGES_AT: Final = 60
_UNICODE: Final = {48: b"\2"}
# Media attributes of streams, as every real file has them.
_FILLS, _CARRIES, _GOES_ON, _LAST = 0x80, 0x2, 0x100, 0x6
_LOG_BLOCK: Final = bytes.fromhex("50002500")
_LOG_FILE: Final = 2
_LOG_BYTES: Final = 253952
_LOG_START: Final = 8192


class Layout(NamedTuple):
    """A set's bytes, blocks and what they carry (pages, log) in turns, and its size in all stripes as its header says it at the end."""

    pieces: list[bytes]
    size: int


def layout(what: Written, place: Place) -> Layout:
    """The set that begins at `place`, up to its filemark."""
    return _Set(what, place).whole()


class _Set:
    """The blocks so far. `_length` bytes are written, `_blocks` is the number of the next one."""

    def __init__(self, what: Written, place: Place) -> None:
        self._what, self._place = what, place
        self._pieces: list[bytes] = [b""]
        self._length = self._blocks = 0

    def whole(self) -> Layout:
        what = self._what
        pages = None if what.kind == "L" else of_stripe(what)
        counts, size = (pages.counts, PAGE * sum(pages.counts.values())) if pages else ({}, 0)
        self._add(set_start(what, self._place))
        self._add(volume(what))
        self._add_items(b"MSCI", items(what, size + PAGE, counts), FORMAT_BLOCK)
        if pages:
            self._add_pages(pages.data, pages.checksum)
        self._add_log()
        size = (self._length + self._media()) * what.stripes
        self._add_items(b"MSLS", items(what, size, counts, finished=True), what.unit)
        return Layout(self._pieces, size)

    def _media(self) -> int:
        """How much of what stands before a set counts as its own: what it wrote itself."""
        if self._place.number > 1 or self._what.overwritten:
            return 0
        return wide(self._what) + (self._what.unit if self._what.is_of_2005 else 0)

    def _add(self, data: bytes) -> None:
        self._pieces[-1] += data
        self._length += len(data)
        self._blocks += 1

    def _add_bulk(self, data: bytes) -> None:
        """Pages or log: a compressed backup has them in records of their own."""
        self._pieces += [data, b""]
        self._length += len(data)

    def _address(self) -> tuple[int, int]:
        return self._length // FORMAT_BLOCK, self._blocks

    def _add_items(self, tag: bytes, payload: bytes, unit: int) -> None:
        """MSCI, MSLS: stream MQCI, filled up to a multiple of `unit` in the file."""
        said = stream(b"MQCI", payload)
        before = self._place.position + self._length
        said += padding((before + _ITEMS_AT + len(said)) if unit > FORMAT_BLOCK else _ITEMS_AT + len(said), max(unit, FORMAT_BLOCK))
        self._add(block(tag, {**_UNICODE, _ITEMS_AT: said}, _ITEMS_AT + len(said), _ITEMS_AT, address=self._address()))

    def _add_pages(self, data: bytes, checksum: int) -> None:
        self._add_carrier(b"MSDA", b"MQDA", {58: b"\1"}, _PAGES_AT, (data, checksum))

    def _add_log(self) -> None:
        """MSTL: a block for each virtual log file; the log is in the first one of the first stripe."""
        what = self._what
        start = 128 if what.is_of_2005 else 592 if what.version[0] < 11 else 596
        size = what.extents * EXTENT if what.kind == "L" else EXTENT
        body = _log_file(what, start, 0)
        if what.stripe == 1:
            self._add_carrier(b"MSTL", b"MQTL", body, start, _log(size))
        else:
            self._add_empty(body, start)
        self._add_empty(_log_file(what, start, 1), start)

    def _add_empty(self, body: dict[int, bytes], start: int) -> None:
        said = padding(start)
        self._add(block(b"MSTL", {**body, start: said}, start + len(said), start, address=self._address()))

    def _add_carrier(self, tag: bytes, kind: bytes, body: dict[int, bytes], start: int, carried: tuple[bytes, int]) -> None:
        """A block whose stream `kind` carries data of whole sectors, from a boundary on, with its checksum after it if there's one."""
        data, checksum = carried
        follows = self._boundary(start) - STREAM - 2
        pages = kind == b"MQDA"
        head = stream_header(b"APAD", follows - start - STREAM, _FILLS).ljust(follows - start, b"\0")
        media = (_CARRIES if pages else 0) | (_GOES_ON if self._what.has_checksums else 0)
        head += stream_header(kind, len(data) + 2, media) + b"\0\0"
        tail = stream(b"CSUM", struct.pack("<I", checksum)) if self._what.has_checksums else b""
        tail += stream(kind, b"", _LAST) if pages else b""
        tail += padding(start + len(head) + len(data) + len(tail))
        front = block(tag, {**body, start: head}, start + len(head), start, address=self._address())
        self._pieces[-1] += front
        self._length += len(front)
        self._add_bulk(data)
        self._add(tail)

    def _boundary(self, start: int) -> int:
        """Where in the next block data may begin: there must be room for the headers of APAD and of the stream."""
        found = FORMAT_BLOCK
        while (self._place.position + self._length + found) % self._what.unit or found < start + 2 * STREAM + 4:
            found += FORMAT_BLOCK
        return found


def _log_file(what: Written, start: int, number: int) -> dict[int, bytes]:
    """What MSTL says of the n-th virtual log file; of the first one also which part of it follows."""
    size, offset = _LOG_BYTES, _LOG_START + number * _LOG_BYTES
    body = {
        58: b"\1",
        76: struct.pack("<IHH", _LOG_FILE, start - 92, 92),
        96: struct.pack("<QQ", size, offset),
        112: struct.pack("<I", 0x400002),
        126: b"\2" if what.is_of_2005 else b"\4" if what.version[0] < 11 else b"\5",
    }
    if number == 0:
        body |= {60: struct.pack("<QQ", offset + 0x3800, offset + 0x5800), 92: struct.pack("<I", what.first[0])}
    return body


@lru_cache(maxsize=4)
def _log(size: int) -> tuple[bytes, int]:
    """Log blocks of nothing in particular, each sector another one, and their checksum."""
    sectors = (_LOG_BLOCK + b"LOP_INSERT_ROWS %d" % number for number in range(EXTENT // SECTOR))
    piece = b"".join(sector.ljust(SECTOR, b"\0") for sector in sectors)
    one, checksum = stream_checksum(piece), 0
    for _ in range(size // EXTENT):
        checksum = turned(checksum, EXTENT // SECTOR) ^ one
    return piece * (size // EXTENT), checksum
