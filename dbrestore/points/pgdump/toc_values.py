"""The values of which a table of contents consists. An Int is a sign byte and four bytes, little endian; a String is an Int length
(negative: NULL) and its bytes; a moment is the Ints of C's `struct tm`. Each raises BackupDamaged."""

import struct
import sys
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from dbrestore.contract.errors import BackupDamaged
from dbrestore.points.byte_reader import ByteReader

# Definitions have kilobytes, the longest known a few megabytes; what is longer is a length that was damaged, or meant to exhaust memory.
LONGEST_STRING: Final = 64 << 20
_INT: Final = struct.Struct("<BI")


def read_int(reader: ByteReader) -> int:
    """One Int."""
    sign, value = _INT.unpack(reader.read(_INT.size))
    return _signed(reader, sign, value)


def read_string(reader: ByteReader) -> str | None:
    """One String, its bytes as UTF-8; those that aren't any stay as surrogates."""
    # A table of contents has millions of them, and nearly all lie in what was fetched: those cost no further call.
    buffer, begin = reader.buffer, reader.cursor + _INT.size
    if begin > len(buffer):
        length = read_int(reader)
        buffer, begin = reader.buffer, reader.cursor
    else:
        sign, length = _INT.unpack_from(buffer, reader.cursor)
        reader.cursor = begin
        length = _signed(reader, sign, length) if sign else length
    if length <= 0:
        return None if length else ""
    if length > LONGEST_STRING:
        raise BackupDamaged(f"a text of {length} bytes before byte {reader.position}: longer than any that pg_dump writes")
    end = begin + length
    if end > len(buffer):
        raw = reader.read(length)
    else:
        raw, reader.cursor = buffer[begin:end], end
    if b"\0" in raw:
        raise BackupDamaged(f"the text before byte {reader.position} holds a zero byte: PostgreSQL allows none")
    return raw.decode("utf-8", "surrogateescape")


def read_dependencies(reader: ByteReader) -> Iterator[int]:
    """Numbers, each as a String, up to a NULL."""
    while (text := read_string(reader)) is not None:
        # Python refuses to read numbers of thousands of digits, with another error.
        if not (text.isascii() and text.isdecimal() and len(text) <= 10):
            raise BackupDamaged("a dependency in the table of contents isn't a number")
        yield int(text)


def _signed(reader: ByteReader, sign: int, value: int) -> int:
    if sign > 1:
        raise BackupDamaged(f"byte {reader.position - _INT.size} should be the sign of a number but is {sign}")
    return -value if sign else value


def read_repeated(reader: ByteReader) -> str:
    """One String that many values have in common, held once: there may be hundreds of thousands of them. NULL is empty."""
    return sys.intern(read_string(reader) or "")


def moment(parts: list[int]) -> datetime:
    """Of the server's clock, without a zone."""
    second, minute, hour, day, month, year, _ = parts
    try:
        # A leap second is 60.
        return datetime(year + 1900, month + 1, day, hour, minute, min(second, 59))
    except (ValueError, OverflowError) as error:
        raise BackupDamaged(f"the date in the dump's header is impossible: {error}") from error
