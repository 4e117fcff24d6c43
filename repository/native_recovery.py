"""Which backup sets of a database a restore needs, with or without a point in time.

The full backup, a differential that helps, and the logs after it, each beginning no later than what is restored before it ends. SQL
Server's headers give the moment at which a backup began, on its server's clock and to the second: a log that began after the point in
time holds it, one that began before ends before it. When a full backup or a differential ended they do not say, so one that a log follows
before the point in time is preferred: it certainly ended in time.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import pairwise

from repository.manifest import NativeBackupSet, NativeDatabaseBackup
from repository.native_errors import PointInTimeUnreachable


def needed(backup: NativeDatabaseBackup, stop_at: datetime | None = None) -> tuple[NativeBackupSet, ...]:
    """In the order of restoring. Raises PointInTimeUnreachable, naming what the backups do reach."""
    full, others = backup.backup_sets[0], backup.backup_sets[1:]
    if stop_at is None:
        return _chain(next(_bases(full, others)), _logs(others))
    logs = _up_to(backup, full, _logs(others), stop_at)
    bases = _bases(full, [one for one in others if one.begun_at < stop_at])
    chains = [chain for chain in (_chain(base, logs) for base in bases) if _is_whole(chain)]
    if not chains:
        raise PointInTimeUnreachable(
            f"the log backups of {backup.name!r} up to {stop_at} do not join: one between them is missing in this restore point. Make one "
            "with it, or leave the point in time out"
        )
    return next((chain for chain in chains if len(_logs(chain)) > 1), chains[-1])


def _up_to(
    backup: NativeDatabaseBackup, full: NativeBackupSet, logs: list[NativeBackupSet], stop_at: datetime
) -> list[NativeBackupSet]:
    """The logs up to the one that holds the moment."""
    if stop_at <= full.begun_at:
        raise PointInTimeUnreachable(
            f"{stop_at} is before the full backup of {backup.name!r} began ({full.begun_at}): choose an earlier restore point"
        )
    if not logs:
        raise PointInTimeUnreachable(
            f"{backup.name!r} has no log backups in this restore point: leave the point in time out"
        )
    holding = next((n for n, log in enumerate(logs) if log.begun_at > stop_at), None)
    if holding is None:
        raise PointInTimeUnreachable(
            f"{stop_at} is not before the last log backup of {backup.name!r} began ({logs[-1].begun_at}): choose an earlier point in "
            "time, or make a restore point with a later log backup"
        )
    return logs[: holding + 1]


def _bases(full: NativeBackupSet, others: Sequence[NativeBackupSet]) -> Iterator[tuple[NativeBackupSet, ...]]:
    """What logs can be restored onto; the shortest way first."""
    yield from ((full, one) for one in reversed(others) if one.kind == "DIFFERENTIAL")
    yield (full,)


def _chain(base: tuple[NativeBackupSet, ...], logs: Sequence[NativeBackupSet]) -> tuple[NativeBackupSet, ...]:
    return (*base, *(log for log in logs if _lsn(log.last_lsn) > _lsn(base[-1].last_lsn)))


def _is_whole(chain: Sequence[NativeBackupSet]) -> bool:
    """It ends with a log, and no log is missing."""
    joined = (_lsn(log.first_lsn) <= _lsn(before.last_lsn) for before, log in pairwise(chain) if log.kind == "LOG")
    return chain[-1].kind == "LOG" and all(joined)


def _logs(sets: Sequence[NativeBackupSet]) -> list[NativeBackupSet]:
    return [one for one in sets if one.kind == "LOG"]


def _lsn(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(":"))
