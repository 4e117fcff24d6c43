"""The order of what comes after the rows: nothing overtakes what it needs unsaid, and what locks the same tables is one unit."""

from dbrestore.worker.postgresql.after_rows.lock_units import is_partitioned, of_dump
from dbrestore.worker.postgresql.after_rows.post_data import Phase, phases
from tests.unit.worker.postgresql.test_archive import entry


def order(*entries: object) -> dict[Phase, list[int]]:
    """Dump ids per phase that has any."""
    return {phase: [e.dump_id for e in found] for phase, found in phases(entries).items() if found}  # type: ignore[arg-type]


def test_row_security_waits_for_keys_and_views_whatever_the_dump_says() -> None:
    found = order(
        entry(1, "ROW SECURITY", "t", "post-data", 100),
        entry(2, "POLICY", "t p", "post-data", 100),
        entry(3, "COMMENT", "POLICY p ON t", "none", 2),
        entry(4, "FK CONSTRAINT", "t f", "post-data", 100, 101),
        entry(5, "MATERIALIZED VIEW DATA", "m", "post-data", 102),
        entry(6, "INDEX ATTACH", "i", "post-data", 103),
        entry(7, "STATISTICS DATA", "t", "data", 100),
    )

    assert found == {
        Phase.ATTACHED: [6],
        Phase.CONSTRAINTS: [4],
        Phase.VIEWS: [5],
        Phase.ROW_SECURITY: [1, 2, 3],
        Phase.STATISTICS: [7],
    }
    assert list(found) == sorted(found)


def test_what_depends_on_a_key_or_a_view_follows_it() -> None:
    found = order(
        entry(1, "FK CONSTRAINT", "t f", "post-data", 100),
        entry(2, "COMMENT", "CONSTRAINT f ON t", "none", 1),
        entry(3, "CONSTRAINT", "t p", "post-data", 100),
        entry(4, "RULE", "v _RETURN", "post-data", 3),
        entry(5, "MATERIALIZED VIEW DATA", "m", "post-data", 102),
        entry(6, "MATERIALIZED VIEW DATA", "n", "post-data", 5),
        entry(7, "MATERIALIZED VIEW DATA", "o", "post-data", 4),
        entry(8, "INDEX", "on_m", "post-data", 5),
    )

    assert found == {Phase.CONSTRAINTS: [1, 3], Phase.FOLLOWING: [2, 4], Phase.VIEWS: [5, 6, 7], Phase.DEPENDENT: [8]}


def test_a_key_to_a_table_of_an_extension_follows_the_others_and_its_comment_follows_it() -> None:
    entries = (
        entry(1, "FK CONSTRAINT", "t f", "post-data", 100),
        entry(2, "COMMENT", "CONSTRAINT f ON t", "none", 1),
        entry(3, "FK CONSTRAINT", "t g", "post-data", 100),
        entry(4, "MATERIALIZED VIEW DATA", "m", "post-data", 102),
    )

    found = {phase: [e.dump_id for e in each] for phase, each in phases(entries, (), [1]).items() if each}

    assert list(found.items()) == [
        (Phase.CONSTRAINTS, [3]),
        (Phase.EXTENSION_KEYS, [1]),
        (Phase.FOLLOWING, [2]),
        (Phase.VIEWS, [4]),
    ]


def test_a_trigger_comes_before_what_its_partitions_say_of_it() -> None:
    found = order(
        entry(1, "TRIGGER", "a t", "post-data", 100, definition="\nALTER TABLE app.a DISABLE TRIGGER t;\n"),
        entry(2, "TRIGGER", "z t", "post-data", 101, definition="CREATE TRIGGER t BEFORE INSERT ON app.z ...;\n"),
    )

    assert found == {Phase.CHEAP: [2, 1]}


def test_tables_of_one_tree_are_one_lock_unit() -> None:
    entries = (
        entry(1, "TABLE", "root", "pre-data"),
        entry(2, "TABLE", "leaf", "pre-data"),
        entry(3, "TABLE ATTACH", "leaf", "pre-data", 1, 2),
        entry(4, "TABLE", "parent", "pre-data"),
        entry(5, "TABLE", "child", "pre-data", 4),
        entry(6, "TABLE", "alone", "pre-data"),
        entry(7, "CONSTRAINT", "leaf pkey", "post-data", 2),
    )

    units = of_dump(entries)

    assert units.unit_of[1] == units.unit_of[2]
    assert units.unit_of[4] == units.unit_of[5]
    assert len(set(units.unit_of.values())) == 3
    # A foreign key locks its own table and, by way of the key, the one that it refers to.
    assert units.of(entry(8, "FK CONSTRAINT", "alone f", "post-data", 6, 7)) == {units.unit_of[6], units.unit_of[1]}


def test_a_partitioned_table_is_told_by_its_kind_or_its_definition() -> None:
    new, old = entry(1, "TABLE", "t", "pre-data"), "CREATE TABLE t (x int)\nPARTITION BY RANGE (x);"

    assert is_partitioned(entry(2, "TABLE", "t", "pre-data", definition=old))
    assert not is_partitioned(new)
