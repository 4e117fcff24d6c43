"""COPY text: the closing lines must be there, and rows must have the shape that COPY wrote."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbrestore.contract.errors import BackupDamaged
from dbrestore.points.pgdump.rows.copy_text import RowCheck, column_count, without_terminator
from tests.unit.points.pgdump.test_codecs import cut


@given(rows=st.lists(st.text("ab\\\t.", max_size=5)), size=st.integers(1, 30))
def test_the_closing_lines_are_taken_away_wherever_the_pieces_part(rows: list[str], size: int) -> None:
    text = "".join(r + "\n" for r in rows).encode()

    assert b"".join(without_terminator(cut(text + b"\\.\n\n\n", size))) == text


@pytest.mark.parametrize("text", [b"", b"1\n", b"1\n\\.\n", b"1\n\\.\n\n", b"1\n\\.\n\n\n\n", b"1\\.\n\n\n", b"1\n.\n\n\n", b"\n\n\n"])
@pytest.mark.parametrize("size", [1, 3, 100])
def test_anything_but_exactly_the_closing_lines_is_damage(text: bytes, size: int) -> None:
    with pytest.raises(BackupDamaged, match="some are missing"):
        list(without_terminator(cut(text, size)))


@given(
    table=st.integers(1, 5).flatmap(lambda n: st.lists(st.lists(st.text("aä😀 \\N", max_size=4), min_size=n, max_size=n), max_size=9)),
    size=st.integers(1, 20),
)
def test_rows_and_bytes_are_counted(table: list[list[str]], size: int) -> None:
    text = "".join("\t".join(row) + "\n" for row in table).encode()
    check = RowCheck(len(table[0]) if table else 3, "UTF8")

    for piece in cut(text, size):
        check.add(piece)
    check.close()

    assert (check.rows, check.length) == (len(table), len(text))


@pytest.mark.parametrize("text", [b"1\t2\n3\n", b"1\t2\t3\n", b"12\n"])
def test_a_row_with_another_number_of_columns_is_damage(text: bytes) -> None:
    check = RowCheck(2, "UTF8")
    check.add(text)

    with pytest.raises(BackupDamaged, match="of 2 columns need"):
        check.close()


def test_bytes_that_are_no_utf8_are_damage_but_only_where_utf8_was_promised() -> None:
    promised, cut_short, other = RowCheck(1, "UTF8"), RowCheck(1, "UTF8"), RowCheck(1, "LATIN1")

    with pytest.raises(BackupDamaged, match="aren't UTF-8"):
        promised.add(b"stra\xdfe\n")
    cut_short.add("ß".encode()[:1])
    with pytest.raises(BackupDamaged, match="aren't UTF-8"):
        cut_short.close()
    other.add(b"stra\xdfe\n")
    other.close()


@pytest.mark.parametrize(
    ("statement", "columns"),
    [
        ("COPY public.orders (id, note) FROM stdin;\n", 2),
        ("COPY public.orders (id) FROM stdin;\n", 1),
        ('COPY "we (ird".",t""" ("a,b", "c)""d", e) FROM stdin;\n', 3),
        ("COPY public.nothing  FROM stdin;\n", 0),
    ],
)
def test_columns_are_counted_outside_of_quotes(statement: str, columns: int) -> None:
    assert column_count(statement) == columns


def test_a_table_without_columns_has_rows_without_tabs() -> None:
    check = RowCheck(0, "UTF8")

    check.add(b"\n\n")
    check.close()

    assert check.rows == 2
