"""What a restore of each database of a point would find, by what is true of its files.

For SQL Server only those backup sets count that a restore of the latest state uses. Where one of them is damaged, an earlier moment may
be within reach: the code that plans a restore to a point in time says which.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal

from dbrestore.contract.errors import RestoreError
from dbrestore.contract.manifest import DatabaseBackup, Manifest, NativeBackupSet, NativeDatabaseBackup, StoredFile
from dbrestore.points.point_verification import Verdict
from dbrestore.points.sqlserver import needed_sets

Chance = Literal["restorable", "unread", "earlier", "damaged"]
_NAMED: Final = 10


@dataclass(frozen=True)
class Outlook:
    """Of one database. `restorable`: nothing that was found speaks against it; `unread`: nobody could tell, because a file is archived;
    `earlier`: the latest state can't be restored, an earlier one can; `damaged`: a restore ends with BackupDamaged."""

    database: str
    chance: Chance
    sentence: str


def outlooks(manifest: Manifest, verdicts: Iterable[Verdict], *, deep: bool) -> Iterator[Outlook]:
    """One for each database. `deep`: every byte that could be read was."""
    # What is wrong with a backup set as a whole goes by the key of its first file.
    found: dict[str, Verdict] = {}
    for verdict in verdicts:
        if verdict.key not in found or verdict.state in ("damaged", "missing"):
            found[verdict.key] = verdict
    for backup in manifest.backups:
        yield _of(backup, found, deep=deep)


def _of(backup: DatabaseBackup | NativeDatabaseBackup, found: Mapping[str, Verdict], *, deep: bool) -> Outlook:
    if isinstance(backup, DatabaseBackup):
        bad = _bad(backup.files, found)
        return _damaged(backup, bad) if bad else _sound(backup, backup.files, found, deep=deep)
    needed = needed_sets.needed(backup)
    if not (bad := _bad(_files(needed), found)):
        return _sound(backup, _files(needed), found, deep=deep)
    return _earlier(backup, found, bad) or _damaged(backup, bad)


def _files(sets: Iterable[NativeBackupSet]) -> list[StoredFile]:
    return [file for one in sets for file in one.files]


def _bad(files: Iterable[StoredFile], found: Mapping[str, Verdict]) -> list[Verdict]:
    return [found[file.key] for file in files if found[file.key].state in ("damaged", "missing")]


def _sound(
    backup: DatabaseBackup | NativeDatabaseBackup, files: Iterable[StoredFile], found: Mapping[str, Verdict], *, deep: bool
) -> Outlook:
    archived = sum(found[file.key].is_archived for file in files)
    others = [file.key for file in backup.files if found[file.key].state in ("damaged", "missing")]
    told = [f"{archived} of its files are archived: a restore retrieves them first"] if archived else []
    if others:
        told.append(f"{len(others)} files are damaged or missing that a restore of the latest state doesn't use")
    if deep and archived:
        return Outlook(backup.name, "unread", "; ".join(told))
    proof = "every byte a restore uses is what was added" if deep else "lengths and S3's checksums are those of what was added"
    return Outlook(backup.name, "restorable", "; ".join([proof, *told]))


def _damaged(backup: DatabaseBackup | NativeDatabaseBackup, bad: list[Verdict]) -> Outlook:
    lost = [name for verdict in bad for name in verdict.lost]
    more = f" and {len(lost) - _NAMED} more" if len(lost) > _NAMED else ""
    tables = f"; the rows of {', '.join(lost[:_NAMED])}{more} are damaged" if lost else ""
    first = f"{bad[0].key} {bad[0].sentence.partition(':')[0]}"
    return Outlook(backup.name, "damaged", f"a restore ends with BackupDamaged: {first}{tables}")


def _earlier(backup: NativeDatabaseBackup, found: Mapping[str, Verdict], bad: list[Verdict]) -> Outlook | None:
    """The latest moment that a restore reaches without what is damaged."""
    for log in reversed([one for one in backup.backup_sets if one.kind == "LOG"]):
        moment = log.begun_at - timedelta(seconds=1)
        try:
            needed = needed_sets.needed(backup, moment)
        except RestoreError:
            continue
        if not _bad(_files(needed), found):
            stop_at = moment.replace(tzinfo=None).isoformat(timespec="seconds")
            first = f"{bad[0].key} {bad[0].sentence.partition(':')[0]}"
            return Outlook(backup.name, "earlier", f"the latest state can't be restored ({first}); --stop-at {stop_at} can")
    return None
