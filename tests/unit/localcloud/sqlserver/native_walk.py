"""What a native backup is made of, walked over by its blocks' and streams' own lengths: to compare written ones with real ones."""

import struct
from typing import Final, NamedTuple

from dbrestore.points.sqlserver import xpress_huffman

_DATA, _FILLER, _INDEX = 0x21, 0x24, 0x2C


class Part(NamedTuple):
    """A block or stream: (tag, attributes) of it, where its payload begins, how long that is; a block's is its body."""

    tag: str
    attributes: int
    position: int
    length: int


class Record(NamedTuple):
    """A record of a compressed file: its kind, where it begins, its payload."""

    kind: int
    position: int
    payload: bytes


BLOCKS: Final = {"TAPE", "SFMB", "SSET", "VOLB", "MSCI", "MSDA", "MSTL", "MSLS", "ESET"}


def walk(data: bytes) -> list[Part]:
    """Every block and stream up to the file's last byte. Raises AssertionError where one doesn't follow the other."""
    parts, position = [], 0
    while position < len(data):
        tag, attributes, first = struct.unpack_from("<4sIH", data, position)
        parts.append(Part(tag.decode(), attributes, position, first))
        assert parts[-1].tag in BLOCKS, (tag, position)
        position = position + (first or 1 << 16) if tag == b"SFMB" else _streams(data, position + first, parts)
    return parts


def _streams(data: bytes, position: int, parts: list[Part]) -> int:
    while True:
        tag, _, media, length = struct.unpack_from("<4sHHQ", data, position)
        parts.append(Part(tag.decode(), media, position + 22, length))
        position = (position + 22 + length + 3) & ~3
        if tag == b"SPAD":
            return position


def carried(data: bytes, part: Part) -> bytes:
    """What MQDA or MQTL carries: from a multiple of four bytes on."""
    return data[(part.position + 3) & ~3 : part.position + part.length]


def marks(data: bytes, start: int) -> list[tuple[int, list[int]]]:
    """Each filemark's position, and those that it names from its byte `start` on."""
    found = []
    for part in walk(data):
        if part.tag == "SFMB":
            count = struct.unpack_from("<I", data, part.position + 56)[0]
            found.append((part.position, list(struct.unpack_from(f"<{count}Q", data, part.position + start))))
    return found


def records(data: bytes) -> tuple[list[Record], bytes]:
    """Every record of a compressed file, and the blocks that they and the filemarks between them make up."""
    found, position, plain = [], 480, b""
    while position < len(data):
        if data[position : position + 4] == b"SFMB":
            unit = struct.unpack_from("<H", data, position + 8)[0]
            plain, position = plain + data[position : position + unit], position + unit
            continue
        kind, sectors, size = struct.unpack_from("<BBH", data, position)
        size = struct.unpack_from("<I", data, position + 32)[0] if kind == _INDEX else size
        start = position + (28 if kind == _DATA else 24)
        assert kind in {_DATA, _FILLER, _INDEX}, (kind, position)
        found.append(Record(kind, position, data[start : start + size]))
        if kind == _DATA:
            plain += xpress_huffman.inflate(data[start : start + size], 512 * sectors)
        position = start + size
    return found, plain
