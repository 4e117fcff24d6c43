"""COPY text: the closing lines must be there, and the statement says how many columns there are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbrestore.contract.errors import BackupDamaged
from dbrestore.points.pgdump.rows.copy_text import column_count, without_terminator
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
