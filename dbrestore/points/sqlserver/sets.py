"""The stripes of each backup set, put together: one media set and one set id, numbers 1 to N, each once.

Both ids count: overwriting a backup with INIT keeps the media set's id, so Monday's first stripe and Tuesday's second may share it.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from dbrestore.contract.errors import RestoreError
from dbrestore.contract.sqlserver_errors import StripeMissing, StripesMixed, TooManyStripes
from dbrestore.points.sqlserver.file import NativeFile, SetInFile
from dbrestore.points.sqlserver.header import BackupSet, NativeHeader

MOST_STRIPES: Final = 10
KINDS: Final = {"D": "full", "I": "differential", "L": "log"}

Complaint = tuple[str, type[RestoreError], str]


@dataclass(frozen=True)
class Stripe:
    """One file's part of a backup set: all of it if the file holds no other."""

    file: NativeFile
    placed: SetInFile

    @property
    def header(self) -> NativeHeader:
        """What the file says of the set."""
        return self.placed.header

    @property
    def length(self) -> int:
        """How many bytes the file of the set alone has; a set behind others may come out a few KB shorter."""
        extent, several = self.placed.extent, len(self.file.sets) > 1
        return self.file.sets[0].extent.begin + extent.end - extent.begin if several else self.file.length

    @property
    def name(self) -> str:
        """What messages call it."""
        several = len(self.file.sets) > 1
        return f"{self.file.name} (set {self.placed.position} of {len(self.file.sets)})" if several else self.file.name

    @property
    def moved_by(self) -> int:
        """How many bytes nearer to the beginning it stands once it is cut out of its file."""
        return self.placed.extent.begin - self.file.sets[0].extent.begin


@dataclass(frozen=True)
class StripedSet:
    """The stripes given of one backup set, by number; `header` is the first one's."""

    header: NativeHeader
    stripes: tuple[Stripe, ...]

    @property
    def backup_set(self) -> BackupSet:
        """What all stripes say about the backup."""
        return self.header.backup_set

    @property
    def is_whole(self) -> bool:
        """Whether every announced stripe is there."""
        return {stripe.header.stripe for stripe in self.stripes} >= {*range(1, self.header.stripes + 1)}

    @property
    def names(self) -> str:
        """What messages call it."""
        return ", ".join(stripe.name for stripe in self.stripes)

    @property
    def told(self) -> str:
        """`full backup of 'shop' begun 2026-11-23 02:00:00`."""
        said = self.backup_set
        return f"{KINDS.get(said.kind, said.kind)} backup of {said.database!r} begun {said.begun_at}"


def grouped(stripes: Iterable[Stripe]) -> tuple[StripedSet, ...]:
    """The backup sets of all stripes, whole or not."""
    groups: dict[tuple[UUID, UUID], list[Stripe]] = {}
    for stripe in stripes:
        groups.setdefault((stripe.header.media_set_id, stripe.header.backup_set.id), []).append(stripe)
    sets = [sorted(group, key=lambda stripe: stripe.header.stripe) for group in groups.values()]
    return tuple(StripedSet(group[0].header, tuple(group)) for group in sets)


def complaints(sets: Sequence[StripedSet]) -> Iterator[Complaint]:
    """(file names, error, sentence) for each set that isn't whole."""
    for one in sets:
        numbers = Counter(stripe.header.stripe for stripe in one.stripes)
        announced = one.header.stripes
        if announced > MOST_STRIPES:
            sentence = f"belong to a backup of {announced} files, and RDS restores {MOST_STRIPES} at most: back up to fewer"
            yield one.names, TooManyStripes, sentence
        if twice := [str(number) for number, times in numbers.items() if times > 1]:
            sentence = f"stripe {_listed(twice)} of {_described(one)} was given twice: give each file once"
            yield one.names, StripesMixed, sentence
        if missing := [str(number) for number in range(1, announced + 1) if number not in numbers]:
            yield _incomplete(one, missing, sets)


def _incomplete(one: StripedSet, missing: list[str], sets: Sequence[StripedSet]) -> Complaint:
    given = f"the set of {_described(one)} has {one.header.stripes} files and stripe {_listed(missing)} is not given"
    others = [other for other in sets if other is not one and other.backup_set.database == one.backup_set.database]
    mixed = [other for other in others if other.header.stripes > 1]
    if not mixed:
        return one.names, StripeMissing, f"{given}: give all files of the backup"
    beside = "; ".join(f"{other.names} of {_described(other)}" for other in mixed)
    return one.names, StripesMixed, f"{given}, but {beside}: give the files of one backup"


def _described(one: StripedSet) -> str:
    backup_set = one.backup_set
    return f"{backup_set.database!r} begun {backup_set.begun_at} (media set {one.header.media_set_id})"


def _listed(numbers: list[str]) -> str:
    return ", ".join(numbers[:10]) + (", ..." if len(numbers) > 10 else "")
