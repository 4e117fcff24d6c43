"""What locks the same relations: two entries of which both need one of these units never run at once, so neither waits for the other."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from dbrestore.points.pgdump.toc import TocEntry

# Added to a unit: what only reads the tables there. It stands in the way of what needs them for itself, and not of keys and indexes.
_READ: Final = 1 << 32
_RELATIONS: Final = ("TABLE", "VIEW", "MATERIALIZED VIEW", "SEQUENCE", "FOREIGN TABLE")


@dataclass(frozen=True)
class LockUnits:
    """Which relations are locked together: all tables of a partition or inheritance tree. Relations are dump ids; a unit is a relation, or
    a tree, which is the negative of one of its tables. `relations_of`: those that an entry names, itself or through what it is about."""

    unit_of: dict[int, int]
    relations_of: dict[int, frozenset[int]]
    # By schema and name.
    tables: dict[tuple[str | None, str], int]

    def of(self, entry: TocEntry) -> frozenset[int]:
        """The units that an entry locks: those of its relations, and of the key that it refers to."""
        named = (self.relations_of.get(d, ()) for d in (*entry.dependencies, entry.dump_id))
        return frozenset(self.unit_of[r] for relations in named for r in relations if r in self.unit_of)


def read(units: Iterable[int]) -> frozenset[int]:
    """What is locked by reading these, as when a foreign key's rows are looked up."""
    return frozenset(unit + _READ for unit in units)


def of_dump(entries: Iterable[TocEntry]) -> LockUnits:
    """The units of all relations of a dump."""
    entries = tuple(entries)
    relations = {e.dump_id for e in entries if e.description in _RELATIONS}
    tables = {(e.schema_name, e.tag): e.dump_id for e in entries if e.description == "TABLE"}
    leader = {e.dump_id: e.dump_id for e in entries if e.description == "TABLE"}
    relations_of: dict[int, frozenset[int]] = {relation: frozenset((relation,)) for relation in relations}
    for entry in entries:
        if entry.description in ("TABLE", "TABLE ATTACH"):
            _unite_tree(leader, entry)
        elif entry.section not in ("pre-data", "data") and entry.dump_id not in relations:
            relations_of[entry.dump_id] = frozenset(r for d in entry.dependencies for r in relations_of.get(d, ()))
    leaders = {table: _leader(leader, table) for table in leader}
    trees = {led for table, led in leaders.items() if led != table}
    return LockUnits({r: -led if (led := leaders.get(r, r)) in trees else led for r in relations}, relations_of, tables)


def is_partitioned(entry: TocEntry) -> bool:
    """Whether a table holds no rows of its own. Archives before 1.16 don't say so but in the definition."""
    return entry.relkind == "p" or (not entry.relkind and "\nPARTITION BY " in entry.definition)


def _unite_tree(leader: dict[int, int], entry: TocEntry) -> None:
    related = [d for d in entry.dependencies if d in leader]
    for other in related:
        _unite(leader, related[0] if entry.description == "TABLE ATTACH" else entry.dump_id, other)


def _unite(leader: dict[int, int], one: int, other: int) -> None:
    leader[_leader(leader, one)] = _leader(leader, other)


def _leader(leader: dict[int, int], table: int) -> int:
    while leader[table] != table:
        leader[table] = leader[leader[table]]
        table = leader[table]
    return table
