"""Which backup sets of a database a restore needs, with or without a point in time.

The full backup, the last differential that helps, and the logs after it. SQL Server's headers give the moment at which a backup began, on
its server's clock: a log that began after the point in time holds it, one that began before ends before it.
"""

from collections.abc import Sequence
from datetime import datetime

from repository.manifest import NativeBackupSet, NativeDatabaseBackup
from repository.native_errors import PointInTimeUnreachable


def needed(backup: NativeDatabaseBackup, stop_at: datetime | None = None) -> tuple[NativeBackupSet, ...]:
    """In the order of restoring. Raises PointInTimeUnreachable, naming what the backups do reach."""
    full, others = backup.backup_sets[0], backup.backup_sets[1:]
    if stop_at is None:
        base, logs = _base(full, others), _of_kind(others, "LOG")
        return (*base, *(log for log in logs if _lsn(log.last_lsn) > _lsn(base[-1].last_lsn)))
    _require_after(backup, full, stop_at)
    logs = [log for log in _of_kind(others, "LOG") if log.begun_at <= stop_at]
    holding = next((log for log in _of_kind(others, "LOG") if log.begun_at > stop_at), None)
    if holding is None:
        raise PointInTimeUnreachable(_too_late(backup, others, stop_at))
    base = _base(full, [one for one in others if one.begun_at < stop_at])
    return (*base, *(log for log in (*logs, holding) if _lsn(log.last_lsn) > _lsn(base[-1].last_lsn)))


def _base(full: NativeBackupSet, others: Sequence[NativeBackupSet]) -> tuple[NativeBackupSet, ...]:
    differentials = _of_kind(others, "DIFFERENTIAL")
    return (full, differentials[-1]) if differentials else (full,)


def _of_kind(sets: Sequence[NativeBackupSet], kind: str) -> list[NativeBackupSet]:
    return [one for one in sets if one.kind == kind]


def _require_after(backup: NativeDatabaseBackup, full: NativeBackupSet, stop_at: datetime) -> None:
    if stop_at <= full.begun_at:
        raise PointInTimeUnreachable(
            f"{stop_at} is before the full backup of {backup.name!r} began ({full.begun_at}): choose an earlier restore point"
        )


def _too_late(backup: NativeDatabaseBackup, others: Sequence[NativeBackupSet], stop_at: datetime) -> str:
    logs = _of_kind(others, "LOG")
    if not logs:
        return f"{backup.name!r} has no log backups in this restore point: leave the point in time out"
    return (
        f"{stop_at} is after the last log backup of {backup.name!r} began ({logs[-1].begun_at}): add a later log backup to a restore "
        "point, or choose an earlier point in time"
    )


def _lsn(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(":"))
