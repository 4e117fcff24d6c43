"""The choice of backup sets as a plan carries it: runs of places in the manifest, for a plan travels through every state and a chain may
have tens of thousands of logs.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby

from dbrestore.contract.errors import BackupDamaged
from dbrestore.contract.manifest import NativeBackupSet, NativeDatabaseBackup
from dbrestore.contract.plan import SetRun


def runs(backup: NativeDatabaseBackup, chosen: Sequence[NativeBackupSet]) -> tuple[SetRun, ...]:
    """What the plan carries of sets of this backup, in their order."""
    places = {id(one): place for place, one in enumerate(backup.backup_sets, start=1)}
    numbered = enumerate(places[id(one)] for one in chosen)
    groups = (list(group) for _, group in groupby(numbered, key=lambda one: one[1] - one[0]))
    return tuple(SetRun(first=group[0][1], last=group[-1][1]) for group in groups)


def sets(backup: NativeDatabaseBackup, carried: Sequence[SetRun]) -> tuple[NativeBackupSet, ...]:
    """The sets of the manifest, in the order of restoring. Raises BackupDamaged if it has fewer than the plan was made with."""
    return tuple(_sets(backup, carried))


def _sets(backup: NativeDatabaseBackup, carried: Sequence[SetRun]) -> Iterator[NativeBackupSet]:
    held = backup.backup_sets
    for run in carried:
        if run.last > len(held):
            raise BackupDamaged(
                f"the manifest has {len(held)} backup sets of {backup.name!r}, and the plan was made with {run.last} or more: it was "
                "changed while the restore ran; start the restore again"
            )
        yield from held[run.first - 1 : run.last]
