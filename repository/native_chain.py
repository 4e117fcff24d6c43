"""One database's backup sets in the order in which they are restored: the full backup, then differentials and logs.

The rules are SQL Server's. A differential's database-backup LSN is the checkpoint LSN of its base (true of 14 of 16 public
differentials; the other two had no base beside them). A log must begin no later than what is restored before it ends, and end later than
the full backup. A database of the same name that was made anew has another id; its LSNs may fit by chance.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from repository.errors import BackupUnreadable
from repository.native_errors import BaseBackupMissing
from repository.native_file import Problem
from repository.native_sets import Complaint, StripedSet

_NAMES: Final = {"D": "full", "I": "differential", "L": "log"}


def ordered(sets: Sequence[StripedSet]) -> tuple[StripedSet, ...]:
    """Fulls first, then by the LSN at which each set ends."""
    return tuple(sorted(sets, key=lambda one: (one.backup_set.kind != "D", one.backup_set.last_lsn)))


def complaints(sets: Sequence[StripedSet]) -> Iterator[Complaint]:
    """(file names, error, sentence) for each of one database's sets that can't be restored after the full backup among them."""
    known = [one for one in sets if one.backup_set.kind in _NAMES]
    fulls = [one for one in known if one.backup_set.kind == "D"]
    # Of mixed stripes each is a set of its own: that is told already.
    fulls = [one for one in fulls if one.is_whole] or fulls[:1]
    others = [one for one in ordered(known) if one.backup_set.kind != "D"]
    if len(fulls) == 1:
        yield from _after(fulls[0], others)
    elif fulls:
        names = "; ".join(one.names for one in fulls)
        sentence = f"are {len(fulls)} full backups of {fulls[0].backup_set.database!r}: make one restore point of each"
        yield names, BackupUnreadable, sentence
    else:
        for one in others:
            yield (
                one.names,
                BaseBackupMissing,
                f"{_described(one)}, and no full backup of it is given: give its full backup too",
            )


def _after(full: StripedSet, others: list[StripedSet]) -> Iterator[Complaint]:
    last = full
    for one in others:
        if wrong := _wrong_base(one, full) or _stranger(one, full) or _outside(one, full, last):
            kind, sentence = wrong
            yield one.names, kind, f"{_described(one)}, {sentence}"
        elif one.backup_set.last_lsn > last.backup_set.last_lsn:
            last = one


def _wrong_base(one: StripedSet, full: StripedSet) -> Problem | None:
    base, checkpoint = one.backup_set.base_lsn, full.backup_set.checkpoint_lsn
    if one.backup_set.kind != "I" or base == checkpoint:
        return None
    sentence = (
        f"but based on a full backup with checkpoint LSN {base}, and {full.names} has {checkpoint}: give the right one"
    )
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
        sentence = (
            f"and begins at LSN {begin}, but {last.names} ends at {reached}: give the log backups between them too"
        )
        return BaseBackupMissing, sentence
    return None


def _described(one: StripedSet) -> str:
    return f"is a {_NAMES[one.backup_set.kind]} backup of {one.backup_set.database!r}"
