"""The values of which a table of contents consists. An Int is a sign byte and four bytes, little endian; a String is an Int length
(negative: NULL) and its bytes; a moment is the Ints of C's `struct tm`. Each raises BackupDamaged."""

import struct
import sys
from collections.abc import Iterator
from datetime import datetime
from typing import Final, Literal, NamedTuple

from dbrestore.contract.errors import BackupDamaged, BackupUnreadable
from dbrestore.contract.manifest import ArchiveFormat, Compression
from dbrestore.points.byte_reader import ByteReader

Section = Literal["none", "pre-data", "data", "post-data"]
OffsetState = Literal["not set", "set", "no data"]

# Definitions have kilobytes, the longest known a few megabytes; what is longer is a length that was damaged, or meant to exhaust memory.
LONGEST_STRING: Final = 64 << 20
_INT: Final = struct.Struct("<BI")
_SECTIONS: Final[dict[int, Section]] = {1: "none", 2: "pre-data", 3: "data", 4: "post-data"}
_COMPRESSIONS: Final[tuple[Compression, ...]] = ("none", "gzip", "lz4", "zstd")
_OFFSET_STATES: Final[dict[int, OffsetState]] = {1: "not set", 2: "set", 3: "no data"}


class Common(NamedTuple):
    """What many entries have in common, and is held once for all of them. `access_method` is a table's (`heap`), from archive version 1.14
    on."""

    has_data: bool = False
    description: str = ""
    section: Section = "none"
    schema_name: str | None = None
    tablespace: str = ""
    owner: str = ""
    relkind: str = ""
    offset_state: OffsetState = "no data"
    access_method: str = ""


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


def read_section(reader: ByteReader) -> Section:
    """When an entry is restored."""
    code = read_int(reader)
    if code not in _SECTIONS:
        raise BackupDamaged(f"an entry of the table of contents is in section {code}: there are 1 to 4")
    return _SECTIONS[code]


def read_relkind(reader: ByteReader) -> str:
    """A letter of pg_class; empty for none."""
    code = read_int(reader)
    if not 0 <= code < 128:
        raise BackupDamaged(f"an entry of the table of contents has the impossible relkind {code}")
    return chr(code) if code else ""


def read_compression(reader: ByteReader, version: tuple[int, int]) -> Compression:
    """Of the rows, as the header of an archive of that version tells it. Raises BackupUnreadable for a method that isn't known."""
    if version < (1, 15):  # a zlib level, and no other codec existed
        return "gzip" if read_int(reader) else "none"
    code = reader.read(1)[0]
    if code >= len(_COMPRESSIONS):
        raise BackupUnreadable(f"compression method {code} is unknown")
    return _COMPRESSIONS[code]


def read_place(reader: ByteReader, kind: ArchiveFormat, offset_size: int) -> tuple[OffsetState, int | None, str | None]:
    """Where an entry's data lies: whether its offset is known, the offset, and the file in a directory."""
    if kind == "directory":
        return "no data", None, read_string(reader) or None
    flag = reader.read(1)[0]
    if flag not in _OFFSET_STATES:
        raise BackupDamaged(f"an entry of the table of contents has the unknown offset flag {flag}")
    offset = int.from_bytes(reader.read(offset_size), "little")
    state = _OFFSET_STATES[flag]
    return state, offset if state == "set" else None, None


def moment(parts: list[int]) -> datetime:
    """Of the server's clock, without a zone."""
    second, minute, hour, day, month, year, _ = parts
    try:
        # A leap second is 60.
        return datetime(year + 1900, month + 1, day, hour, minute, min(second, 59))
    except (ValueError, OverflowError) as error:
        raise BackupDamaged(f"the date in the dump's header is impossible: {error}") from error
