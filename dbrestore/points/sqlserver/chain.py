"""One full backup of a database and what is restored after it, in order: differentials and logs.

The rules are SQL Server's. A differential's database-backup LSN is the checkpoint LSN of its base (true of 14 of 16 public
differentials; the other two had no base beside them), and it names its base by id. A log must begin no later than what is restored
before it ends, and end later than the full backup. A database of the same name that was made anew has another id; its LSNs may fit by
chance.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dbrestore.contract.errors import BackupUnreadable
from dbrestore.contract.sqlserver_errors import BaseBackupMissing
from dbrestore.points.sqlserver.file import Problem
from dbrestore.points.sqlserver.header import NO_ID
from dbrestore.points.sqlserver.sets import KINDS, Complaint, StripedSet


@dataclass(frozen=True)
class Chain:
    """A full backup and all that belongs to it, by the LSN at which each ends."""

    full: StripedSet
    others: tuple[StripedSet, ...]

    @property
    def sets(self) -> tuple[StripedSet, ...]:
        """All, in the order of restoring."""
        return (self.full, *self.others)

    @property
    def database(self) -> str:
        """Its name as the full backup spells it; SQL Server keeps the spelling of each BACKUP statement."""
        return self.full.backup_set.database


def in_order(sets: Sequence[StripedSet]) -> list[StripedSet]:
    """By the LSN at which each set ends."""
    return sorted(sets, key=lambda one: one.backup_set.last_lsn)


def complaints(chain: Chain) -> Iterator[Complaint]:
    """(file names, error, sentence) for each set that can't be restored after the full backup."""
    full = last = chain.full
    for one in chain.others:
        wrong = _wrong_base(one, full) or _stranger(one, full)
        if not wrong:
            wrong = _outside(one, full, last)
            # Also behind a gap, which is told once.
            last = max(last, one, key=lambda which: which.backup_set.last_lsn)
        if wrong:
            kind, sentence = wrong
            yield one.names, kind, f"{described(one)}, {sentence}"


def without_full(one: StripedSet) -> Complaint:
    """For a set of a database of which no full backup is given."""
    return (
        one.names,
        BaseBackupMissing,
        f"{described(one)}, and no full backup of it is given: give its full backup too",
    )


def is_based_on(one: StripedSet, full: StripedSet) -> bool:
    """Whether a differential is one of this full backup."""
    return one.backup_set.base_lsn == full.backup_set.checkpoint_lsn and not _names_another(one, full)


def _names_another(one: StripedSet, full: StripedSet) -> bool:
    """The id of the base is that of the full backup in 19 of 19 public pairs whose LSNs fit; one that isn't said says nothing."""
    return one.backup_set.base_id not in (full.backup_set.id, NO_ID)


def described(one: StripedSet) -> str:
    """`is a log backup of 'shop'`."""
    return f"is a {KINDS[one.backup_set.kind]} backup of {one.backup_set.database!r}"


def _wrong_base(one: StripedSet, full: StripedSet) -> Problem | None:
    if one.backup_set.kind != "I" or is_based_on(one, full):
        return None
    if one.backup_set.base_lsn == full.backup_set.checkpoint_lsn:
        sentence = (
            f"but based on the full backup with set id {one.backup_set.base_id}, and {full.names} has {full.backup_set.id}, although the "
            "LSNs fit: give the right one"
        )
        return BaseBackupMissing, sentence
    base, checkpoint = one.backup_set.base_lsn, full.backup_set.checkpoint_lsn
    sentence = f"but based on a full backup with checkpoint LSN {base}, and {full.names} has {checkpoint}: give the right one"
    return BaseBackupMissing, sentence


def _stranger(one: StripedSet, full: StripedSet) -> Problem | None:
    if one.backup_set.database_id == full.backup_set.database_id:
        return None
    sentence = (
        f"but of another database of that name than {full.names} (id {one.backup_set.database_id}, not {full.backup_set.database_id}): "
        "give its own full backup"
    )
    return BaseBackupMissing, sentence


def _outside(one: StripedSet, full: StripedSet, last: StripedSet) -> Problem | None:
    begin, end, reached = one.backup_set.first_lsn, one.backup_set.last_lsn, last.backup_set.last_lsn
    if one.backup_set.kind != "L":
        return None
    if end <= full.backup_set.last_lsn:
        return (
            BackupUnreadable,
            f"but ends at LSN {end}, before {full.names} does ({full.backup_set.last_lsn}): leave it out",
        )
    if begin > reached:
        sentence = f"and begins at LSN {begin}, but {last.names} ends at {reached}: give the log backups between them too"
        return BaseBackupMissing, sentence
    return None
