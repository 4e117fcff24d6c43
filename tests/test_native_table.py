"""The table of what was written, read and judged is the one in the documentation, and leaves no pair of values out."""

from itertools import product

from tests.native_table import MARKER, NAMES, PAGE, UNITS, Row, rows, table


def test_the_page_shows_what_writer_product_and_judge_come_to() -> None:
    assert PAGE.read_text().partition(MARKER)[1:] == (MARKER, table().removeprefix(MARKER))


def test_nothing_in_the_table_is_in_dispute() -> None:
    assert "disagrees" not in PAGE.read_text()


def test_every_two_values_of_two_columns_meet_in_a_row() -> None:
    chosen = rows()
    every = (Row(*values) for values in product(NAMES, UNITS, (False, True), (1, 2, 3), (1, 2)))

    assert set().union(*(row.pairs for row in chosen)) == set().union(*(row.pairs for row in every if row.exists))
    assert all(len({row.unit for row in chosen if row.version == version}) >= 4 for version in NAMES)
    assert len(chosen) < 50
