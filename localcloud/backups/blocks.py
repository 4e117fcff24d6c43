"""Blocks and streams of the Microsoft Tape Format as SQL Server writes them, and the blocks that say what a file holds.

A block is 1,024 bytes or a multiple (in TAPE, ESET and filemarks of the BLOCKSIZE, if that is more), filled up by stream SPAD. Every
offset was read out of real files; what a field is called there comes from the specification MTF 1.00a.
"""

import struct
import zlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from localcloud.backups.checksums import block_checksum
from localcloud.backups.written import SECTOR, Written

FORMAT_BLOCK: Final = 1024
STREAM: Final = 22
USER: Final = "SHOP\\backup"
MACHINE: Final = "HOST"
VOLUME: Final = "Windows"
_DEVICE: Final = "D:"
_NO_DATA: Final = 0x30000
_FILEMARK: Final = 0x80000000
_INDEXED: Final = 0x40000
_WINDOWS: Final = 0x010E
_UNICODE: Final = 2
_OF_DIFFERENTIAL: Final = 8
_OF_OTHERS: Final = 4


@dataclass(frozen=True)
class Place:
    """Where a set stands: its number in its file, and the offset of its block SSET there."""

    number: int
    position: int


def block(
    tag: bytes,
    body: dict[int, bytes],
    length: int = FORMAT_BLOCK,
    first_stream: int = SECTOR,
    attributes: int = 0,
    address: tuple[int, int] = (0, 0),
) -> bytes:
    """A block of `length` bytes: pieces at their offsets, a header with its checksum in front.

    `address` is (format blocks since SSET, number in the set).
    """
    out = bytearray(length)
    out[:12] = struct.pack("<4sIHH", tag, attributes, first_stream, _WINDOWS)
    out[20:28], out[36:40] = struct.pack("<Q", address[0]), struct.pack("<I", address[1])
    for offset, piece in body.items():
        out[offset : offset + len(piece)] = piece
    out[50:52] = struct.pack("<H", block_checksum(out[:50]))
    return bytes(out)


def stream(tag: bytes, payload: bytes, media: int = 0, length: int | None = None) -> bytes:
    """A stream, filled up to a multiple of four; `length` if more of its payload follows elsewhere."""
    return stream_header(tag, len(payload) if length is None else length, media) + payload + bytes(-(STREAM + len(payload)) % 4)


def stream_header(tag: bytes, length: int, media: int = 0) -> bytes:
    header = struct.pack("<4sHHQHH", tag, 0, media, length, 0, 0)
    return header + struct.pack("<H", block_checksum(header))


def padding(used: int, length: int = FORMAT_BLOCK) -> bytes:
    """Stream SPAD: fills a block that has got `used` bytes up to a multiple of `length`."""
    fill = -(used + STREAM) % length
    return stream_header(b"SPAD", fill) + bytes(fill)


def strings(first: int, *texts: bytes) -> tuple[bytes, list[bytes]]:
    """Texts that follow each other from offset `first`, and (length, offset) of each as the fields before them say it."""
    fields, offset = [], first
    for text in texts:
        fields.append(struct.pack("<HH", len(text), offset) if text else bytes(4))
        offset += len(text)
    return b"".join(texts), fields


def filled(tag: bytes, body: dict[int, bytes], streams: bytes = b"", *, start: int, unit: int = FORMAT_BLOCK, **header: object) -> bytes:
    """A block whose streams, ended by SPAD, begin at `start` and fill it up to a multiple of `unit`."""
    whole = streams + padding(start + len(streams), unit)
    return block(tag, {**body, start: whole}, start + len(whole), start, **header)  # type: ignore[arg-type]


