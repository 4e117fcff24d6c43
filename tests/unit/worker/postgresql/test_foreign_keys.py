"""Which foreign keys are added and proven in two steps, and what each step says and locks."""

import itertools

import pytest

from dbrestore.points.pgdump.toc import TocEntry
from dbrestore.worker.base import limits
from dbrestore.worker.postgresql.after_rows import foreign_keys
from dbrestore.worker.postgresql.after_rows.foreign_keys import Steps
from dbrestore.worker.postgresql.after_rows.lock_units import LockUnits, of_dump, read
from dbrestore.worker.postgresql.archive import Archive
from tests.unit.worker.postgresql.test_archive import entry, toc

TABLES = (
    entry(1, "TABLE", "a", "pre-data"),
    entry(2, "TABLE", 'o"d; d', "pre-data"),
    entry(3, "TABLE", "root", "pre-data"),
    entry(4, "TABLE", "leaf", "pre-data"),
    entry(5, "TABLE ATTACH", "leaf", "pre-data", 3, 4),
    entry(9, "CONSTRAINT", "a pkey", "post-data", 1),
)
ADD = "ALTER TABLE {}\n    ADD CONSTRAINT {} FOREIGN KEY (x) REFERENCES app.a(id){};\n"


def units() -> LockUnits:
    """Of these tables."""
    return of_dump(TABLES)


def key(definition: str, *tables: int) -> TocEntry:
    """The entry of a key, in the schema app."""
    return entry(20, "FK CONSTRAINT", "f", "post-data", *tables, 9, definition=definition)


def test_a_key_is_added_unproven_and_then_proven() -> None:
    steps = foreign_keys.steps_of(key(ADD.format('ONLY app."o""d; d"', '"f;"', " ON DELETE CASCADE DEFERRABLE"), 2), units())

    assert steps is not None
    (added,), (proven,) = steps.added.entries, steps.proven.entries
    assert added.definition == ADD.format('ONLY app."o""d; d"', '"f;"', " ON DELETE CASCADE DEFERRABLE NOT VALID")
    assert proven.definition == 'ALTER TABLE ONLY "app"."o""d; d" VALIDATE CONSTRAINT "f;";\n'
    assert (steps.added.units, steps.added.shared) == ({1, 2}, frozenset())
    assert (steps.proven.units, steps.proven.shared) == ({2}, read({1}))


def test_a_key_of_an_old_archive_names_its_table_without_the_schema() -> None:
    steps = foreign_keys.steps_of(key(ADD.format("ONLY a", "f", ""), 1), units())

    assert steps is not None
    assert (steps.proven.units, steps.proven.shared) == ({1}, frozenset())


REFUSED = {
    "not valid": key(ADD.format("ONLY app.a", "f", " NOT VALID"), 1),
    "not enforced": key(ADD.format("ONLY app.a", "f", " NOT ENFORCED"), 1),
    "of a partitioned table": key(ADD.format("app.root", "f", ""), 3),
    "of a partition": key(ADD.format("ONLY app.leaf", "f", ""), 4),
    "of another table than it depends on": key(ADD.format('ONLY app."o""d; d"', "f", ""), 1),
    "two statements": key(ADD.format("ONLY app.a", "f", "; DROP TABLE app.a"), 1),
    "something else": key("DROP TABLE app.a;", 1),
    "nothing": key("", 1),
    "a semicolon": key(";", 1),
    "no semicolon": key(ADD.format("ONLY app.a", "f", "").rstrip().rstrip(";"), 1),
    "a comment": key(ADD.format("ONLY app.a", "f", " /* */"), 1),
}


@pytest.mark.parametrize("refused", REFUSED.values(), ids=REFUSED.keys())
def test_any_other_is_added_as_the_dump_says(refused: TocEntry) -> None:
    assert foreign_keys.steps_of(refused, units()) is None


