"""Records of a compressed backup: MS-XCA's LZ77 with Huffman codes, made with one table and runs of one byte as the only copies."""

import re
import struct
from typing import Final

from localcloud.backups.checksums import SECTOR, record_checksum

SIGNATURE: Final = b"MSSQLBAK"
# The first record begins here.
HEADER: Final = 480
MOST: Final = 1 << 16
_FILLER, _INDEX_END = 24, 16
# Bytes have codes of 9 bits, copies from one byte before codes of 5: 256 / 2^9 + 16 / 2^5 = 1.
_BYTE_BITS, _COPY_BITS = 9, 5
_COPIES: Final = 16
_SHORTEST: Final = 3
_RUN: Final = re.compile(rb"(.)\1{7,}", re.DOTALL)
_TABLE: Final = bytes([_BYTE_BITS * 0x11]) * 128 + bytes([_COPY_BITS * 0x11]) * 8 + bytes(120)
# What SQL Server leaves in the header of a record: an address of its memory, which means nothing.
_LEFT: Final = bytes.fromhex("281160b6fd7f0000")


def header(version: int) -> bytes:
    """What stands before the first record."""
    return (SIGNATURE + struct.pack("<II", version, 3)).ljust(HEADER, b"\0")


def records(data: bytes) -> bytes:
    """`data`, of whole sectors, in records that follow each other without a gap."""
    return b"".join(_record(data[at : at + MOST]) for at in range(0, len(data), MOST))


def filler(room: int) -> bytes:
    """A record of `room` bytes without data, at least _FILLER of them."""
    return struct.pack("<BBH", 0x24, 0, room - _FILLER) + bytes(room - 4)


def index(entries: list[tuple[int, int]], room: int) -> bytes:
    """The record of `room` bytes that ends a set: where records begin, as (offset in the set when inflated, offset in the file)."""
    said = b"".join(struct.pack("<QQ", *entry) for entry in entries)
    ends = struct.pack("<HHIII", 1, 1, len(entries), room - _FILLER, record_checksum(said))
    return b"\x2c".ljust(_FILLER, b"\0") + ends + said.ljust(room - _FILLER - 2 * len(ends), b"\0") + ends


def room(position: int, unit: int, entries: int | None = None) -> int:
    """How long the filler (or the index of so many entries) is that ends at a multiple of `unit`."""
    least = _FILLER if entries is None else _FILLER + 2 * _INDEX_END + 16 * entries
    return least + -(position + least) % unit


def _record(data: bytes) -> bytes:
    """Raises ValueError for data that the few codes make longer than a record can say."""
    chunk = deflate(data)
    if len(chunk) >= MOST:
        raise ValueError(f"{len(data)} bytes don't fit a record when compressed: take ones with more runs")
    head = struct.pack("<BBHQ", 0x21, len(data) // SECTOR, len(chunk), 0) + _LEFT + bytes(4)
    return head + struct.pack("<I", record_checksum(chunk)) + chunk


def deflate(data: bytes) -> bytes:
    """The table of code lengths, and the codes."""
    out, at = _Codes(), 0
    for run in _RUN.finditer(data):
        # A copy repeats the byte before it.
        out.literals(data[at : run.start() + 1])
        out.copy(run.end() - run.start() - 1)
        at = run.end()
    out.literals(data[at:])
    return _TABLE + out.end()


class _Codes:
    """The bit stream: 16-bit words whose places are taken two ahead, and the lengths of copies as bytes between them."""

    def __init__(self) -> None:
        self._out = bytearray(4)
        self._word, self._free = 0, 16
        self._places = (0, 2)

    def literals(self, data: bytes) -> None:
        for byte in data:
            # Codes count up by length, then symbol: 16 codes of 5 bits come first.
            self._put(_BYTE_BITS, (_COPIES << (_BYTE_BITS - _COPY_BITS)) + byte)

    def copy(self, length: int) -> None:
        """`length` times the byte before."""
        length -= _SHORTEST
        self._put(_COPY_BITS, min(length, _COPIES - 1))
        if length >= _COPIES - 1:
            more = length - (_COPIES - 1)
            self._out += bytes([more]) if more < 255 else b"\xff" + struct.pack("<H", length)

    def end(self) -> bytes:
        self._word <<= self._free
        self._write(self._word)
        return bytes(self._out)

    def _put(self, count: int, bits: int) -> None:
        if self._free >= count:
            self._free -= count
            self._word = self._word << count | bits
            return
        left = count - self._free
        self._write(self._word << self._free | bits >> left)
        self._places = (self._places[1], len(self._out))
        self._out += b"\0\0"
        self._free = 16 - left
        self._word = bits & ((1 << left) - 1)

    def _write(self, word: int) -> None:
        self._out[self._places[0] : self._places[0] + 2] = struct.pack("<H", word & 0xFFFF)
