"""Prefixes that hold something else of many files, told as one thing: what S3 Inventory writes, and what RDS exports of a snapshot.

    <prefix>/<date>/manifest.json, manifest.checksum    S3 Inventory; its lists lie in <prefix>/data/ and <prefix>/hive/
    <prefix>/export_info_<task>.json                    an export; a folder per database and table below it, of Parquet files

Amazon S3 User Guide, "Locating your inventory list"; Amazon RDS User Guide, "Exporting DB snapshot data to Amazon S3", file naming.
"""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from dbrestore.points.in_s3.keys_given import SLASH

_CHECKSUM: Final = "manifest.checksum"
_MANIFEST: Final = "manifest.json"
_EXPORT: Final = "export_info_"


class Foreign(NamedTuple):
    """A prefix, and what it is instead of a backup."""

    prefix: str
    sentence: str


def found(keys: Iterable[str]) -> Iterator[Foreign]:
    """Each once."""
    known = set(keys)
    told = set()
    for key in sorted(known):
        folder, _, name = key.rpartition(SLASH)
        if name == _CHECKSUM and f"{folder}/{_MANIFEST}" in known:
            one = Foreign(_above(folder), "lists that S3 Inventory wrote, not backups: name the bucket that they are lists of")
        elif name.startswith(_EXPORT) and name.endswith(".json"):
            one = Foreign(
                f"{folder}/" if folder else "",
                "an export of a snapshot by RDS (Parquet), which no database server restores: make a dump with pg_dump -Fc or -Fd, or "
                "BACKUP DATABASE with rds_backup_database",
            )
        else:
            continue
        if one not in told:
            told.add(one)
            yield one


def _above(folder: str) -> str:
    parent, _, _ = folder.rpartition(SLASH)
    return f"{parent}/" if parent else ""
