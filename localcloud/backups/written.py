"""What a synthetic native backup is to be: the one place where a test or the demonstration chooses."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Final, Literal
from uuid import UUID

SECTOR: Final = 512
MEDIA: Final = UUID("dba99816-9a6c-4ab6-b68c-76b2a726823d")
SET: Final = UUID("54a4e82d-bd4b-4887-885b-3ae8459d489d")
DATABASE: Final = UUID("feb32f6f-4bc1-4180-b359-2e40e3fc5788")
NOTHING: Final = UUID(int=0)

PAGE: Final = 8192
EXTENT: Final = 8 * PAGE
WITH_CHECKSUM: Final = 0x10
# What the first page of a file says of itself since SQL Server 2005 (9.0), by major and minor version.
_DATABASE_VERSIONS: Final = {
    (9, 0): 611,
    (10, 0): 655,
    (10, 50): 661,
    (11, 0): 706,
    (12, 0): 782,
    (13, 0): 852,
    (14, 0): 869,
    (15, 0): 904,
    (16, 0): 957,
    (17, 0): 998,
}
_OF_DIFFERENTIAL: Final = 0x800
# sysdatabases.status, which the header and the boot page repeat.
_RECOVERY: Final = {"FULL": 0, "BULK_LOGGED": 0x4, "SIMPLE": 0x8}
_PROTECTION: Final = {"checksum": 0x10000, "torn": 0x10, "none": 0}

Lsn = tuple[int, int, int]
Protection = Literal["checksum", "torn", "none"]
Recovery = Literal["FULL", "BULK_LOGGED", "SIMPLE"]


@dataclass(frozen=True)
class Written:
    """What to write: by default a full backup WITH CHECKSUM of SQL Server 2019 whose LSNs run from 21:153:37 to 21:169:1.

    `files` are (logical name, path, bytes) of the database's files, a log's path ends in .ldf. `pages` is how much of its data (or log)
    one stripe holds, in sectors of 512 bytes: it's rounded up to extents of 64 KiB. `sets` writes so many sets into the
    file, this one last and the older ones a day apart before it; `backup_of_sets` takes any. `unit` is the BLOCKSIZE. `free` of the last
    pages of the first file are free ones, with old bytes of the disk. `finished` is five seconds after `begun` if not said.
    `final` are the first, last and checkpoint LSN that the header behind the data has, if the data was read twice (they are higher).
    `overwritten` is when the file was made that this backup WITH INIT wrote over.
    `flags` holds 0x10 for WITH CHECKSUM, `database_number` 1 to 4 for master, tempdb, model, msdb; `base_set` is a differential's full.
    """

    database: str = "shop"
    kind: str = "D"
    stripe: int = 1
    stripes: int = 1
    media: UUID = MEDIA
    set_id: UUID = SET
    database_id: UUID = DATABASE
    first: Lsn = (21, 153, 37)
    last: Lsn = (21, 169, 1)
    checkpoint: Lsn = (21, 153, 37)
    base: Lsn = (0, 0, 0)
    begun: datetime = datetime(2023, 2, 28, 23, 59, 58)
    flags: int = 0x210
    version: tuple[int, int, int] = (15, 0, 2080)
    password: bytes = b""
    set_password: bytes = b""
    files: tuple[tuple[str, str, int], ...] = (("shop", "D:\\shop.mdf", 8 << 20), ("shop_log", "D:\\shop.ldf", 1 << 20))
    vendor: int = 0x1200
    sets: int = 1
    pages: int = 20
    unit: int = SECTOR
    free: int = 0
    protection: Protection = "checksum"
    recovery: Recovery = "FULL"
    finished: datetime | None = None
    database_number: int = 5
    base_set: UUID = NOTHING
    overwritten: datetime | None = None
    final: tuple[Lsn, Lsn, Lsn] | None = None

    @property
    def end(self) -> datetime:
        """When the backup finished."""
        return self.finished or self.begun + timedelta(seconds=5)

    @property
    def has_checksums(self) -> bool:
        return bool(self.flags & WITH_CHECKSUM)

    @property
    def set_flags(self) -> int:
        return self.flags | _OF_DIFFERENTIAL if self.kind == "I" else self.flags

    @property
    def status(self) -> int:
        """The database's status word: how its pages are protected, and its recovery model."""
        return _PROTECTION[self.protection] | _RECOVERY[self.recovery]

    @property
    def database_version(self) -> int:
        return _DATABASE_VERSIONS.get(self.version[:2], 904)

    @property
    def is_of_2005(self) -> bool:
        return self.version[0] == 9

    @cached_property
    def data_files(self) -> tuple[int, ...]:
        """The numbers of the files that hold pages, the first one's first."""
        return tuple(number for number, file in enumerate(self.files, 1) if not is_log(file[1]))

    @property
    def extents(self) -> int:
        """How many extents of 64 KiB each stripe holds of data or log: a database's boot page is in its second extent."""
        least = 2 if self.kind != "L" and self.stripes == 1 else 1
        return max(least, -(-self.pages * SECTOR // EXTENT))


def is_log(path: str) -> bool:
    """Whether a database file holds the log."""
    return path.lower().endswith(".ldf")


def older_sets(what: Written) -> list[Written]:
    """The sets that stand before `what` in its file, the oldest first."""
    return [
        replace(
            what,
            sets=1,
            set_id=UUID(int=what.set_id.int ^ ago),
            begun=what.begun - timedelta(days=ago),
            finished=what.end - timedelta(days=ago),
        )
        for ago in range(what.sets - 1, 0, -1)
    ]
