"""The rows of a member come to the same wherever the pieces part and whoever counts its blocks, and rows must have the shape that COPY
wrote."""

import random
from collections import deque
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from xxhash import xxh3_128_intdigest

from dbrestore.contract.errors import BackupDamaged
from dbrestore.contract.manifest import RowDigest
from dbrestore.points.pgdump.rows.block_count import BlockCounter, RowShape
from dbrestore.points.pgdump.rows.canonical_text import Columns
from dbrestore.points.pgdump.rows.member_rows import MemberRows, Nobody, OtherCounters, Parts, Rows, Tally
from tests.unit.points.pgdump.test_codecs import cut

SEED = 7
# Of any bytes but those that part rows and columns; carriage returns, empty values and odd bytes among them.
VALUES = st.binary(max_size=9).map(lambda raw: raw.replace(b"\n", b"\r").replace(b"\t", b""))
TABLES = st.integers(1, 4).flatmap(lambda width: st.lists(st.lists(VALUES, min_size=width, max_size=width), max_size=12))


@dataclass
class Later:
    """Takes every second block, and counts what it has taken when it must, the last one first."""

    asked: deque[tuple[bytes, Tally]] = field(default_factory=deque)
    turns: int = 0

    def take(self, parts: Parts, tally: Tally) -> bool:
        self.turns += 1
        if self.turns % 2:
            return False
        tally.awaited += 1
        self.asked.append((b"".join(parts), tally))
        return True

    def settle(self, tally: Tally) -> None:
        while self.asked:
            block, of = self.asked.pop()
            of.awaited -= 1
            try:
                of.totals = of.totals.plus(BlockCounter(of.shape).count(block))
            except BackupDamaged as damage:
                of.damage = damage


def text_of(table: list[list[bytes]]) -> bytes:
    return b"".join(b"\t".join(row) + b"\n" for row in table)


def independent(table: list[list[bytes]]) -> Rows:
    """What the digest is by definition: row by row, nothing joined."""
    total = 0
    for row in table:
        total += xxh3_128_intdigest(b"\t".join(row) + b"\n", SEED)
    return Rows(len(text_of(table)), len(table), RowDigest(seed=SEED, total=f"{total % 2**128:032x}", columns=None))


def read(pieces: list[bytes], columns: int, encoding: str = "LATIN1", others: OtherCounters | None = None) -> Rows:
    rows = MemberRows(RowShape(Columns(), SEED, encoding == "UTF8"), columns, others or Nobody())
    for piece in pieces:
        rows.add(piece)
    return rows.result()


@pytest.mark.parametrize("others", [Nobody, Later])
@given(table=TABLES, size=st.integers(1, 60))
def test_rows_come_to_what_they_are_by_definition(others: type[OtherCounters], table: list[list[bytes]], size: int) -> None:
    width = len(table[0]) if table else 3

    assert read(cut(text_of(table), size), width, others=others()) == independent(table)


@pytest.mark.parametrize("others", [Nobody, Later])
def test_rows_longer_than_a_piece_and_thousands_in_one_do_too(others: type[OtherCounters]) -> None:
    chance = random.Random(3)
    table = [[b"%d" % n, chance.randbytes(6).hex().encode()] for n in range(30_000)]
    table[17][1] = table[-1][1] = b"x" * 300_000

    for size in (777, 65_536, 1 << 20, 1 << 30):
        assert read(cut(text_of(table), size), 2, others=others()) == independent(table)


def test_a_member_is_counted_when_nothing_of_it_is_awaited() -> None:
    rows, others = MemberRows(RowShape(Columns(), SEED, is_utf8=True), 1, later := Later()), later
    rows.add(b"1\n")
    assert rows.is_counted
    rows.add(b"2\n")
    assert not rows.is_counted

    assert rows.result().rows == 2
    assert (rows.is_counted, len(others.asked)) == (True, 0)


@given(
    table=st.integers(1, 5).flatmap(lambda n: st.lists(st.lists(st.text("aä😀 \\N", max_size=4), min_size=n, max_size=n), max_size=9)),
    size=st.integers(1, 20),
)
def test_rows_and_bytes_of_utf8_are_counted(table: list[list[str]], size: int) -> None:
    text = "".join("\t".join(row) + "\n" for row in table).encode()

    found = read(cut(text, size), len(table[0]) if table else 3, "UTF8")

    assert (found.rows, found.length) == (len(table), len(text))


@pytest.mark.parametrize("others", [Nobody, Later])
@pytest.mark.parametrize("text", [b"1\t2\n3\n", b"1\t2\t3\n", b"12\n"])
def test_a_row_with_another_number_of_columns_is_damage(text: bytes, others: type[OtherCounters]) -> None:
    with pytest.raises(BackupDamaged, match="of 2 columns need"):
        read(cut(text, 2), 2, others=others())


@pytest.mark.parametrize("others", [Nobody, Later])
def test_bytes_that_are_no_utf8_are_damage_but_only_where_utf8_was_promised(others: type[OtherCounters]) -> None:
    for text in (b"stra\xdfe\n", b"\n" + "ß".encode()[:1] + b"\n", b"1\n\xed\xa0\x80\n"):
        with pytest.raises(BackupDamaged, match="aren't UTF-8"):
            read(cut(text, 2), 1, "UTF8", others=others())

        assert read(cut(text, 2), 1, others=others()).rows == text.count(b"\n")


def test_a_last_row_without_its_end_is_damage() -> None:
    with pytest.raises(BackupDamaged, match="don't end"):
        read([b"1\n2"], 1)


def test_a_table_without_columns_has_rows_without_tabs() -> None:
    assert read([b"\n\n"], 0).rows == 2


def test_a_table_of_which_nothing_is_kept_has_rows_but_no_digest() -> None:
    rows = MemberRows(RowShape(Columns(kept=()), SEED, is_utf8=True), 2, Nobody())
    rows.add(b"1\t2\n3\t4\n")

    assert rows.result() == Rows(8, 2, None)


def test_a_row_that_lacks_a_kept_column_is_damage() -> None:
    rows = MemberRows(RowShape(Columns(kept=(0, 2)), SEED, is_utf8=True), 3, Nobody())

    with pytest.raises(BackupDamaged, match="fewer columns"):
        rows.add(b"1\t2\t3\n4\t5\n")
