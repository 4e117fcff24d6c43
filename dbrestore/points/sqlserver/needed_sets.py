"""Which backup sets of a database a restore needs, with or without a point in time.

The full backup, a differential that helps, and the logs after it, each beginning no later than what is restored before it ends. SQL
Server's headers give the moments at which a backup began and finished, on its server's clock and to the second: a log that began after the
point in time holds it, one that began before ends before it; a full or differential backup is of the moment at which its data had been
read, which is before it finished. Points of version 0.2 don't know when a backup finished. There a differential that a log follows before
the point in time is preferred: it certainly finished in time.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import pairwise

from dbrestore.contract.manifest import NativeBackupSet, NativeDatabaseBackup
from dbrestore.contract.sqlserver_errors import PointInTimeUnreachable


def needed(backup: NativeDatabaseBackup, stop_at: datetime | None = None) -> tuple[NativeBackupSet, ...]:
    """In the order of restoring. Raises PointInTimeUnreachable, naming what the backups do reach."""
    full, others = backup.backup_sets[0], backup.backup_sets[1:]
    if stop_at is None:
        return _chain(next(_bases(full, others)), _logs(others))
    logs = _up_to(backup, full, _logs(others), stop_at)
    bases = _bases(full, [one for one in others if _may_be_before(one, stop_at)])
    chains = [chain for chain in (_chain(base, logs) for base in bases) if _is_whole(chain)]
    if not chains:
        raise PointInTimeUnreachable(
            f"the log backups of {backup.name!r} up to {stop_at} do not join: one between them is missing in this restore point. Make a "
            "restore point with it, or leave the point in time out"
        )
    return next((chain for chain in chains if _is_certain(chain)), chains[-1])


def gaps(sets: Sequence[NativeBackupSet]) -> tuple[int, ...]:
    """The positions in `sets` (from 0) of the logs before which one is missing. A differential may lead over such a gap, not into it."""
    logs = [(n, one) for n, one in enumerate(sets) if one.kind != "DIFFERENTIAL"]
    return tuple(n for (_, before), (n, log) in pairwise(logs) if lsn(log.first_lsn) > lsn(before.last_lsn))


def lsn(text: str) -> tuple[int, ...]:
    """A log sequence number that sorts as it should."""
    return tuple(int(part) for part in text.split(":"))


def _up_to(backup: NativeDatabaseBackup, full: NativeBackupSet, logs: list[NativeBackupSet], stop_at: datetime) -> list[NativeBackupSet]:
    """The logs up to the one that holds the moment."""
    known = full.finished_at or full.begun_at
    if stop_at <= known:
        did = "finished" if full.finished_at else "began"
        raise PointInTimeUnreachable(
            f"{stop_at} is before the full backup of {backup.name!r} {did} ({known}): choose an earlier restore point"
        )
    if not logs:
        raise PointInTimeUnreachable(f"{backup.name!r} has no log backups in this restore point: leave the point in time out")
    holding = next((n for n, log in enumerate(logs) if log.begun_at > stop_at), None)
    if holding is None:
        raise PointInTimeUnreachable(
            f"{stop_at} is not before the last log backup of {backup.name!r} began ({logs[-1].begun_at}): choose an earlier point in "
            "time, or make a restore point with a later log backup"
        )
    return logs[: holding + 1]


def _may_be_before(one: NativeBackupSet, stop_at: datetime) -> bool:
    # A second is cut off: what finished in the same one may have finished after.
    return (one.finished_at or one.begun_at) < stop_at


def _bases(full: NativeBackupSet, others: Sequence[NativeBackupSet]) -> Iterator[tuple[NativeBackupSet, ...]]:
    """What logs can be restored onto; the shortest way first."""
    yield from ((full, one) for one in reversed(others) if one.kind == "DIFFERENTIAL")
    yield (full,)


def _is_certain(chain: Sequence[NativeBackupSet]) -> bool:
    """Whether what the logs are restored onto certainly is of a moment before the point in time."""
    base = next(one for one in reversed(chain) if one.kind != "LOG")
    return base.finished_at is not None or len(_logs(chain)) > 1


def _chain(base: tuple[NativeBackupSet, ...], logs: Sequence[NativeBackupSet]) -> tuple[NativeBackupSet, ...]:
    return (*base, *(log for log in logs if lsn(log.last_lsn) > lsn(base[-1].last_lsn)))


def _is_whole(chain: Sequence[NativeBackupSet]) -> bool:
    """It ends with a log, and no log is missing."""
    joined = (lsn(log.first_lsn) <= lsn(before.last_lsn) for before, log in pairwise(chain) if log.kind == "LOG")
    return chain[-1].kind == "LOG" and all(joined)


def _logs(sets: Sequence[NativeBackupSet]) -> list[NativeBackupSet]:
    return [one for one in sets if one.kind == "LOG"]
