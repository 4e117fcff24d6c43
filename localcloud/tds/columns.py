"""Result sets on the wire: COLMETADATA and ROW tokens for the column types of the engine's border."""

import struct
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from localcloud.tds.engine import ColumnType, ResultSet, Value
from localcloud.tds.fields import short_text
from localcloud.tds.tokens import COLLATION
from localcloud.tds.versions import Version

# datetime counts days from here and, within the day, three hundredths of a second.
DATETIME_EPOCH = datetime(1900, 1, 1)
TICKS = 300

_METADATA, _ROW = 0x81, 0xD1
_NULLABLE = 0x01
_INT, _BIT, _FLOAT, _DATETIME, _NVARCHAR, _VARBINARY = 0x26, 0x68, 0x6D, 0x6F, 0xE7, 0xA5
_NUMERIC, _NTEXT, _MONEY, _GUID = 0x6C, 0x63, 0x6E, 0x24
_DATE, _DATETIME2, _DATETIMEOFFSET = 0x28, 0x2A, 0x2B
# decimal(38, 4) and money have four digits after the point; moments of the newer types are counted in 100 ns from midnight.
_DECIMAL_SIZE, _DECIMAL_PRECISION, _SCALE = 17, 38, 4
_TIME_SCALE, _TIME_SIZE = 7, 5
# numeric(25, 0): a sign and twelve bytes.
_NUMERIC_SIZE, _PRECISION = 13, 25
_LONGEST, _MAX = 8000, 0xFFFF
_UNKNOWN_LENGTH = 0xFFFFFFFFFFFFFFFE
_NULL_MAX = 0xFFFFFFFFFFFFFFFF
_CHUNK = 60000

_TYPE_INFO: dict[ColumnType, bytes] = {
    "int": bytes([_INT, 4]),
    "bigint": bytes([_INT, 8]),
    "bit": bytes([_BIT, 1]),
    "float": bytes([_FLOAT, 8]),
    "datetime": bytes([_DATETIME, 8]),
    "nvarchar": struct.pack("<BH", _NVARCHAR, _LONGEST) + COLLATION,
    "nvarchar(max)": struct.pack("<BH", _NVARCHAR, _MAX) + COLLATION,
    "varbinary": struct.pack("<BH", _VARBINARY, _LONGEST),
    "numeric": bytes([_NUMERIC, _NUMERIC_SIZE, _PRECISION, 0]),
    "decimal": bytes([_NUMERIC, _DECIMAL_SIZE, _DECIMAL_PRECISION, _SCALE]),
    "money": bytes([_MONEY, 8]),
    "date": bytes([_DATE]),
    "datetime2": bytes([_DATETIME2, _TIME_SCALE]),
    "datetimeoffset": bytes([_DATETIMEOFFSET, _TIME_SCALE]),
    "uniqueidentifier": bytes([_GUID, 16]),
}
# What came before texts without a limit: ntext, of a table without a name.
_OLD_LONG = struct.pack("<BI", _NTEXT, 0x7FFFFFFE) + COLLATION + struct.pack("<H", 0)
# The pointer to an ntext and its timestamp, which nobody uses.
_POINTER = bytes([16]) + b"\x01" * 16 + b"\0" * 8


def encoded(version: Version, results: ResultSet) -> bytes:
    """The columns and all rows. Raises ValueError or struct.error for a value that does not fit its column: a bug of the engine."""
    heads = (
        struct.pack(f"<{version.user_type}H", 0, _NULLABLE) + _type_info(version, column.type) + short_text(column.name)
        for column in results.columns
    )
    encoders = [_encoder(version, column.type) for column in results.columns]
    metadata = struct.pack("<BH", _METADATA, len(results.columns)) + b"".join(heads)
    return metadata + b"".join(_row(encoders, row) for row in results.rows)


def _type_info(version: Version, kind: ColumnType) -> bytes:
    return _OLD_LONG if kind == "nvarchar(max)" and not version.is_7_2 else _TYPE_INFO[kind]


def _encoder(version: Version, kind: ColumnType) -> Callable[[Value], bytes]:
    return _old_long if kind == "nvarchar(max)" and not version.is_7_2 else _ENCODERS[kind]


def _row(encoders: Sequence[Callable[[Value], bytes]], row: tuple[Value, ...]) -> bytes:
    return bytes([_ROW]) + b"".join(encode(value) for encode, value in zip(encoders, row, strict=True))


def _fixed(layout: str, value: Value) -> bytes:
    if value is None:
        return b"\0"
    data = struct.pack(layout, value)
    return bytes([len(data)]) + data


