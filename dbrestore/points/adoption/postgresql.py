"""Dumps that have arrived: which make a point together, and what is still missing. One for each dump, or one for all that bear the same
`{run}` in their keys."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from dbrestore.points.adoption.arrivals import Unit


@dataclass(frozen=True)
class Group:
    """What makes one point, the oldest first. `name` is the run, or the key of the one dump."""

    name: str
    units: tuple[Unit, ...]

    @property
    def changed(self) -> datetime:
        """When the last of it arrived."""
        return max(unit.changed for unit in self.units)

    def fresh(self, known: Collection[str]) -> tuple[Unit, ...]:
        """What of it is in no point yet and was not refused: `known` are the fingerprints of all that is."""
        return tuple(unit for unit in self.units if unit.fingerprint not in known)


def groups(units: Iterable[Unit], since: datetime) -> list[Group]:
    """In the order in which they were complete; those to which nothing came after `since` are passed over."""
    found: dict[str, list[Unit]] = {}
    for unit in units:
        found.setdefault(unit.key if unit.run is None else f"run {unit.run}", []).append(unit)
    made = [Group(name, tuple(members)) for name, members in found.items()]
    return sorted((group for group in made if group.changed >= since), key=lambda group: (group.changed, group.name))


def newest_of_each(units: Sequence[Unit]) -> tuple[tuple[Unit, ...], tuple[Unit, ...]]:
    """Of one run: the newest dump of each database that its key names, and those that it takes the place of."""
    newest: dict[str, Unit] = {}
    for unit in sorted(units, key=lambda unit: (unit.changed, unit.key)):
        newest[unit.key if unit.database is None else f"database {unit.database}"] = unit
    kept = set(newest.values())
    return tuple(unit for unit in units if unit in kept), tuple(unit for unit in units if unit not in kept)
