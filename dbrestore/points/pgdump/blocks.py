"""The data of a pg_dump archive: blocks of the custom format, member files of the directory format. `points add` and the
replay read through this one path. Invariant: a stream that ended without an error was complete, in frame, and held nothing else.

    block        type byte (1 rows, 3 large objects), Int dump id, body
    rows         chunks
    objects      (Int oid, chunks)*, Int 0
    chunks       (Int length > 0, bytes)*, Int 0: together one compressed stream
"""

import struct
from collections.abc import Iterable, Iterator
from typing import Final, Literal

from dbrestore.contract.errors import BackupDamaged
from dbrestore.contract.manifest import ArchiveFormat, Compression
from dbrestore.points.byte_reader import ByteReader
from dbrestore.points.pgdump.codecs import decompress
from dbrestore.points.pgdump.rows import copy_text
from dbrestore.points.pgdump.toc_values import read_int

BlockKind = Literal["rows", "large objects"]

_KINDS: Final[dict[int, BlockKind]] = {1: "rows", 3: "large objects"}
_LENGTH: Final = struct.Struct("<BI")


def table_rows(stored: Iterable[bytes], archive_format: ArchiveFormat, compression: Compression, dump_id: int) -> Iterator[bytes]:
    """The COPY text of one member as it lies in the repository, without the closing `\\.` lines, in pieces up to about 1 MiB.

    Raises BackupDamaged at the first byte that doesn't fit, at the latest when the stream is exhausted: commit nothing before."""
    if archive_format == "directory":
        yield from copy_text.without_terminator(decompress(stored, compression))
        return
    reader = ByteReader(stored)
    require_block(reader, "rows", dump_id)
    yield from rows(reader, compression)
    _require_end(reader)


def large_objects(
    stored: Iterable[bytes],
    archive_format: ArchiveFormat,
    compression: Compression,
    dump_id: int,
    oids: tuple[int, ...],
) -> Iterator[tuple[int, Iterator[bytes]]]:
    """The large objects of one member, each with its content in pieces; a content that isn't read is skipped (and checked).

    `oids` are those of the manifest: a directory's file doesn't name its object, and a block must hold exactly these."""
    if archive_format == "directory":
        yield from _checked([(oids[0], decompress(stored, compression))])
        return
    reader = ByteReader(stored)
    require_block(reader, "large objects", dump_id)
    seen = []
    for oid, content in objects(reader, compression):
        seen.append(oid)
        yield oid, content
    if tuple(seen) != oids:
        raise BackupDamaged(f"the block holds other large objects ({len(seen)}) than the manifest ({len(oids)})")
    _require_end(reader)


def read_block(reader: ByteReader) -> tuple[BlockKind, int]:
    """The beginning of the next block: its kind and dump id."""
    code = reader.read(1)[0]
    if code not in _KINDS:
        raise BackupDamaged(f"byte {reader.position - 1} should begin a data block but is {code}")
    return _KINDS[code], read_int(reader)


def require_block(reader: ByteReader, kind: BlockKind, dump_id: int) -> None:
    """Read the beginning of a block that must be this one."""
    found = read_block(reader)
    if found != (kind, dump_id):
        raise BackupDamaged(f"a block of {found[0]} with dump id {found[1]} was found where {kind} of {dump_id} was expected")


def rows(reader: ByteReader, compression: Compression) -> Iterator[bytes]:
    """The COPY text of the block whose beginning was just read, without the closing lines."""
    return copy_text.without_terminator(decompress(_payload(reader), compression))


def objects(reader: ByteReader, compression: Compression) -> Iterator[tuple[int, Iterator[bytes]]]:
    """The large objects of the block whose beginning was just read."""
    return _checked(_objects(reader, compression))


def _objects(reader: ByteReader, compression: Compression) -> Iterator[tuple[int, Iterator[bytes]]]:
    while number := read_int(reader):
        # pg_dump writes the unsigned oid as a signed number.
        yield number % (1 << 32), decompress(_payload(reader), compression)


def _checked(contents: Iterable[tuple[int, Iterator[bytes]]]) -> Iterator[tuple[int, Iterator[bytes]]]:
    for oid, content in contents:
        yield oid, content
        for _ in content:
            pass


def _payload(reader: ByteReader) -> Iterator[bytes]:
    """The bytes of all chunks up to the closing Int 0, joined as far as the buffer reaches: an uncompressed dump has a chunk per row."""
    missing = 0
    while True:
        pieces, missing, closed = _buffered_chunks(reader, missing)
        if pieces:
            yield b"".join(pieces)
        if closed:
            return
        if not reader.fill():
            raise BackupDamaged(f"the data ends at byte {reader.position}, in the middle of a data block")


def _buffered_chunks(reader: ByteReader, missing: int) -> tuple[list[bytes], int, bool]:
    """Take what the buffer holds. Returns the pieces, how much of the last chunk is still to come, and whether the block was closed."""
    data, end, unpack = reader.buffer, len(reader.buffer), _LENGTH.unpack_from
    cursor = reader.cursor + missing
    pieces = [data[reader.cursor : cursor]] if missing else []
    last_header = end - _LENGTH.size
    # One turn per row of an uncompressed dump: a slice past the end of the buffer is shorter by itself.
    while cursor <= last_header:
        sign, length = unpack(data, cursor)
        cursor += 5
        if sign:
            raise BackupDamaged(f"byte {reader.position + cursor - reader.cursor - 5} should begin a chunk, but its length is negative")
        if not length:
            reader.cursor = cursor
            return pieces, 0, True
        pieces.append(data[cursor : (cursor := cursor + length)])
    reader.cursor = min(cursor, end)
    return pieces, max(cursor - end, 0), False


def _require_end(reader: ByteReader) -> None:
    if not reader.at_end():
        raise BackupDamaged("bytes follow the end of the data block")
