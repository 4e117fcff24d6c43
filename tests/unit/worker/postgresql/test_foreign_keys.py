"""Which foreign keys are added and proven in two steps, and what each step says and locks."""

import pytest

from dbrestore.points.pgdump.toc import TocEntry
from dbrestore.worker.base import limits
from dbrestore.worker.postgresql.after_rows import foreign_keys
from dbrestore.worker.postgresql.after_rows.lock_units import LockUnits, of_dump, read
from tests.unit.worker.postgresql.test_archive import entry

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
