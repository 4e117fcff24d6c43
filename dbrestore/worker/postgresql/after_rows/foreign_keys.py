"""Foreign keys in two steps: added without a look at the rows, in a moment, and then proven. PostgreSQL has a table that many keys point at
locked for each of them while it adds it, so they would be checked one after the other; while it proves them it only reads that table.

What the journal tells of the first step has a kind of its own: a key counts as done when it is proven.

A partitioned table's key is proven for one partition after the other, side by side, and then added: PostgreSQL (13 to 18, each tried) takes
the partitions' proven keys for its own, under the same names, and reads no row again.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from psycopg import sql

from dbrestore.points.pgdump.toc import TocEntry
from dbrestore.worker.base import limits
from dbrestore.worker.postgresql.after_rows.lock_units import LockUnits, read
from dbrestore.worker.postgresql.after_rows.post_data import Part
from dbrestore.worker.postgresql.archive import Archive
from dbrestore.worker.postgresql.sql_tokens import Cursor, NotUnderstood, Token, tokens

_END: Final = Token("symbol", ";")
_BEHIND_TABLE: Final = "\n    ADD CONSTRAINT "
_UNPROVEN: Final = tuple([Token("word", "not"), Token("word", second)] for second in ("valid", "enforced"))


@dataclass(frozen=True)
class Steps:
    """One key, or some of small tables: what adds them, and what proves them."""

    added: Part
    proven: Part

    def joined(self, other: "Steps") -> "Steps":
        """Both in one."""
        return Steps(_joined(self.added, other.added), _joined(self.proven, other.proven))


def steps_of(entry: TocEntry, units: LockUnits) -> Steps | None:
    """Of a key of a plain table to a plain table. None for one of partitions, which PostgreSQL can't add unproven (before 18) or whose
    proof isn't written down for each of them, and for one that isn't proven in the dump."""
    locked = units.of(entry)
    try:
        table, name = _heading(entry)
    except NotUnderstood:
        return None
    own = units.tables.get((table[0] if len(table) == 2 else entry.schema_name, table[-1]), 0)
    return _steps(entry, table, name, own, locked - {own}) if own in locked and locked <= units.plain else None


def of_partitions(entry: TocEntry, archive: Archive, units: LockUnits, numbers: Iterator[int]) -> list[Steps]:
    """For a key of a partitioned table to a plain one: the same key for each partition that holds rows, in entries with these numbers; none
    for any other key. If the server refuses one, nothing is lost: the key itself is still to be added."""
    try:
        table, name = _heading(entry)
        rest = _behind_table(entry, table)
    except NotUnderstood:
        return []
    own = units.tables.get(table, 0) if len(table) == 2 else 0
    pointed_at = units.of(entry) - {units.unit_of.get(own, 0)}
    if not pointed_at or not pointed_at <= units.plain:
        return []
    leaves = [archive.by_dump_id[leaf] for leaf in units.leaves(own)]
    return [_of_partition(entry, leaf, name, rest, pointed_at, units, next(numbers)) for leaf in leaves]


def _of_partition(
    entry: TocEntry, leaf: TocEntry, name: str, rest: str, pointed_at: frozenset[int], units: LockUnits, number: int
) -> Steps:
    table = tuple(filter(None, (leaf.schema_name, leaf.tag)))
    made = replace(
        entry,
        dump_id=number,
        tag=f"{leaf.tag} {name}",
        common=entry.common._replace(schema_name=leaf.schema_name),
        dependencies=(leaf.dump_id, *entry.dependencies),
    ).defined_by(f"ALTER TABLE ONLY {sql.Identifier(*table).as_string()}{rest}")
    return _steps(made, table, name, leaf.dump_id, pointed_at, frozenset((units.unit_of[leaf.dump_id],)))


def _steps(
    entry: TocEntry, table: tuple[str, ...], name: str, own: int, pointed_at: frozenset[int], tree: frozenset[int] = frozenset()
) -> Steps:
    unproven = f"{entry.definition.rstrip().removesuffix(';')} NOT VALID;\n"
    proving = sql.SQL("ALTER TABLE ONLY {} VALIDATE CONSTRAINT {};\n").format(sql.Identifier(*table), sql.Identifier(name))
    return Steps(
        Part((entry.defined_by(unproven),), pointed_at | {own}, tree),
        Part((entry.defined_by(proving.as_string()),), frozenset((own,)), tree | read(pointed_at)),
    )


def together(found: Iterable[tuple[Steps, int]]) -> Iterator[tuple[Steps, int]]:
    """Keys with their costs; those of small tables in groups, so that they share round trips."""
    group: Steps | None = None
    cost = 0
    for steps, own in found:
        if own >= limits.PROVEN_ALONE:
            yield steps, own
            continue
        group, cost = (group.joined(steps) if group else steps), cost + own
        if len(group.added.entries) >= limits.GROUP_MEMBERS:
            yield group, cost
            group, cost = None, 0
    if group:
        yield group, cost


def _heading(entry: TocEntry) -> tuple[tuple[str, ...], str]:
    """Table and name of the key. Raises NotUnderstood unless the definition is one statement that adds a proven key."""
    found = tokens(entry.definition)
    if found.count(_END) != 1 or found[-1] != _END or found[-3:-1] in _UNPROVEN:
        raise NotUnderstood("not one key that is proven")
    cursor = Cursor(found)
    for word in ("alter", "table"):
        cursor.word(word)
    cursor.skip("only")
    table = cursor.qualified_name()
    for word in ("add", "constraint"):
        cursor.word(word)
    name = cursor.name()
    for word in ("foreign", "key"):
        cursor.word(word)
    return table, name


def _behind_table(entry: TocEntry, table: tuple[str, ...]) -> str:
    """The definition without what stands before it and the table's name."""
    before, behind, rest = entry.definition.partition(_BEHIND_TABLE)
    cursor = Cursor(tokens(before))
    for word in ("alter", "table"):
        cursor.word(word)
    cursor.skip("only")
    if cursor.qualified_name() != table or not behind:
        raise NotUnderstood("not written as pg_dump does")
    cursor.end()
    return behind + rest


def _joined(one: Part, other: Part) -> Part:
    return Part((*one.entries, *other.entries), one.units | other.units, one.shared | other.shared)
