"""Whether a restored database uses as many pages as its backup holds: a wrong or half-empty database of the right name would not.

A full backup holds every allocated extent, and `points add` counted the pages in it that their PFS page calls allocated. The server counts
whole extents of 8 pages, so it says at least as many, and more isn't a sign of anything. It may say fewer for one good reason: extents that
were freed while the backup ran. The backup's own log does that again at the end of the restore, and it must be long enough for it: a log
record takes at least 24 bytes and frees an extent or a few (64 are assumed, to be on the safe side). So only fewer pages than that log can
explain are a failure. A differential holds what
changed alone, so its number is low but as true; after log backups any number may be right.
"""

from typing import Final, Literal

from dbrestore.contract.job import Check
from dbrestore.contract.manifest import NativeBackupSet
from dbrestore.worker.sqlserver.session import EngineError, NativeConnection
from dbrestore.worker.sqlserver.standing_connection import TEMPORARY

CHECK: Final = "pages in use"
_EXTENT: Final = 8
_SMALLEST_RECORD: Final = 24
_FREED_BY_RECORD: Final = 64 * _EXTENT
_SECTOR: Final = 512
# Pages of the allocation maps themselves, about 25 in 100,000, might be counted differently.
_OF_MAPS: Final = 1000
# A log block, the last one too, is 60 KiB at most.
_LARGEST_BLOCK: Final = 120


def in_use(inside: NativeConnection, backup_set: NativeBackupSet) -> Check:
    """Of the current database. Needs VIEW DATABASE STATE, which RDS's master user has; without it, not checked."""
    backed_up = backup_set.checks.allocated_pages if backup_set.checks else None
    try:
        rows = inside.rows("SELECT allocated_extent_page_count FROM sys.dm_db_file_space_usage")
    except EngineError as problem:
        if problem.number in TEMPORARY:
            raise
        return _check(backed_up, f"not reported: {problem}", "not checked")
    found = sum(int(row["allocated_extent_page_count"]) for row in rows)
    if backed_up is None:
        return _check(backed_up, f"{found}; {_why_unknown(backup_set)}", "not checked")
    if found >= backed_up:
        return _check(backed_up, str(found), "ok")
    return _fewer(found, backed_up, backup_set)


def _fewer(found: int, backed_up: int, backup_set: NativeBackupSet) -> Check:
    freed = _most_freed(backup_set)
    if freed is not None and backed_up - found > freed + backed_up // _OF_MAPS:
        told = f"{found}: {backed_up - found} fewer, and the log in the backup can have freed {freed} at most"
        return _check(backed_up, told, "failed")
    return _check(backed_up, f"{found}: what was freed while the backup ran may be the reason", "not checked")


def _most_freed(backup_set: NativeBackupSet) -> int | None:
    """Pages that the log in the backup can have freed. None if it goes over several virtual log files: LSNs don't tell their lengths."""
    (first_file, first_block, _), (last_file, last_block, _) = map(_lsn, (backup_set.first_lsn, backup_set.last_lsn))
    if first_file != last_file:
        return None
    length = (last_block - first_block + _LARGEST_BLOCK) * _SECTOR
    return length // _SMALLEST_RECORD * _FREED_BY_RECORD


def _lsn(text: str) -> tuple[int, int, int]:
    file, block, record = (int(part) for part in text.split(":"))
    return file, block, record


def _why_unknown(backup_set: NativeBackupSet) -> str:
    if backup_set.checks is None:
        return "the restore point is of version 0.2, which counted no pages"
    if backup_set.kind == "LOG":
        return "a log backup holds no pages to compare with"
    return "they could not be counted in this backup"


def _check(backed_up: int | None, actual: str, result: Literal["ok", "failed", "not checked"]) -> Check:
    expected = "any" if backed_up is None else f"at least {backed_up}"
    return Check(check=CHECK, expected=expected, actual=actual, result=result)
