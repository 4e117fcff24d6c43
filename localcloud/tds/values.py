"""The values of a procedure call: TYPE_INFO and value of one parameter, as clients send them ([MS-TDS] 2.2.5.4, 2.2.5.5)."""

import struct
from collections.abc import Callable
from datetime import datetime, timedelta

from localcloud.tds.columns import DATETIME_EPOCH, TICKS
from localcloud.tds.engine import Value
from localcloud.tds.fields import Reader, WireError, decoded

# Types with one length for the type and one for each value. The value is of one of several sizes; size 0 is NULL.
_INT, _BIT, _FLOAT, _MONEY, _DATETIME = 0x26, 0x68, 0x6D, 0x6E, 0x6F
_DATETIME2 = 0x2A
# Types without any length, as the ones above.
_FIXED = {
    0x30: (_INT, 1),
    0x34: (_INT, 2),
    0x38: (_INT, 4),
    0x7F: (_INT, 8),
    0x32: (_BIT, 1),
    0x3B: (_FLOAT, 4),
    0x3E: (_FLOAT, 8),
    0x3D: (_DATETIME, 8),
    0x3A: (_DATETIME, 4),
}
_UNICODE, _TEXTS, _BINARIES = {0xE7, 0xEF}, {0xA7, 0xAF}, {0xA5, 0xAD}
_NTEXT, _TEXT, _IMAGE = 0x63, 0x23, 0x22

_MAX, _NULL = 0xFFFF, 0xFFFF
_NULL_MAX, _NULL_LONG = 0xFFFFFFFFFFFFFFFF, 0xFFFFFFFF
_COLLATION = 5
_DAY_ONE = datetime(1, 1, 1)
# A single-byte text is in the collation that the server announced.
_SINGLE_BYTE = "cp1252"


def read(reader: Reader) -> Value:
    """The next parameter's value. Raises WireError for a type that the simulated server does not know."""
    kind = reader.number(1)
    if kind in _FIXED:
        kind, size = _FIXED[kind]
        return _SIZED[kind](reader.take(size))
    if kind in _SIZED:
        reader.take(1)
        return _SIZED[kind](data) if (data := reader.take(reader.number(1))) else None
    if kind == _DATETIME2:
        scale = reader.number(1)
        return _datetime2(data, scale) if (data := reader.take(reader.number(1))) else None
    return _string(kind, reader)


def _string(kind: int, reader: Reader) -> Value:
    if kind in _UNICODE | _TEXTS | _BINARIES:
        data = _bounded(reader, has_collation=kind not in _BINARIES)
    elif kind in (_NTEXT, _TEXT, _IMAGE):
        data = _large(reader, has_collation=kind != _IMAGE)
    else:
        raise WireError(f"a parameter has the type 0x{kind:02X}, which the simulated server does not know")
    if data is None or kind in _BINARIES or kind == _IMAGE:
        return data
    return decoded(data) if kind in _UNICODE or kind == _NTEXT else data.decode(_SINGLE_BYTE, "replace")


def _bounded(reader: Reader, *, has_collation: bool) -> bytes | None:
    longest = reader.number(2)
    reader.take(_COLLATION * has_collation)
    if longest == _MAX:
        return _in_chunks(reader)
    length = reader.number(2)
    return None if length == _NULL else reader.take(length)


def _in_chunks(reader: Reader) -> bytes | None:
    if reader.number(8) == _NULL_MAX:
        return None
    data = bytearray()
    while length := reader.number(4):
        data += reader.take(length)
    return bytes(data)


def _large(reader: Reader, *, has_collation: bool) -> bytes | None:
    reader.take(4 + _COLLATION * has_collation)
    length = reader.number(4)
    return None if length == _NULL_LONG else reader.take(length)


def _whole_number(data: bytes) -> int:
    # tinyint is the only one without a sign.
    return int.from_bytes(data, "little", signed=len(data) > 1)


def _fraction(data: bytes) -> float:
    return float(struct.unpack("<f" if len(data) == 4 else "<d", data)[0])


def _money(data: bytes) -> float:
    if len(data) == 4:
        return int.from_bytes(data, "little", signed=True) / 10_000
    high, low = struct.unpack("<iI", data)
    return float((high << 32 | low) / 10_000)


def _moment(data: bytes) -> datetime:
    if len(data) == 4:
        days, minutes = struct.unpack("<HH", data)
        return DATETIME_EPOCH + timedelta(days=days, minutes=minutes)
    days, ticks = struct.unpack("<iI", data)
    # To the millisecond, as the server shows it.
    return DATETIME_EPOCH + timedelta(days=days, milliseconds=round(ticks * 1000 / TICKS))


def _datetime2(data: bytes, scale: int) -> datetime:
    units = int.from_bytes(data[:-3], "little")
    days = int.from_bytes(data[-3:], "little")
    return _DAY_ONE + timedelta(days=days, microseconds=units * 10**6 // 10**scale)


_SIZED: dict[int, Callable[[bytes], Value]] = {
    _INT: _whole_number,
    _BIT: any,
    _FLOAT: _fraction,
    _MONEY: _money,
    _DATETIME: _moment,
}
