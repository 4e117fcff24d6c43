"""The container of a compressed native backup (SQL Server 2014 and later): `MSSQLBAK`, then records that inflate to the blocks of an
uncompressed one.

Layout as read from a real backup of SQL Server 2016. A record has a header of 32 bytes (+4 u32: compressed size in the upper half, inflated
size / 512 in bits 8 to 15; +24 u32 is 0) and overlaps the next one by four bytes. Records stand at any byte, so the next one is
found by its table of codes.
"""

from collections.abc import Iterator
from typing import Final

from repository import xpress_huffman
from repository.errors import BackupUnreadable
from repository.native_blocks import SECTOR, number
from repository.native_errors import BackupEncrypted

MAGIC: Final = b"MSSQLBAK"
_VERSION: Final = 2
_RECORD_HEADER: Final = 32


def inflate(head: bytes, enough: int) -> bytes:
    """The blocks at the beginning, at least `enough` bytes of them if the head holds so many. Raises BackupUnreadable for a layout that
    isn't known, BackupEncrypted if there is no record to be read."""
    version = int.from_bytes(head[8:12], "little")
    if version != _VERSION:
        raise BackupUnreadable(
            f"is a compressed backup of layout {version} (SQL Server 2012 and earlier write 1), and only layout {_VERSION} can be "
            "read: back up again WITH NO_COMPRESSION"
        )
    found = b""
    for data, size in _records(head):
        found += xpress_huffman.inflate(data, size)
        if len(found) >= enough:
            break
    if not found.startswith(b"TAPE"):
        raise BackupEncrypted(
            "is a compressed backup whose first record can't be read: it was made WITH ENCRYPTION or is damaged. Back up again without "
            "encryption, or compare the file with its original"
        )
    return found


def _records(head: bytes) -> Iterator[tuple[bytes, int]]:
    """(table and stream, inflated size) of each whole record."""
    position = len(MAGIC) + 4
    while position + _RECORD_HEADER + xpress_huffman.TABLE <= len(head):
        if not _is_record(head, position):
            position += 1
            continue
        compressed, inflated = _sizes(head, position)
        end = position + _RECORD_HEADER + compressed
        if end > len(head):
            return
        yield head[position + _RECORD_HEADER : end], inflated
        position = end - 4


def _sizes(head: bytes, position: int) -> tuple[int, int]:
    return number(head, position + 6, 2), head[position + 5] * SECTOR


def _is_record(head: bytes, position: int) -> bool:
    compressed, inflated = _sizes(head, position)
    if not inflated or compressed <= xpress_huffman.TABLE or number(head, position + 24, 4):
        return False
    table = position + _RECORD_HEADER
    return xpress_huffman.is_table(head[table : table + xpress_huffman.TABLE])
