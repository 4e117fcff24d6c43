"""What msdb remembers of restores: `backupset`, a row for each backup set that was restored here, `restorehistory`, one for each restore.

The simulated server makes no backups, so `backupset` knows of no others. Only columns that are true here are there.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from dbrestore.points.sqlserver.header import BackupSet, Lsn
from localcloud.tds.engine import Value

Columns = tuple[tuple[str, str], ...]

# In `type` of both tables and in `restore_type`: D for the database, I for a differential, L for the log.
BACKUP_SET: Final[Columns] = (
    ("backup_set_id", "INT"),
    ("media_set_id", "INT"),
    ("position", "INT"),
    ("name", "NVARCHAR"),
    ("user_name", "NVARCHAR"),
    ("software_major_version", "INT"),
    ("software_minor_version", "INT"),
    ("software_build_version", "INT"),
    ("database_version", "INT"),
    ("compatibility_level", "INT"),
    ("first_lsn", "SQL_NUMERIC"),
    ("last_lsn", "SQL_NUMERIC"),
    ("checkpoint_lsn", "SQL_NUMERIC"),
    ("database_backup_lsn", "SQL_NUMERIC"),
    ("backup_start_date", ""),
    ("backup_finish_date", ""),
    ("type", "NVARCHAR"),
    ("backup_size", "SQL_NUMERIC"),
    ("database_name", "NVARCHAR"),
    ("server_name", "NVARCHAR"),
    ("recovery_model", "NVARCHAR"),
    ("has_backup_checksums", "SQL_BIT"),
)
RESTORE_HISTORY: Final[Columns] = (
    ("restore_history_id", "INT"),
    ("restore_date", ""),
    ("destination_database_name", "NVARCHAR"),
    ("user_name", "NVARCHAR"),
    ("backup_set_id", "INT"),
    ("restore_type", "NVARCHAR"),
    ("replace", "SQL_BIT"),
    ("recovery", "SQL_BIT"),
    ("stop_at", ""),
)


@dataclass(frozen=True)
class Restored:
    """One restore that ended well; `at` is the server's clock, `recovery_model` the database's."""

    at: datetime
    database: str
    user: str
    backup_set: BackupSet
    recovery_model: str
    with_recovery: bool
    stop_at: datetime | None


@dataclass
class History:
    """All restores of a server, oldest first."""

    restores: list[Restored] = field(default_factory=list)

    def forget(self, database: str) -> None:
        """The backup sets of a database, by the name it was backed up under, and their restores."""
        self.restores = [one for one in self.restores if one.backup_set.database.casefold() != database.casefold()]

    def backup_sets(self) -> Iterator[tuple[Value, ...]]:
        """The rows of `backupset`."""
        known: dict[object, Restored] = {}
        for one in self.restores:
            known.setdefault(one.backup_set.id, one)
        for number, one in enumerate(known.values(), start=1):
            said = one.backup_set
            major, minor, build = (*map(int, said.version.split(".")), 0, 0, 0)[:3]
            yield (
                number,
                number,
                said.number,
                None,
                None,
                major,
                minor,
                build,
                said.database_version,
                said.compatibility_level,
                _numeric(said.first_lsn),
                _numeric(said.last_lsn),
                _numeric(said.checkpoint_lsn),
                _numeric(said.base_lsn),
                said.begun_at,
                said.finished_at,
                said.kind,
                said.data_size,
                said.database,
                said.server,
                one.recovery_model,
                said.checksums,
            )

    def rows(self) -> Iterator[tuple[Value, ...]]:
        """The rows of `restorehistory`."""
        numbers: dict[object, int] = {}
        for number, one in enumerate(self.restores, start=1):
            set_number = numbers.setdefault(one.backup_set.id, len(numbers) + 1)
            yield (
                number,
                one.at,
                one.database,
                one.user,
                set_number,
                one.backup_set.kind,
                False,
                one.with_recovery,
                one.stop_at,
            )


def _numeric(lsn: Lsn) -> int:
    """As msdb writes it: numeric(25, 0), ten digits for the block and five for the slot."""
    return lsn.file * 10**15 + lsn.block * 10**5 + lsn.slot
