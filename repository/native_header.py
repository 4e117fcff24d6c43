"""What the beginning of a native backup says: which backup set of which database it is, and which stripe of it.

All offsets were read from real backups of SQL Server 2005 to 2025; the items `SCIN` (the backup set) and `SFIN` (one database file
each) stand in the first stream of block `MSCI`. The ids of the database and of the base were told apart by comparing the headers of
chains, copies and stripes. Invariant: whatever the bytes are, the answer is a header or a RestoreError.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from repository import native_container
from repository.errors import BackupDamaged, BackupUnreadable
from repository.native_blocks import Block, blocks, date, exactly, number
from repository.native_errors import NotANativeBackup

_SQL_SERVER: Final = 0x1200
_WITH_CHECKSUM: Final = 0x10
# More than TAPE, SSET, VOLB and the part of MSCI before its items take.
_BEFORE_ITEMS: Final = 4096


class Lsn(NamedTuple):
    """A log sequence number: log file, block in it, record in that. Written `21:153:37`."""

    file: int
    block: int
    slot: int

    def __str__(self) -> str:
        return f"{self.file}:{self.block}:{self.slot}"


@dataclass(frozen=True)
class DatabaseFile:
    """One file that the restore will make. `size` in bytes."""

    logical_name: str
    physical_path: str
    size: int


@dataclass(frozen=True)
class BackupSet:
    """One backup of one database. `kind` is SQL Server's letter: D full, I differential, L log, others partial ones.

    `number` counts the backup sets in one file from 1. `database_id` stays the same for a database and its restored copies; `base_id`
    is the `id` of the full backup before. `begun_at` is the server's clock, without a zone."""

    id: UUID
    number: int
    kind: str
    database: str
    server: str
    version: str
    database_version: int
    compatibility_level: int
    checksums: bool
    begun_at: datetime
    first_lsn: Lsn
    last_lsn: Lsn
    checkpoint_lsn: Lsn
    base_lsn: Lsn
    base_id: UUID
    database_id: UUID
    data_size: int
    database_files: tuple[DatabaseFile, ...]


@dataclass(frozen=True)
class NativeHeader:
    """One file: stripe `stripe` of `stripes` of a backup set."""

    compressed: bool
    media_set_id: UUID
    stripe: int
    stripes: int
    has_password: bool
    backup_set: BackupSet


def read(head: bytes) -> NativeHeader:
    """The header in a file's first 64 KiB. Raises NotANativeBackup, BackupEncrypted, BackupUnreadable or BackupDamaged; the sentence
    begins with the verb, for the file's name to stand before it."""
    compressed = head.startswith(native_container.MAGIC)
    try:
        return _header(_uncompressed(head) if compressed else head, compressed)
    except (IndexError, ValueError) as error:
        raise BackupDamaged(f"has a damaged header ({error}): compare the file with its original") from error


def _uncompressed(head: bytes) -> bytes:
    """As many blocks as the items need: how long those are stands before them."""
    begun = native_container.inflate(head, _BEFORE_ITEMS)
    control = _block(begun, b"MSCI")
    length, _ = _stream(control, b"MQCI")
    return native_container.inflate(head, control.position + _BEFORE_ITEMS + length)


def _header(data: bytes, compressed: bool) -> NativeHeader:
    tape = _block(data, b"TAPE")
    if tape.number(86) != _SQL_SERVER:
        raise NotANativeBackup(
            f"is a backup in Microsoft Tape Format by another program than SQL Server (vendor {tape.number(86):#06x})"
        )
    _, media = _stream(tape, b"RAID")
    stripe, stripes = number(media, 24, 2), number(media, 20, 2)
    if not 1 <= stripe <= stripes:
        raise ValueError(f"stripe {stripe} of {stripes}")
    head_of_set = _block(data, b"SSET")
    return NativeHeader(
        compressed=compressed,
        media_set_id=_id(media, 0),
        stripe=stripe,
        stripes=stripes,
        has_password=bool(tape.number(76) or head_of_set.number(72)),
        backup_set=_backup_set(head_of_set, tuple(_items(_block(data, b"MSCI")))),
    )


def _block(data: bytes, tag: bytes) -> Block:
    for block in blocks(data):
        if block.tag == tag:
            return block
    raise ValueError(f"no block {tag.decode()}")


def _stream(block: Block, tag: bytes) -> tuple[int, memoryview]:
    found = block.stream(tag)
    if found is None:
        raise ValueError(f"no stream {tag.decode()}")
    return found


def _items(control: Block) -> Iterator[tuple[bytes, memoryview]]:
    """Tag and bytes of each item of the control stream."""
    length, payload = _stream(control, b"MQCI")
    if len(payload) < length:
        raise BackupUnreadable(
            f"has a header of {length:,} bytes (very many database files), and only the file's first 64 KiB are read: report it as a bug"
        )
    position = 0
    while position + 8 <= length:
        tag, size = bytes(payload[position : position + 4]), number(payload, position + 4, 4)
        if size < 8 or position + size > length:
            raise ValueError(f"item {tag!r} of {size} bytes")
        yield tag, payload[position : position + size]
        position += size


def _backup_set(head: Block, items: tuple[tuple[bytes, memoryview], ...]) -> BackupSet:
    if not items or items[0][0] != b"SCIN":
        raise ValueError("no item SCIN")
    item = items[0][1]
    return BackupSet(
        id=_id(head.pointed(44), 0),
        number=head.number(62),
        kind=chr(item[87]),
        database=_text(item, 104),
        server=_text(item, 108),
        version=f"{item[27]}.{item[26]}.{number(item, 24, 2)}",
        database_version=number(item, 94, 2),
        compatibility_level=item[91],
        checksums=bool(number(item, 8, 4) & _WITH_CHECKSUM),
        begun_at=date(item, 77),
        first_lsn=_lsn(item, 32),
        last_lsn=_lsn(item, 42),
        checkpoint_lsn=_lsn(item, 52),
        base_lsn=_lsn(item, 62),
        base_id=_id(item, 200),
        database_id=_id(item, 224),
        data_size=number(item, 96, 8),
        database_files=tuple(_database_file(item) for tag, item in items if tag == b"SFIN"),
    )


def _database_file(item: memoryview) -> DatabaseFile:
    return DatabaseFile(logical_name=_text(item, 48), physical_path=_text(item, 52), size=number(item, 40, 8))


def _text(item: memoryview, pointer: int) -> str:
    """UTF-16 text: the pointer counts bytes and starts at the item's tag."""
    return exactly(item, number(item, pointer + 2, 2), number(item, pointer, 2)).decode("utf-16-le")


def _lsn(item: memoryview, offset: int) -> Lsn:
    return Lsn(number(item, offset, 4), number(item, offset + 4, 4), number(item, offset + 8, 2))


def _id(data: bytes | memoryview, offset: int) -> UUID:
    return UUID(bytes_le=exactly(data, offset, 16))
