"""What locks the same relations: two entries of which both need one of these units never run at once, so neither waits for the other."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from dbrestore.points.pgdump.toc import TocEntry
from dbrestore.worker.postgresql.linked import Linked

# Added to a unit: what only reads the tables there. It stands in the way of what needs them for itself, and not of keys and indexes.
_READ: Final = 1 << 32
_RELATIONS: Final = ("TABLE", "VIEW", "MATERIALIZED VIEW", "SEQUENCE", "FOREIGN TABLE")


@dataclass(frozen=True)
class LockUnits:
    """Which relations are locked together: all tables of a partition or inheritance tree. Relations are dump ids; a unit is a relation, or
    a tree, which is the negative of one of its tables. `relations_of`: those that an entry which follows the rows names,
    itself or through what it is about; with it other entries that are no relations."""

    entries: tuple[TocEntry, ...]
    unit_of: dict[int, int]
    relations_of: dict[int, tuple[int, ...]]

    @cached_property
    def tables(self) -> dict[tuple[str | None, str], int]:
        """By schema and name."""
        return {(e.schema_name, e.tag): e.dump_id for e in self.entries if e.description == "TABLE"}

    @cached_property
    def plain(self) -> frozenset[int]:
        """The tables that belong to no tree."""
        return frozenset(table for table in self.tables.values() if self.unit_of[table] == table)

    @cached_property
    def partitions(self) -> dict[int, list[int]]:
        """The partitions right below a table. The entry that attaches one has its name, and depends on it and on the table above it."""
        found: dict[int, list[int]] = {}
        known = frozenset(self.tables.values())
        for entry in self.entries:
            if entry.description == "TABLE ATTACH":
                partition, both = self.tables.get((entry.schema_name, entry.tag), 0), known.intersection(entry.dependencies)
                for parent in both - {partition} if partition in both else ():
                    found.setdefault(parent, []).append(partition)
        return found

    def of(self, entry: TocEntry) -> frozenset[int]:
        """The units that an entry locks: those of its relations, and of the key that it refers to."""
        named = ((d,) if d in self.unit_of else self.relations_of.get(d, ()) for d in (*entry.dependencies, entry.dump_id))
        return frozenset(self.unit_of[r] for relations in named for r in relations if r in self.unit_of)

    def leaves(self, table: int) -> list[int]:
        """The partitions that hold the rows of a table, on all levels."""
        found = {table}
        remaining = [table]
        while remaining:
            further = [p for p in self.partitions.get(remaining.pop(), ()) if p not in found]
            found.update(further)
            remaining += further
        return sorted(found - self.partitions.keys() - {table})


def read(units: Iterable[int]) -> frozenset[int]:
    """What is locked by reading these, as when a foreign key's rows are looked up."""
    return frozenset(unit + _READ for unit in units)


def of_dump(entries: Iterable[TocEntry]) -> LockUnits:
    """The units of all relations of a dump."""
    entries = tuple(entries)
    trees_of = _trees(entries)
    leaders = {e.dump_id: trees_of.leader(e.dump_id) for e in entries if e.description == "TABLE"}
    trees = {led for table, led in leaders.items() if led != table}
    units = {e.dump_id: leaders.get(e.dump_id, e.dump_id) for e in entries if e.description in _RELATIONS}
    units = {relation: -led if led in trees else led for relation, led in units.items()}
    return LockUnits(entries, units, _relations_of(entries, units))


def _relations_of(entries: tuple[TocEntry, ...], units: dict[int, int]) -> dict[int, tuple[int, ...]]:
    """As a rule what the entry itself says that it depends on, relations or not."""
    found: dict[int, tuple[int, ...]] = {}
    for entry in entries:
        if entry.section in ("pre-data", "data") or entry.dump_id in units:
            continue
        if found.keys().isdisjoint(entry.dependencies):
            found[entry.dump_id] = entry.dependencies
        else:
            named = {r for d in entry.dependencies for r in (found.get(d, ()) if d not in units else (d,))}
            found[entry.dump_id] = tuple(named & units.keys())
    return found


def is_partitioned(entry: TocEntry) -> bool:
    """Whether a table holds no rows of its own. Archives before 1.16 don't say so but in the definition."""
    return entry.relkind == "p" or (not entry.relkind and "\nPARTITION BY " in entry.definition)


def _trees(entries: tuple[TocEntry, ...]) -> Linked:
    """Tables that inherit from each other, or are partitions of each other."""
    linked, tables = Linked(), frozenset(e.dump_id for e in entries if e.description == "TABLE")
    for entry in entries:
        if entry.description in ("TABLE", "TABLE ATTACH"):
            related = [d for d in entry.dependencies if d in tables]
            for other in related:
                linked.join(related[0] if entry.description == "TABLE ATTACH" else entry.dump_id, other)
    return linked
