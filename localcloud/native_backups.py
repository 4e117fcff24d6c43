"""Native backups written block by block, with real headers and checksums and empty pages, so that every field can be chosen.

No SQL Server made them and none could use them. Offsets: the layout that `repository.native_header` reads.
"""

import struct
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

SECTOR = 512
MEDIA = UUID("dba99816-9a6c-4ab6-b68c-76b2a726823d")
SET = UUID("54a4e82d-bd4b-4887-885b-3ae8459d489d")
DATABASE = UUID("feb32f6f-4bc1-4180-b359-2e40e3fc5788")
NOTHING = UUID(int=0)

Lsn = tuple[int, int, int]


@dataclass(frozen=True)
class Written:
    """What to write: by default a full backup whose LSNs run from 21:153:37 to 21:169:1. `files` are (logical name, path, bytes) of the
    database's files, `pages` the empty sectors of 512 bytes that stand for its data."""

    database: str = "shop"
    kind: str = "D"
    stripe: int = 1
    stripes: int = 1
    media: UUID = MEDIA
    set_id: UUID = SET
    database_id: UUID = DATABASE
    first: Lsn = (21, 153, 37)
    last: Lsn = (21, 169, 1)
    checkpoint: Lsn = (21, 153, 37)
    base: Lsn = (0, 0, 0)
    begun: datetime = datetime(2023, 2, 28, 23, 59, 58)
    flags: int = 0x210
    version: tuple[int, int, int] = (15, 0, 2080)
    password: bytes = b""
    set_password: bytes = b""
    files: tuple[tuple[str, str, int], ...] = (("shop", "D:\\shop.mdf", 8 << 20), ("shop_log", "D:\\shop.ldf", 1 << 20))
    vendor: int = 0x1200
    sets: int = 1
    pages: int = 20


def backup(what: Written = Written()) -> bytes:
    """An uncompressed backup: a file's bytes."""
    written = tape(what) + filemark([]) + set_of(what) + bytes(SECTOR * what.pages)
    marks = [len(written), 2 * SECTOR]
    written += filemark([2 * SECTOR])
    written += _end(what.sets, 2048) + _end(what.sets, 1024)
    return written + filemark(marks)


def block(tag: bytes, body: dict[int, bytes], length: int = 1024, first_stream: int = SECTOR) -> bytes:
    """A block of `length` bytes: pieces at their offsets, a header with its checksum in front."""
    out = bytearray(length)
    out[:10] = struct.pack("<4sIH", tag, 0, first_stream)
    for offset, piece in body.items():
        out[offset : offset + len(piece)] = piece
    out[50:52] = struct.pack("<H", _xor(out[:50]))
    return bytes(out)


def _stream(tag: bytes, payload: bytes) -> bytes:
    header = struct.pack("<4sHHQHH", tag, 0, 0, len(payload), 0, 0)
    out = header + struct.pack("<H", _xor(header)) + payload
    return out + bytes(-len(out) % 4)


def tape(what: Written) -> bytes:
    """The first block: the media set and which stripe of it this is."""
    raid = what.media.bytes_le + bytes(4) + struct.pack("<HHH", what.stripes, 0, what.stripe) + bytes(6)
    streams = _stream(b"RAID", raid) + _stream(b"SPAD", b"")
    body = {
        76: struct.pack("<HH", len(what.password), 94), 84: struct.pack("<HH", 1024, what.vendor),
        94: what.password, 140: streams,
    }  # fmt: skip
    return block(b"TAPE", body, first_stream=140)


def set_of(what: Written) -> bytes:
    """The blocks of the backup set, up to its data."""
    head = block(b"SSET", {
        44: struct.pack("<HH", 21, 100), 62: b"\1\0", 72: struct.pack("<HH", len(what.set_password), 200),
        100: what.set_id.bytes_le,
    })  # fmt: skip
    items = _stream(b"MQCI", _backup_item(what) + b"".join(_file_item(*file) for file in what.files))
    streams = items + _stream(b"SPAD", b"")
    length = (56 + len(streams) + 1023) // 1024 * 1024
    return head + block(b"VOLB", {}) + block(b"MSCI", {56: streams}, length=length, first_stream=56)


def _backup_item(what: Written) -> bytes:
    name, server = what.database.encode("utf-16-le"), "HOST\\SQL".encode("utf-16-le")
    out = bytearray(364) + name + server
    major, minor, build = what.version
    pieces = {
        0: b"SCIN" + struct.pack("<II", len(out), what.flags), 24: struct.pack("<HBB", build, minor, major),
        32: _lsn(what.first) + _lsn(what.last) + _lsn(what.checkpoint) + _lsn(what.base),
        72: _date(what.begun) + _date(what.begun), 87: what.kind.encode(), 91: bytes([150]),
        94: struct.pack("<HQHHHH", 904, 123456, len(name), 364, len(server), 364 + len(name)),
        200: NOTHING.bytes_le, 224: what.database_id.bytes_le,
    }  # fmt: skip
    for offset, piece in pieces.items():
        out[offset : offset + len(piece)] = piece
    return bytes(out)


def _file_item(logical: str, path: str, size: int) -> bytes:
    name, place = logical.encode("utf-16-le"), path.encode("utf-16-le")
    out = bytearray(1024) + name + place
    out[:8] = b"SFIN" + struct.pack("<I", len(out))
    out[40:56] = struct.pack("<QHHHH", size, len(name), 1024, len(place), 1024 + len(name))
    return bytes(out)


def filemark(positions: list[int]) -> bytes:
    """A block that ends a part of the file; `positions` are those of the sets before it."""
    numbers = b"".join(struct.pack("<Q", position) for position in positions)
    return block(b"SFMB", {52: struct.pack("<III", 55, len(positions), 72), 72: numbers}, length=SECTOR)


def _end(number: int, length: int) -> bytes:
    return block(b"ESET", {76: struct.pack("<H", number)}, length=length)


def _lsn(lsn: Lsn) -> bytes:
    return struct.pack("<IIH", *lsn)


def _date(when: datetime) -> bytes:
    bits = when.year << 26 | when.month << 22 | when.day << 17 | when.hour << 12 | when.minute << 6 | when.second
    return bits.to_bytes(5, "big")


def _xor(data: bytes | bytearray) -> int:
    found = 0
    for (word,) in struct.iter_unpack("<H", bytes(data)):
        found ^= word
    return found