def _datetime(value: Value) -> bytes:
    if value is None:
        return b"\0"
    if not isinstance(value, datetime):
        raise ValueError(f"{value!r} is no datetime")
    # Rounded first: the last 1.67 ms of a day belong to the next one.
    ticks = round((value - DATETIME_EPOCH) / timedelta(seconds=1) * TICKS)
    return struct.pack("<BiI", 8, *divmod(ticks, 24 * 3600 * TICKS))


def _short(value: Value) -> bytes:
    if value is None:
        return struct.pack("<H", _MAX)
    data = _data(value)
    if len(data) > _LONGEST:
        raise ValueError(f"{len(data)} bytes do not fit a column of {_LONGEST}")
    return struct.pack("<H", len(data)) + data


def _long(value: Value) -> bytes:
    if value is None:
        return struct.pack("<Q", _NULL_MAX)
    data = _data(value)
    pieces = [data[start : start + _CHUNK] for start in range(0, len(data), _CHUNK)]
    chunks = b"".join(struct.pack("<I", len(piece)) + piece for piece in pieces)
    return struct.pack("<Q", _UNKNOWN_LENGTH) + chunks + struct.pack("<I", 0)


def _old_long(value: Value) -> bytes:
    if value is None:
        return b"\0"
    data = _data(value)
    return _POINTER + struct.pack("<I", len(data)) + data


def _numeric(value: Value) -> bytes:
    if value is None:
        return b"\0"
    if not isinstance(value, int):
        raise ValueError(f"{value!r} is no whole number")
    return bytes([_NUMERIC_SIZE, value >= 0]) + abs(value).to_bytes(_NUMERIC_SIZE - 1, "little")


def _decimal(value: object) -> bytes:
    if value is None:
        return b"\0"
    units = _units(value)
    return bytes([_DECIMAL_SIZE, units >= 0]) + abs(units).to_bytes(_DECIMAL_SIZE - 1, "little")


def _money(value: object) -> bytes:
    if value is None:
        return b"\0"
    high, low = divmod(_units(value), 1 << 32)
    return struct.pack("<BiI", 8, high, low)


def _units(value: object) -> int:
    if not isinstance(value, Decimal):
        raise ValueError(f"{value!r} is no decimal")
    return int(value.scaleb(_SCALE).to_integral_exact())


def _date(value: object) -> bytes:
    return b"\0" if value is None else bytes([3]) + _day(value)


def _datetime2(value: object) -> bytes:
    return b"\0" if value is None else bytes([_TIME_SIZE + 3]) + _time(value) + _day(value)


def _datetimeoffset(value: object) -> bytes:
    """The moment in UTC, and its zone in minutes."""
    if value is None:
        return b"\0"
    offset = value.utcoffset() if isinstance(value, datetime) else None
    if not isinstance(value, datetime) or offset is None:
        raise ValueError(f"{value!r} has no zone")
    moment = value.astimezone(UTC)
    return bytes([_TIME_SIZE + 5]) + _time(moment) + _day(moment) + struct.pack("<h", offset // timedelta(minutes=1))


def _time(value: object) -> bytes:
    if not isinstance(value, datetime):
        raise ValueError(f"{value!r} is no datetime")
    since = value - value.replace(hour=0, minute=0, second=0, microsecond=0)
    return (since // timedelta(microseconds=1) * 10).to_bytes(_TIME_SIZE, "little")


def _day(value: object) -> bytes:
    if not isinstance(value, date):
        raise ValueError(f"{value!r} is no date")
    return (value.toordinal() - 1).to_bytes(3, "little")


def _guid(value: object) -> bytes:
    if value is None:
        return b"\0"
    if not isinstance(value, UUID):
        raise ValueError(f"{value!r} is no uniqueidentifier")
    return bytes([16]) + value.bytes_le


def _data(value: Value) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-16-le")


_ENCODERS: dict[ColumnType, Callable[[Value], bytes]] = {
    "int": lambda value: _fixed("<i", value),
    "bigint": lambda value: _fixed("<q", value),
    "bit": lambda value: _fixed("<?", value),
    "float": lambda value: _fixed("<d", value),
    "datetime": _datetime,
    "nvarchar": _short,
    "nvarchar(max)": _long,
    "varbinary": _short,
    "numeric": _numeric,
    "decimal": _decimal,
    "money": _money,
    "date": _date,
    "datetime2": _datetime2,
    "datetimeoffset": _datetimeoffset,
    "uniqueidentifier": _guid,
}
