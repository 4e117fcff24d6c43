"""What a native backup says of itself: which backup set of which database it is, and which stripe of it.

All offsets were read from real backups of SQL Server 2005 to 2025; the items `SCIN` (the backup set) and `SFIN` (one database file
each) stand in the first stream of block `MSCI`, before the data, and once more in block `MSLS`, behind it. The ids of the database and of
the base were told apart by comparing the headers of chains, copies and stripes; the recovery model is the one on the database's boot page
in 203 of 203. Invariant: whatever the bytes are, the answer is a header, a RestoreError or NotEnough.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from dbrestore.contract.manifest import RecoveryModel
from dbrestore.contract.sqlserver_errors import NotANativeBackup
from dbrestore.points.sqlserver.blocks import Block, blocks, date, exactly, number

_SQL_SERVER: Final = 0x1200
_WITH_CHECKSUM: Final = 0x10
_SIMPLE: Final = 0x8
_BULK_LOGGED: Final = 0x4
NO_ID: Final = UUID(int=0)
# SQL Server's limit for a name, in UTF-16.
_LONGEST_NAME: Final = 128
# Each of 32,767 database files and as many filegroups has one.
_MOST_ITEMS: Final = 1 << 17

Item = tuple[bytes, memoryview]


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

    `number` counts the backup sets in one file from 1. `database_id` stays the same for a database and its restored copies,
    `database_number` is the one that its server gave it (1 to 4 are SQL Server's own); `base_id` is the `id` of the full backup before.
    `begun_at` and `finished_at` are the server's clock, without a zone; the header before the data doesn't know the latter."""

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
    database_number: int
    recovery_model: RecoveryModel
    data_size: int
    database_files: tuple[DatabaseFile, ...]
    finished_at: datetime | None = None


@dataclass(frozen=True)
class NativeHeader:
    """One file: stripe `stripe` of `stripes` of a backup set."""

    compressed: bool
    media_set_id: UUID
    stripe: int
    stripes: int
    has_password: bool
    backup_set: BackupSet


@dataclass(frozen=True)
class Media:
    """What a file's first block says: stripe `stripe` of `stripes` of all its backup sets."""

    id: UUID
    stripe: int
    stripes: int
    has_password: bool


class NotEnough(Exception):
    """The bytes end before what they announce."""


def media(data: bytes) -> Media:
    """The media that the first block describes. Raises NotANativeBackup; NotEnough, ValueError and IndexError for what isn't whole."""
    tape = block_of(data, b"TAPE")
    if tape.number(86) != _SQL_SERVER:
        raise NotANativeBackup(f"is a backup in Microsoft Tape Format by another program than SQL Server (vendor {tape.number(86):#06x})")
    _, payload = _stream(tape, b"RAID")
    stripe, stripes = number(payload, 24, 2), number(payload, 20, 2)
    if not 1 <= stripe <= stripes:
        raise ValueError(f"stripe {stripe} of {stripes}")
    return Media(id=_id(payload, 0), stripe=stripe, stripes=stripes, has_password=bool(tape.number(76)))


def header(of: Media, data: bytes, *, compressed: bool) -> NativeHeader:
    """What stands before the data of the first backup set in `data`. Raises NotEnough, ValueError and IndexError for what isn't whole."""
    head = block_of(data, b"SSET")
    said = described(control(data))
    return NativeHeader(
        compressed=compressed,
        media_set_id=of.id,
        stripe=of.stripe,
        stripes=of.stripes,
        has_password=of.has_password or bool(head.number(72)),
        backup_set=replace(said, id=_id(head.pointed(44), 0), number=head.number(62)),
    )


def control(data: bytes) -> tuple[Item, ...]:
    """The items before the data of the first backup set in `data`. Raises as `header` does."""
    return items(block_of(data, b"MSCI"))


def block_of(data: bytes, tag: bytes) -> Block:
    """The first block with this tag. Raises NotEnough."""
    for block in blocks(data):
        if block.tag == tag:
            return block
    raise NotEnough(f"no block {tag.decode()}")


def _stream(block: Block, tag: bytes) -> tuple[int, memoryview]:
    found = block.stream(tag)
    if found is None:
        raise ValueError(f"no stream {tag.decode()} in block {block.tag.decode()}")
    return found


def items(control: Block) -> tuple[Item, ...]:
    """Tag and bytes of each item of the stream MQCI. Raises NotEnough, ValueError and IndexError for what isn't whole."""
    length, payload = _stream(control, b"MQCI")
    if len(payload) < length:
        raise NotEnough(f"{length} bytes of items")
    found: list[Item] = []
    position = 0
    while position + 8 <= length:
        tag, size = bytes(payload[position : position + 4]), number(payload, position + 4, 4)
        if size < 8 or position + size > length or len(found) == _MOST_ITEMS:
            raise ValueError(f"item {tag!r} of {size} bytes")
        found.append((tag, payload[position : position + size]))
        position += size
    return tuple(found)


def described(items: tuple[Item, ...]) -> BackupSet:
    """The backup set of these items, without the id and the number that stand elsewhere. Raises ValueError and IndexError."""
    if not items or items[0][0] != b"SCIN":
        raise ValueError("no item SCIN")
    item = items[0][1]
    if exactly(item, 42, 10) != exactly(item, 144, 10):
        raise ValueError("it tells the last LSN twice, and not alike")
    return BackupSet(
        id=NO_ID,
        number=0,
        kind=chr(item[87]),
        database=_name(item, 104),
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
        database_number=number(item, 92, 2),
        recovery_model=_recovery_model(number(item, 244, 4)),
        data_size=number(item, 96, 8),
        database_files=tuple(_database_file(item) for tag, item in items if tag == b"SFIN"),
    )


def _recovery_model(status: int) -> RecoveryModel:
    if status & _SIMPLE:
        return "SIMPLE"
    return "BULK_LOGGED" if status & _BULK_LOGGED else "FULL"


def _database_file(item: memoryview) -> DatabaseFile:
    return DatabaseFile(logical_name=_text(item, 48), physical_path=_text(item, 52), size=number(item, 40, 8))


def _name(item: memoryview, pointer: int) -> str:
    length = number(item, pointer, 2) // 2
    if not 0 < length <= _LONGEST_NAME:
        raise ValueError(f"a database name of {length:,} characters")
    return _text(item, pointer)


def _text(item: memoryview, pointer: int) -> str:
    """UTF-16 text: the pointer counts bytes and starts at the item's tag."""
    return exactly(item, number(item, pointer + 2, 2), number(item, pointer, 2)).decode("utf-16-le")


def _lsn(item: memoryview, offset: int) -> Lsn:
    return Lsn(number(item, offset, 4), number(item, offset + 4, 4), number(item, offset + 8, 2))


def _id(data: bytes | memoryview, offset: int) -> UUID:
    return UUID(bytes_le=exactly(data, offset, 16))
