"""The order of what comes after the rows. Invariant: it can't deadlock with itself, and nothing overtakes what it needs unsaid.

    of each table as soon as its rows are in, while others are still loaded:
        partitions' indexes become parts of their parents' -> keys and constraints
    when all rows are in, beside what is left of these:
        cheap definitions | what depends on keys and constraints
    after all of that, because a view's query, or code that it calls, may read any table, view or catalogue:
        materialized views -> what depends on those -> row security, which would hide rows from both
        -> materialized views that mustn't show what it hides -> statistics

pg_restore's own order with several jobs knows only the dump's dependencies: attached indexes against foreign keys deadlock, row security
overtakes them, and a partition's trigger state may come before the trigger.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from dbrestore.points.pgdump.toc import TocEntry
from dbrestore.worker.postgresql.after_rows.lock_units import LockUnits, read
from dbrestore.worker.postgresql.linked import Linked


class Phase(IntEnum):
    """What an entry must not come before, though the dump doesn't say so."""

    ATTACHED = 0
    CONSTRAINTS = 1
    CHEAP = 2
    EXTENSION_KEYS = 3
    FOLLOWING = 4
    VIEWS = 5
    DEPENDENT = 6
    ROW_SECURITY = 7
    SECURED_VIEWS = 8
    STATISTICS = 9


# Phases that need the rows of the tables that they are about; all others need all rows.
EARLY: Final = (Phase.ATTACHED, Phase.CONSTRAINTS)
# Phases that begin when all before them is done.
WAITING: Final = frozenset(Phase) - {*EARLY, Phase.CHEAP, Phase.FOLLOWING}
_PHASES: Final = {
    "INDEX ATTACH": Phase.ATTACHED,
    "INDEX": Phase.CONSTRAINTS,
    "CONSTRAINT": Phase.CONSTRAINTS,
    "FK CONSTRAINT": Phase.CONSTRAINTS,
    "CHECK CONSTRAINT": Phase.CONSTRAINTS,
    "MATERIALIZED VIEW DATA": Phase.VIEWS,
    "ROW SECURITY": Phase.ROW_SECURITY,
    "POLICY": Phase.ROW_SECURITY,
    "STATISTICS DATA": Phase.STATISTICS,
}


@dataclass(frozen=True)
class Part:
    """Entries of one phase that one session executes, in the dump's order; `units` is what they lock for themselves, `shared` like others.
    What they need of the same phase is among them, but for keys and constraints and for views, which are parts by themselves."""

    entries: tuple[TocEntry, ...]
    units: frozenset[int]
    shared: frozenset[int] = frozenset()

    @property
    def name(self) -> int:
        """The dump id of the first."""
        return self.entries[0].dump_id

    @property
    def covers(self) -> tuple[int, ...]:
        """The dump ids of all."""
        return tuple(entry.dump_id for entry in self.entries)

    @property
    def needed(self) -> frozenset[int]:
        """The dump ids of what the dump says that they depend on."""
        return frozenset(d for entry in self.entries for d in entry.dependencies)


def phases(
    entries: Iterable[TocEntry], secured_views: Collection[int] = (), extension_keys: Collection[int] = ()
) -> dict[Phase, list[TocEntry]]:
    """Every entry in its phase, within it in the dump's order; trigger states follow the triggers. `secured_views` are the dump ids of
    refreshes that must wait for row security, `extension_keys` those of foreign keys to tables that the dump doesn't make."""
    found: dict[Phase, list[TocEntry]] = {phase: [] for phase in Phase}
    placed: dict[int, Phase] = {}
    special = dict.fromkeys(secured_views, Phase.SECURED_VIEWS) | dict.fromkeys(extension_keys, Phase.EXTENSION_KEYS)
    for entry in entries:
        own = special.get(entry.dump_id) or _PHASES.get(entry.description, Phase.CHEAP)
        latest = max((placed[d] for d in entry.dependencies if d in placed), default=Phase.ATTACHED)
        placed[entry.dump_id] = _following(own, latest)
        found[placed[entry.dump_id]].append(entry)
    return {phase: sorted(chosen, key=_is_trigger_state) for phase, chosen in found.items()}


def parts(entries: Iterable[TocEntry], units: LockUnits, together: int) -> Iterator[Part]:
    """Entries that may be executed side by side: what locks the same, or depends on each other, is one part. What locks nothing is one part
    too: only the dump's order says what of that needs each other. Small parts are put together, up to so many entries."""
    entries, linked = list(entries), Linked()
    own, holder = {entry.dump_id for entry in entries}, dict[int, int]()
    for entry in entries:
        for other in own.intersection(entry.dependencies):
            linked.join(entry.dump_id, other)
        for unit in units.of(entry) or (0,):
            linked.join(entry.dump_id, holder.setdefault(unit, entry.dump_id))
    return (part_of(part, units) for part in linked.parts(entries, together))


def part_of(entries: Iterable[TocEntry], units: LockUnits) -> Part:
    """These entries, as one part that nobody may even read beside."""
    entries = tuple(entries)
    locked = frozenset[int]().union(*map(units.of, entries))
    return Part(entries, locked | read(locked))


def _following(own: Phase, latest: Phase) -> Phase:
    """The phase of an entry that would be in its `own`, after one of the `latest` phase."""
    if latest > own or (latest == Phase.CONSTRAINTS and own == Phase.CHEAP):
        return max(latest, Phase.FOLLOWING if latest < Phase.VIEWS else Phase.DEPENDENT)
    return own


def _is_trigger_state(entry: TocEntry) -> bool:
    """A partition's trigger is made with its parent's; its own entry only says that it fires differently."""
    return entry.description == "TRIGGER" and not entry.definition.lstrip().startswith("CREATE ")
