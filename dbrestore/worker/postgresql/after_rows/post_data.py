"""The order of what comes after the rows. Invariant: it can't deadlock with itself, and nothing overtakes what it needs unsaid.

cheap definitions, one by one -> keys and constraints side by side -> foreign keys to tables of extensions, one by one
-> materialized views side by side -> what depends on those
-> row security, which would hide rows from both -> materialized views that mustn't show what it hides -> statistics

pg_restore's own order with several jobs knows only the dump's dependencies: attached indexes against foreign keys deadlock, row security
overtakes them, and a partition's trigger state may come before the trigger.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import IntEnum

from dbrestore.points.pgdump.toc import TocEntry


class Phase(IntEnum):
    """When an entry is executed."""

    CHEAP = 0
    CONSTRAINTS = 1
    EXTENSION_KEYS = 2
    VIEWS = 3
    DEPENDENT = 4
    ROW_SECURITY = 5
    SECURED_VIEWS = 6
    STATISTICS = 7


# Phases whose entries run side by side; the others keep the dump's order.
PARALLEL = (Phase.CONSTRAINTS, Phase.VIEWS)
_PHASES = {
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
class LockUnits:
    """Which tables are locked together: all of a partition or inheritance tree. Tables are dump ids, a unit is one of its tables."""

    unit_of: dict[int, int]
    tables_of: dict[int, frozenset[int]]

    def of(self, entry: TocEntry) -> frozenset[int]:
        """The units that a constraint or index of the entry's kind locks: its tables', and those of the key that it refers to."""
        return frozenset(self.unit_of[t] for d in entry.dependencies for t in self.tables_of.get(d, ()) if t in self.unit_of)


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
        latest = max((placed[d] for d in entry.dependencies if d in placed), default=Phase.CHEAP)
        if latest > own or (latest == Phase.CONSTRAINTS and own == Phase.CHEAP):
            own = max(latest, Phase.DEPENDENT)
        placed[entry.dump_id] = own
        found[own].append(entry)
    return {phase: sorted(chosen, key=_is_trigger_state) for phase, chosen in found.items()}


def lock_units(entries: Iterable[TocEntry]) -> LockUnits:
    """The units of all tables of a dump."""
    entries = tuple(entries)
    tables = {e.dump_id for e in entries if e.description == "TABLE"}
    leader = {table: table for table in tables}
    tables_of = {table: frozenset((table,)) for table in tables}
    for entry in entries:
        related = [d for d in entry.dependencies if d in tables]
        if entry.description in ("TABLE", "TABLE ATTACH"):
            for other in related:
                _unite(leader, related[0] if entry.description == "TABLE ATTACH" else entry.dump_id, other)
        elif entry.description in ("CONSTRAINT", "INDEX"):
            tables_of[entry.dump_id] = frozenset(related)
    return LockUnits({table: _leader(leader, table) for table in tables}, tables_of)


def is_partitioned(entry: TocEntry) -> bool:
    """Whether a table holds no rows of its own. Archives before 1.16 don't say so but in the definition."""
    return entry.relkind == "p" or (not entry.relkind and "\nPARTITION BY " in entry.definition)


def _is_trigger_state(entry: TocEntry) -> bool:
    """A partition's trigger is made with its parent's; its own entry only says that it fires differently."""
    return entry.description == "TRIGGER" and not entry.definition.lstrip().startswith("CREATE ")


def _unite(leader: dict[int, int], one: int, other: int) -> None:
    leader[_leader(leader, one)] = _leader(leader, other)


def _leader(leader: dict[int, int], table: int) -> int:
    while leader[table] != table:
        leader[table] = leader[leader[table]]
        table = leader[table]
    return table
