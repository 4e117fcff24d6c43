"""Definitions that may be made side by side: what hangs together stays together, in the dump's order."""

from dbrestore.points.pgdump.toc import TocEntry
from dbrestore.worker.postgresql.before_rows.definitions import parts
from tests.unit.worker.postgresql.test_archive import entry

PARENT, TYPE = 100, 200


def ids(entries: tuple[TocEntry, ...], together: int = 1) -> list[list[int]]:
    """Dump ids of each part. The parent was made before."""
    relations = frozenset(e.dump_id for e in entries if e.description in ("TABLE", "SEQUENCE", "VIEW")) | {PARENT}
    return [[e.dump_id for e in part] for part in parts(entries, relations, together)]


def test_what_is_said_of_a_table_is_made_with_it() -> None:
    found = ids(
        (
            entry(1, "TABLE", "a", "pre-data"),
            entry(2, "SEQUENCE", "a_id", "pre-data", 1),
            entry(3, "TABLE", "b", "pre-data", TYPE),
            entry(4, "COMMENT", "TABLE b", "none", 3),
            entry(5, "SEQUENCE OWNED BY", "a_id", "pre-data", 2, 1),
            entry(6, "DEFAULT", "a id", "pre-data", 1, 2),
            entry(7, "TABLE", "c", "pre-data", TYPE),
        )
    )

    assert found == [[1, 2, 5, 6], [3, 4], [7]]


def test_a_view_ties_its_tables_and_a_parent_made_before_its_partitions() -> None:
    found = ids(
        (
            entry(1, "TABLE", "a", "pre-data"),
            entry(2, "TABLE", "b", "pre-data"),
            entry(3, "TABLE", "p1", "pre-data"),
            entry(4, "VIEW", "v", "pre-data", 2, 1),
            entry(5, "TABLE ATTACH", "p1", "pre-data", PARENT, 3),
            entry(6, "TABLE", "p2", "pre-data"),
            entry(7, "TABLE ATTACH", "p2", "pre-data", PARENT, 6),
        )
    )

    assert found == [[1, 2, 4], [3, 5, 6, 7]]


def test_small_parts_are_put_together_and_long_chains_are_no_trouble() -> None:
    chain = tuple(entry(n, "TABLE", f"t{n}", "pre-data", *((n - 1,) if n > 1 else ())) for n in range(1, 5001))
    lonely = tuple(entry(n, "TABLE", f"t{n}", "pre-data") for n in range(6001, 6011))

    assert [len(part) for part in ids((*chain, *lonely), together=4)] == [5000, 4, 4, 2]