def tape(what: Written) -> bytes:
    """The first block: the media set and which stripe of it this is."""
    text, (password, program) = strings(94, what.password, utf16("Microsoft SQL Server\0\0"))
    start = (94 + len(text) + 3) & ~3
    raid = what.media.bytes_le + struct.pack("<IHHHIH", 0xF00000AD, what.stripes, 1, what.stripe, 0, 0x0100)
    algorithm = 5 if what.password else 0
    body = {
        52: struct.pack("<IIHHHB", family(what), 5, 1, algorithm, what.unit // SECTOR, 3),
        76: password,
        80: program,
        84: struct.pack("<HH", FORMAT_BLOCK, what.vendor),
        88: date(what.overwritten or what.begun) + b"\1",
        94: text,
        48: bytes([_UNICODE]),
    }
    return filled(b"TAPE", body, stream(b"RAID", raid), start=start, unit=wide(what), attributes=_NO_DATA)


def filemark(what: Written, positions: list[int], *, indexed: bool = False) -> bytes:
    """A block of one unit that ends a part of the file; `positions` are those of the filemarks before it, the nearest first.

    `indexed` if an index of a compressed set's records stands before it. Of more than it has room for it lists the nearest: MTF 1.00a calls
    its numbers "entries" and "entries used"; no real file with so many was to be had.
    """
    start = 60 if what.is_of_2005 else 72
    most = (what.unit - start) // 8
    listed = positions[:most]
    body = {52: struct.pack("<II", most, len(listed)), start: struct.pack(f"<{len(listed)}Q", *listed)}
    if not what.is_of_2005:
        body[60] = struct.pack("<I", start)
    # The field for the first stream has 16 bits: what SQL Server writes into it for 65,536 nobody has seen.
    return block(b"SFMB", body, what.unit, what.unit & 0xFFFF, 0 if what.is_of_2005 else _FILEMARK | _INDEXED * indexed)


def set_start(what: Written, place: Place) -> bytes:
    """SSET: who made the set, when, which of the file it is."""
    text, (password, user) = strings(122, what.set_password, utf16(USER))
    major, minor, _ = what.version
    start = (122 + len(text) + 3) & ~3
    body = {
        44: struct.pack("<HHH", 21, 100, _UNICODE),
        52: struct.pack("<I", _attributes(what)),
        60: struct.pack("<HH", 0x1200, place.number),
        72: password,
        76: user,
        80: struct.pack("<Q", place.position),
        88: date(what.begun) + bytes([major, minor, 0, 0, 2]),
        100: what.set_id.bytes_le,
        122: text,
    }
    return filled(b"SSET", body, start=start)


def volume(what: Written) -> bytes:
    """VOLB: the volume that the database stood on."""
    text, fields = strings(73, utf16(_DEVICE), utf16(VOLUME), utf16(MACHINE))
    body = {
        48: bytes([_UNICODE]),
        52: struct.pack("<I", 2),
        56: b"".join(fields),
        68: date(what.begun),
        73: text,
    }
    return filled(b"VOLB", body, start=(73 + len(text) + 3) & ~3, address=(1, 1))


def set_ends(sets: list[tuple[Written, Place, int]], position: int) -> bytes:
    """The two blocks ESET at `position`: the first lists the (set, place, size) of the file so far, the second says where it stands."""
    what, place, _ = sets[-1]
    unit, start = wide(what), 88
    said = {
        52: struct.pack("<I", _attributes(what)),
        78: struct.pack("<H", place.number) + date(what.begun),
    }
    listed = struct.pack("<II", family(what), len(sets)) + b"".join(_listed(*one) for one in sets)
    catalogue = stream(b"OTCP", bytes(unit - start - STREAM)) + stream(b"TSMP", listed)
    # SQL Server 2005 has the catalogue's position here, later ones have the block's.
    where = {60: struct.pack("<Q", position + unit if what.is_of_2005 else position)}
    return filled(b"ESET", said, catalogue, start=start, unit=unit) + filled(b"ESET", said | where, start=start, unit=unit)


def wide(what: Written) -> int:
    """How long TAPE and ESET are at least."""
    return max(FORMAT_BLOCK, what.unit)


def family(what: Written) -> int:
    """The id of the media family, of which a stripe's file is one."""
    return zlib.crc32(what.media.bytes_le + bytes([what.stripe]))


def date(when: datetime) -> bytes:
    """Five bytes: year, month, day, hour, minute, second."""
    bits = when.year << 26 | when.month << 22 | when.day << 17 | when.hour << 12 | when.minute << 6 | when.second
    return bits.to_bytes(5, "big")


def utf16(text: str) -> bytes:
    return text.encode("utf-16-le")


def _attributes(what: Written) -> int:
    return _OF_DIFFERENTIAL if what.kind == "I" else _OF_OTHERS


def _listed(what: Written, place: Place, size: int) -> bytes:
    """A set in the catalogue: what its SSET says, and its volume."""
    text, (user,) = strings(92, utf16(USER))
    out = bytearray(92) + text
    pieces = {
        0: struct.pack("<HH", len(out), 1),
        8: struct.pack("<IQ", _attributes(what), place.position),
        30: struct.pack("<H", place.number),
        52: struct.pack("<QH", size, 1),
        76: user,
        80: date(what.begun) + struct.pack("<BHHH", 0, _WINDOWS, _UNICODE, _UNICODE),
    }
    return _with(out, pieces) + _listed_volume(what)


def _listed_volume(what: Written) -> bytes:
    text, fields = strings(62, utf16(_DEVICE), utf16(VOLUME), utf16(MACHINE))
    out = bytearray(62) + text
    pieces = {
        0: struct.pack("<H4sI", len(out), b"VOLB", 1),
        12: b"\1",
        32: struct.pack("<HHH", _WINDOWS, _UNICODE, _UNICODE),
        40: b"".join(fields),
        56: date(what.begun),
    }
    return _with(out, pieces)


def _with(out: bytearray, pieces: dict[int, bytes]) -> bytes:
    for offset, piece in pieces.items():
        out[offset : offset + len(piece)] = piece
    return bytes(out)