def test_a_key_that_points_at_a_tree_is_added_as_the_dump_says() -> None:
    to_tree = entry(20, "FK CONSTRAINT", "f", "post-data", 1, 3, definition=ADD.format("ONLY app.a", "f", ""))

    assert foreign_keys.steps_of(to_tree, units()) is None


# A tree of two levels: 3 is above 4 and 6, which is above 7; 8 isn't attached.
DEEP = (
    *TABLES,
    entry(6, "TABLE", "middle", "pre-data"),
    entry(7, "TABLE", "low", "pre-data"),
    entry(15, "TABLE ATTACH", "middle", "pre-data", 6, 3),
    entry(16, "TABLE ATTACH", "low", "pre-data", 7, 6),
)


def of_partitions(entries: tuple[TocEntry, ...], definition: str, *tables: int) -> list[Steps]:
    """The steps of a key in a dump with these entries, from number 100 on."""
    archive = Archive(toc(*entries))
    return foreign_keys.of_partitions(key(definition, *tables), archive, of_dump(entries), itertools.count(100))


def test_a_key_of_a_partitioned_table_is_proven_for_each_partition_that_holds_rows() -> None:
    found = of_partitions(DEEP, ADD.format("app.root", "f", ""), 3)

    assert [steps.proven.name for steps in found] == [100, 101]
    (added,), (proven,) = found[1].added.entries, found[1].proven.entries
    assert added.definition == ADD.format('ONLY "app"."low"', "f", " NOT VALID")
    assert proven.definition == 'ALTER TABLE ONLY "app"."low" VALIDATE CONSTRAINT "f";\n'
    assert (added.label, added.dependencies[0]) == ("FK CONSTRAINT app.low f", 7)
    tree = {of_dump(DEEP).unit_of[3]}
    assert (found[1].added.units, found[1].added.shared) == ({1, 7}, tree)
    assert (found[1].proven.units, found[1].proven.shared) == ({7}, tree | read({1}))


NOT_TAKEN_APART = {
    "of a plain table": (ADD.format("app.a", "f", ""), 1),
    "of a table whose name has no schema": (ADD.format("root", "f", ""), 3),
    "unproven": (ADD.format("app.root", "f", " NOT VALID"), 3),
    "in other words": (ADD.format("app.root", "f", "").replace("\n    ADD", " ADD"), 3),
}


@pytest.mark.parametrize(("definition", "table"), NOT_TAKEN_APART.values(), ids=NOT_TAKEN_APART.keys())
def test_no_other_key_is_taken_apart(definition: str, table: int) -> None:
    assert of_partitions(DEEP, definition, table) == []


def test_a_key_of_a_tree_to_itself_is_not_taken_apart() -> None:
    to_itself = entry(20, "FK CONSTRAINT", "f", "post-data", 3, definition=ADD.format("app.root", "f", ""))

    assert foreign_keys.of_partitions(to_itself, Archive(toc(*DEEP)), of_dump(DEEP), itertools.count()) == []


def test_partitions_in_a_circle_end() -> None:
    units = of_dump((*DEEP, entry(17, "TABLE ATTACH", "root", "pre-data", 3, 7)))

    assert units.leaves(3) == [4]


def test_keys_of_small_tables_share_their_steps_up_to_a_limit() -> None:
    one = foreign_keys.steps_of(key(ADD.format('ONLY app."o""d; d"', "f", ""), 2), units())
    assert one is not None
    small, large = (one, 7), (one, limits.PROVEN_ALONE)

    found = list(foreign_keys.together([large, *[small] * (limits.GROUP_MEMBERS + 2)]))

    assert [(len(steps.added.entries), len(steps.proven.entries), cost) for steps, cost in found] == [
        (1, 1, limits.PROVEN_ALONE),
        (limits.GROUP_MEMBERS, limits.GROUP_MEMBERS, 7 * limits.GROUP_MEMBERS),
        (2, 2, 14),
    ]
