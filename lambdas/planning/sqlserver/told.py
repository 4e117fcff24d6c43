"""What the plan says of the backups that will be restored: kinds and times, the recovery model, and how much of them was recomputed.

crm: full backup begun 2023-02-28 23:59:58, finished 2023-03-01 00:20:11; recovery model FULL; 81 % of its bytes are under a checksum
"""

from collections.abc import Iterator, Sequence
from datetime import datetime

from dbrestore.contract.manifest import NativeBackupSet, NativeChecks


def told(name: str, sets: Sequence[NativeBackupSet], stop_at: datetime | None) -> str:
    """One line of a database, of the sets that it is restored from, in order."""
    logs = [one for one in sets if one.kind == "LOG"]
    words = [f"{one.kind.lower()} backup {_times(one)}" for one in sets if one.kind != "LOG"]
    words += [f"log backups {len(logs)}, the last {_times(logs[-1])}"] if logs else []
    words += [f"up to {stop_at}"] if stop_at else []
    words += _recovery_model(sets)
    words.append(checked(sets))
    return f"{name}: {'; '.join(words)}"


def checked(sets: Sequence[NativeBackupSet]) -> str:
    """The share of all their bytes that lies under checksums which `points add` recomputed."""
    known = [one.checks for one in sets if one.checks]
    if not known:
        return "not checked: point of version 0.2"
    if len(known) < len(sets):
        return f"{len(known)} of {len(sets)} backups checked: {share(known)} of their bytes are under a checksum"
    return f"{share(known)} of {'its' if len(sets) == 1 else 'their'} bytes are under a checksum"


def share(checks: Sequence[NativeChecks]) -> str:
    """`81 %`; rounded down, so that 100 % is all of them."""
    length = sum(one.length for one in checks)
    return f"{sum(one.covered for one in checks) * 100 // length if length else 0} %"


def _times(backup_set: NativeBackupSet) -> str:
    finished = f", finished {backup_set.finished_at}" if backup_set.finished_at else ""
    return f"begun {backup_set.begun_at}{finished}"


def _recovery_model(sets: Sequence[NativeBackupSet]) -> Iterator[str]:
    """Of the last set, which is what the database comes back with."""
    if sets[-1].recovery_model:
        yield f"recovery model {sets[-1].recovery_model}"
