"""Whether a dump could be restored, and what its database is called, by its table of contents alone. Imported by functions, whose layer has
none of the libraries that read rows.
"""

from collections.abc import Sequence
from typing import Final, Literal

from dbrestore.contract.errors import BackupDamaged, BackupUnreadable
from dbrestore.contract.manifest import DatabaseBackup
from dbrestore.points.pgdump import database as pgdump_database
from dbrestore.points.pgdump import encoding as pgdump_encoding
from dbrestore.points.pgdump import entries as pgdump_entries
from dbrestore.points.pgdump.toc import Toc, TocEntry

KINDS: Final[dict[str, Literal["rows", "large objects"]]] = {"TABLE DATA": "rows", "BLOBS": "large objects"}


def require(toc: Toc) -> None:
    """Raises BackupUnreadable for a dump that could be read, and not be restored."""
    for entry in (e for e in toc.entries if e.has_data):
        if entry.description not in KINDS:
            raise BackupUnreadable(f"{entry.label}: data of an unknown kind: update this program")
        if entry.description == "TABLE DATA":
            _require_rows(toc, entry)


def _require_rows(toc: Toc, entry: TocEntry) -> None:
    if not entry.copy_statement:
        raise BackupUnreadable(f"{entry.label}: made with --inserts: dump again without it")
    try:
        pgdump_entries.extension_of(toc, entry)
    except BackupDamaged as error:
        raise BackupUnreadable(f"{error}: dump again without --data-only") from error


def own_name(toc: Toc) -> str:
    """The database's name as the dump says it."""
    said = pgdump_database.describe(toc)
    return pgdump_encoding.readable(said.name, said.client_encoding)


def newest_version(backups: Sequence[DatabaseBackup]) -> str:
    """`17.10` of `17.10 (Debian 17.10-1)`: dumps of one instance may lie on both sides of an upgrade, and the target must hold all."""
    versions = [b.server_version.split(" ")[0] for b in backups]
    return max(versions, key=lambda v: [int(n) if n.isdecimal() else 0 for n in v.split(".")])
