"""The items of stream MQCI, which blocks MSCI and MSLS hold: the backup set (SCIN), its filegroups (SFGI), its files (SFIN).

MSLS repeats them at the end with what was only known there: when the backup finished, and its size.
"""

import struct
from dataclasses import replace
from typing import Final

from localcloud.backups.blocks import date, strings, utf16
from localcloud.backups.written import EXTENT, PAGE, Lsn, Written, is_log

SERVER: Final = "HOST\\SQL"
_LANGUAGE: Final = 0x0409
_NO_LIMIT: Final = 0x1FFFFFFFE000
_SET_ITEM: Final = 364
_FILE_ITEM: Final = 1028
_FILE_ITEM_OF_2005: Final = 400
# Which of the database's files the log is in SFIN's flags.
_DATA, _LOG = 0x84, 0x0C


def items(what: Written, size: int, pages: dict[int, int], *, finished: bool = False) -> bytes:
    """The payload of MQCI: `size` bytes of data, `pages` of them by the file's number."""
    if finished and what.final:
        first, last, checkpoint = what.final
        what = replace(what, first=first, last=last, checkpoint=checkpoint)
    groups = _filegroup("PRIMARY")
    files = b"".join(_file(what, number, pages.get(number, 0)) for number in range(1, len(what.files) + 1))
    return _set(what, size, finished=finished) + groups + files


def _set(what: Written, size: int, *, finished: bool) -> bytes:
    text, (name, server) = strings(_SET_ITEM, utf16(what.database), utf16(SERVER))
    out = bytearray(_SET_ITEM) + text
    major, minor, build = what.version
    pieces = {
        0: b"SCIN" + struct.pack("<IIII", len(out), what.set_flags, 1, 1),
        24: struct.pack("<HBBI", build, minor, major, 9),
        32: _lsn(what.first) + _lsn(what.last) + _lsn(what.checkpoint) + _lsn(what.base),
        72: date(what.begun) + date(what.begun),
        87: what.kind.encode(),
        89: b"\1",
        91: b"\x96",
        92: struct.pack("<HHQ", what.database_number, what.database_version, size),
        104: name + server,
        116: struct.pack("<IHH", _LANGUAGE, 1, 3),
        124: what.database_id.bytes_le,
        144: _lsn(what.last),
        156: what.database_id.bytes_le,
        200: what.base_set.bytes_le,
        216: struct.pack("<I", 0xD00409),
        224: what.database_id.bytes_le,
        240: struct.pack("<II", 0x10000, what.status),
        344: struct.pack("<Q", size),
    }
    if finished:
        pieces[82] = date(what.end)
    return _with(out, pieces)


def _filegroup(name: str) -> bytes:
    text, (field,) = strings(48, utf16(name))
    out = bytearray(48) + text
    return _with(out, {0: b"SFGI" + struct.pack("<III", len(out), 0x10, 1), 16: field, 20: b"\1"})


def _file(what: Written, number: int, pages: int) -> bytes:
    logical, path, size = what.files[number - 1]
    start = _FILE_ITEM_OF_2005 if what.is_of_2005 else _FILE_ITEM
    text, (name, place) = strings(start, utf16(logical), utf16(path))
    out = bytearray(start) + text
    group = 0 if is_log(path) else 1
    flags = _LOG if is_log(path) else _DATA
    pieces = {
        0: b"SFIN" + struct.pack("<II", len(out), flags),
        16: struct.pack("<IIIIII", PAGE, number, pages, number, 512, group),
        40: struct.pack("<Q", size) + name + place,
        86: struct.pack("<QQ", _NO_LIMIT, 1 << 20),
        118: struct.pack("<I", size // EXTENT),
        122: struct.pack("<Q", _NO_LIMIT),
        134: struct.pack("<I", size // EXTENT),
        158: _lsn(what.base),
        170: what.base_set.bytes_le,
        186: what.database_id.bytes_le[:12] + struct.pack("<I", number),
        202: _lsn(what.first),
        218: _lsn(what.last),
        234: _lsn(what.checkpoint),
    }
    return _with(out, pieces)


def _lsn(lsn: Lsn) -> bytes:
    return struct.pack("<IIH", *lsn)


def _with(out: bytearray, pieces: dict[int, bytes]) -> bytes:
    for offset, piece in pieces.items():
        out[offset : offset + len(piece)] = piece
    return bytes(out)
