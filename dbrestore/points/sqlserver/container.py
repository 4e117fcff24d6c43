"""The container of a compressed native backup (SQL Server 2014 and later): `MSSQLBAK`, then records that inflate to the blocks of an
uncompressed one; the filemarks stand between them as they are.

Layout as read from real backups of SQL Server 2016 to 2022. A record has a header of 28 bytes and follows the one before it; fillers and
an index stand between some, so the next one is found by its header and its table of codes. The first one may hold the media's block alone,
in one unit of 512 to 65,536 bytes.
"""

import re
from collections import deque
from collections.abc import Iterator
from typing import Final

from dbrestore.contract.sqlserver_errors import BackupEncrypted, CompressionUnreadable
from dbrestore.points.sqlserver import xpress_huffman
from dbrestore.points.sqlserver.blocks import SECTOR, number

MAGIC: Final = b"MSSQLBAK"
_VERSION: Final = 2
_RECORD_HEADER: Final = 28
# Kind 0x21, the inflated size (+1, in sectors), the compressed one (+2 u16), and 0 at +20.
_BEGINNING: Final = re.compile(rb"\x21[^\x00].{18}\x00{4}", re.DOTALL)
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_ANOTHER_WAY: Final = "WITH NO_COMPRESSION, or WITH COMPRESSION (ALGORITHM = MS_XPRESS)"


def require_readable(head: bytes) -> None:
    """Raises CompressionUnreadable for a layout or a compression that isn't known, BackupEncrypted if there is no record to be read."""
    version = int.from_bytes(head[8:12], "little")
    if version != _VERSION:
        raise CompressionUnreadable(
            f"is a compressed backup of layout {version} (SQL Server 2012 and earlier write 1), and only layout {_VERSION} can be "
            "read: back up again WITH NO_COMPRESSION"
        )
    if next(_records(head, len(MAGIC)), None):
        return
    if _ZSTD in head:
        raise CompressionUnreadable(
            f"is compressed by ZSTD (SQL Server 2025), and only MS_XPRESS can be read: back up again {_ANOTHER_WAY}"
        )
    raise BackupEncrypted(
        "is a compressed backup whose first record can't be read: it was made WITH ENCRYPTION, or compressed by QAT_DEFLATE (SQL Server "
        f"2022), or it is damaged. Back up again {_ANOTHER_WAY}, without encryption, or compare the file with its original"
    )


def inflated(data: bytes, begin: int = 0) -> Iterator[bytes]:
    """The blocks of each record that stands whole in `data` from `begin` on, in order; what isn't a record is passed over."""
    for record, size in _records(data, begin):
        yield xpress_huffman.inflate(record, size)


def inflated_end(data: bytes, records: int) -> bytes:
    """What the last records that stand whole in `data` come to; `data` may begin in the middle of one."""
    last = deque(_records(data, 0), maxlen=records)
    return b"".join(xpress_huffman.inflate(record, size) for record, size in last)


def _records(data: bytes, position: int) -> Iterator[tuple[bytes, int]]:
    """(table and stream, inflated size) of each whole record."""
    while found := _BEGINNING.search(data, position):
        position = found.start()
        table = position + _RECORD_HEADER
        compressed, size = number(data, position + 2, 2), data[position + 1] * SECTOR
        end = table + compressed
        if end > len(data):
            return
        if compressed > xpress_huffman.TABLE and xpress_huffman.is_table(data[table : table + xpress_huffman.TABLE]):
            yield data[table:end], size
            position = end
        else:
            position += 1
