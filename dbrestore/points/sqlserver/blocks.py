"""The blocks of a native SQL Server backup (Microsoft Tape Format 1.00a, little endian), found and checked by their checksums.

A block begins at a multiple of 512 bytes with a header of 52; most blocks carry streams, each with a header of 22. Positions, sizes and
checksums were read from real backups of SQL Server 2005 to 2025. Invariant: nothing here reads past the bytes it was given.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

SECTOR: Final = 512
_BLOCK_HEADER: Final = 52
_STREAM_HEADER: Final = 22
_LAST_STREAM: Final = b"SPAD"


@dataclass(frozen=True)
class Block:
    """`data` runs from the block's first byte to the end of what was read; `position` counts from the beginning of the same."""

    tag: bytes
    position: int
    data: memoryview

    def number(self, offset: int, size: int = 2) -> int:
        """An unsigned number. Raises IndexError where nothing was read."""
        return number(self.data, offset, size)

    def pointed(self, offset: int) -> bytes:
        """The bytes that a pointer (u16 length, u16 offset in the block) leads to; empty if there are none."""
        length, start = self.number(offset), self.number(offset + 2)
        return exactly(self.data, start, length)

    def stream(self, tag: bytes) -> tuple[int, memoryview] | None:
        """A stream's announced length and as much of its payload as was read; None if the block has no such stream."""
        position = self.stream_position(tag)
        if position is None:
            return None
        length, payload = number(self.data, position + 8, 8), position + _STREAM_HEADER
        return length, self.data[payload : payload + length]

    def stream_position(self, tag: bytes) -> int | None:
        """Where a stream's header begins in the block; None if the block has no such stream."""
        position = self.number(8)
        while position + _STREAM_HEADER <= len(self.data):
            header = self.data[position : position + _STREAM_HEADER]
            if _xor(header[:20]) != number(header, 20, 2):
                return None
            if bytes(header[:4]) == tag:
                return position
            if bytes(header[:4]) == _LAST_STREAM:
                return None
            position = (position + _STREAM_HEADER + number(header, 8, 8) + 3) // 4 * 4
        return None


def blocks(data: bytes | memoryview, aligned_to: int = 0) -> Iterator[Block]:
    """Every block whose checksum is right, in order. `aligned_to` is the offset in the file at which `data` begins."""
    view = memoryview(data)
    for position in range(-aligned_to % SECTOR, len(view) - _BLOCK_HEADER + 1, SECTOR):
        header = view[position : position + _BLOCK_HEADER]
        tag = bytes(header[:4])
        if tag.isalpha() and tag.isupper() and _xor(header[:50]) == number(header, 50, 2):
            yield Block(tag, position, view[position:])


def number(data: bytes | memoryview, offset: int, size: int) -> int:
    """`size` bytes at `offset` as an unsigned number. Raises IndexError where there are fewer."""
    return int.from_bytes(exactly(data, offset, size), "little")


def exactly(data: bytes | memoryview, offset: int, size: int) -> bytes:
    """`size` bytes at `offset`. Raises IndexError where there are fewer."""
    found = bytes(data[offset : offset + size])
    if len(found) < size:
        raise IndexError(f"{size} bytes at {offset} of {len(data)}")
    return found


def date(data: bytes | memoryview, offset: int) -> datetime:
    """Five bytes: 14 bits of year, 4 month, 5 day, 5 hour, 6 minute, 6 second, in the server's own time without a zone.
    Raises ValueError if they name no date."""
    bits = int.from_bytes(exactly(data, offset, 5), "big")
    return datetime(bits >> 26, bits >> 22 & 15, bits >> 17 & 31, bits >> 12 & 31, bits >> 6 & 63, bits & 63)


def stream_header(header: bytes, length: int) -> bytes:
    """The 22 bytes before a stream, for a payload of another length."""
    changed = header[:8] + length.to_bytes(8, "little") + header[16:20]
    return changed + _xor(memoryview(changed)).to_bytes(2, "little")


def _xor(data: memoryview) -> int:
    found = 0
    for (word,) in struct.iter_unpack("<H", data):
        found ^= word
    return found
