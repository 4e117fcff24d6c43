"""The checksums that SQL Server writes into its pages and backups, as measured on real files (39,434 pages, 49 streams, 849 records).

All of them fold 32-bit words by XOR and turn the result left by a bit: after each sector of 512 bytes (pages, streams), or after each
word (compressed records). So what a changed word does to a page's checksum is known without the rest of the page.
"""

import struct
from typing import Final

SECTOR: Final = 512
_ALL: Final = 0xFFFFFFFF
_PAGE_SECTORS: Final = 16
_AT: Final = slice(60, 64)


def turned(word: int, bits: int) -> int:
    """A 32-bit word turned left."""
    bits %= 32
    return (word << bits | word >> (32 - bits)) & _ALL


def block_checksum(data: bytes | bytearray) -> int:
    """Of a block's or stream's header: XOR of its 16-bit words."""
    found = 0
    for (word,) in struct.iter_unpack("<H", bytes(data)):
        found ^= word
    return found


def stream_checksum(data: bytes | bytearray, before: int = 0) -> int:
    """What stream CSUM says of a stream whose payload is `data`, of whole sectors; `before` is that of what went before it."""
    for at in range(0, len(data), SECTOR):
        before = turned(before, 1) ^ _folded(data[at : at + SECTOR])
    return before


def page_checksum(page: bytes) -> int:
    """What a page says at offset 60: the same, with that word taken as 0."""
    written = int.from_bytes(page[_AT], "little")
    return stream_checksum(page) ^ turned(written, _PAGE_SECTORS - 1)


def record_checksum(data: bytes) -> int:
    """What a compressed record says of its `data`, filled up with zeros to whole words."""
    found = 0
    for (word,) in struct.iter_unpack("<I", data + bytes(-len(data) % 4)):
        found = turned(found, 1) ^ word
    return found


def _folded(sector: bytes | bytearray) -> int:
    """XOR of the 128 words of a sector, by halving it."""
    value, bits = int.from_bytes(sector, "little"), 8 * SECTOR
    while bits > 32:
        bits //= 2
        value = value >> bits ^ value & ((1 << bits) - 1)
    return value
