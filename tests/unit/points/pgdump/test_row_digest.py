"""The digest doesn't depend on order, and changes with every change of a row."""

from hypothesis import given
from hypothesis import strategies as st
from xxhash import xxh3_128_intdigest

from dbrestore.points.pgdump.row_digest import ObjectDigester, total_text
from dbrestore.points.pgdump.rows.block_count import BlockCounter, RowShape
from dbrestore.points.pgdump.rows.canonical_text import CanonicalText, Columns

LF = b"\n"
INSTANTS = [
    "2026-07-01 12:00:00+00",
    "2026-07-01 12:00:00.5+00",
    "2026-07-01 12:00:00+02",
    "2026-07-01 12:00:00.25-03:30",
    "0044-03-15 01:00:00+00 BC",
    "0044-03-05 01:00:00-05 BC",
    "1850-01-01 00:53:28+00:53:28",
    "-infinity",
    "\\N",
    '["2026-01-01 01:00:00+00","2026-01-05 01:00:00-05")',
]
OTHERS = ["", "+00", "+49 30", "a+00", "-05", "2026-01-05", "12:00:00+02", "4e0c-0cab-11ee"]
ROWS = st.lists(st.binary().map(lambda raw: raw.replace(LF, b"")))


def digest(rows: list[bytes], columns: Columns | None = None, seed: int = 7) -> str:
    text = b"".join(row + b"\n" for row in rows)
    totals = BlockCounter(RowShape(columns or Columns(), seed, is_utf8=False)).count(text)
    assert (totals.rows, totals.tabs) == (len(rows), text.count(b"\t"))
    return total_text(totals.hashes)


@given(ROWS, st.randoms(use_true_random=False))
def test_the_order_does_not_matter(rows: list[bytes], chance: object) -> None:
    shuffled = list(rows)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]

    assert digest(shuffled) == digest(rows)


@given(ROWS)
def test_it_is_the_sum_of_the_hashes_of_any_rows(rows: list[bytes]) -> None:
    assert digest(rows) == f"{sum(xxh3_128_intdigest(row + LF, 7) for row in rows) % 2**128:032x}"


def test_more_rows_than_are_added_at_once_and_what_carries_over() -> None:
    rows = [b"%d" % number for number in range(20_011)]

    assert digest(rows) == f"{sum(xxh3_128_intdigest(row + LF, 7) for row in rows) % 2**128:032x}"


def test_it_is_the_sum_of_the_hashes_of_whole_lines() -> None:
    total = sum(xxh3_128_intdigest(line, 7) for line in (b"a\tb\n", b"\n", b"c\n"))

    assert digest([b"a\tb", b"", b"c"]) == f"{total % 2**128:032x}"


def test_what_keeps_the_number_of_rows_changes_it() -> None:
    before = digest([b"1\ta", b"2\tb", b"2\tb"])

    assert digest([b"1\tb", b"2\ta", b"2\tb"]) != before
    assert digest([b"1\ta", b"1\ta", b"2\tb"]) != before
    assert digest([b"1\ta", b"2\tb", b"2\t\\N"]) != before
    assert digest([b"1\ta", b"2\tb", b"2\tb"], seed=8) != before


def test_columns_that_are_left_out_do_not_matter() -> None:
    columns = Columns(kept=(0, 2))

    assert digest([b"1\tx\ta"], columns) == digest([b"1\ty\ta"], columns) == digest([b"1\ta"])


def test_large_objects_are_told_apart_by_number_and_content() -> None:
    def total(*objects: tuple[int, bytes]) -> str:
        digester = ObjectDigester(7)
        for oid, content in objects:
            assert digester.add(oid, [content[:1], content[1:]]) == len(content)
        return digester.digest().total

    assert total((1, b"ab"), (2, b"c")) == total((2, b"c"), (1, b"ab"))
    assert len({total((1, b"ab"), (2, b"c")), total((2, b"ab"), (1, b"c")), total((1, b"ab")), total((1, b"aB"))}) == 4


def lines(text: bytes, columns: Columns) -> list[bytes]:
    return list(CanonicalText(columns).rows(text))


def test_instants_are_told_in_utc() -> None:
    columns = Columns(times=(1,))

    def utc(text: str) -> str:
        return lines(f"2026-01-01 00:00:00+05\t{text}\n".encode(), columns)[0].decode().split("\t")[1][:-1]

    assert utc("2026-07-01 12:00:00.5+02") == "2026-07-01 10:00:00.5+00"
    assert utc("2026-01-01 00:00:00-03:30") == "2026-01-01 03:30:00+00"
    assert utc("2026-01-01 00:00:00+01") == "2025-12-31 23:00:00+00"
    assert utc("2024-02-29 23:59:59.999999-12") == "2024-03-01 11:59:59.999999+00"
    assert utc("1850-01-01 00:53:28+00:53:28") == "1850-01-01 00:00:00+00"
    assert utc("0001-01-01 00:30:00+01") == "0001-12-31 23:30:00+00 BC"
    assert utc("0044-03-15 01:00:00+01 BC") == "0044-03-15 00:00:00+00 BC"
    assert utc("294276-12-31 23:00:00+00:30") == "294276-12-31 22:30:00+00"
    assert utc("infinity") == "infinity"
    assert utc("\\N") == "\\N"
    assert utc('["2026-01-01 01:00:00+01",)') == '["2026-01-01 00:00:00+00",)'


def test_a_text_that_looks_like_an_instant_stays() -> None:
    row = b"2026-01-01 00:00:00+05\t2026-01-01 00:00:00+00\n"

    assert lines(row, Columns(times=(1,))) == [row]


def test_escaped_bytes_are_told_in_hexadecimal() -> None:
    escaped = b"\\N\na\\\\000\\\\\\\\x\\\\377\n\n"

    assert lines(escaped, Columns(bytes=(0,))) == [b"\\N\n", b"\\\\x61005c78ff\n", b"\\\\x\n"]
    assert lines(b"\\N\n\\\\x61\n", Columns(bytes=(0,))) == [b"\\N\n", b"\\\\x61\n"]


def test_a_block_with_offsets_to_the_west_alone_is_noticed() -> None:
    for offset, hour in (("-03", "03"), ("-12", "12"), ("-00:01:15", "00"), ("-01 BC", "01")):
        for rest in ("", '"]', "\t2026-01-01"):
            (line,) = lines(f"2026-01-01 00:00:00.25{offset}{rest}\n".encode(), Columns(times=(0,)))
            assert line.startswith(f"2026-01-01 {hour}:".encode()), line


@given(st.lists(st.sampled_from(INSTANTS), min_size=1), st.lists(st.sampled_from(OTHERS), min_size=1))
def test_an_instant_with_another_offset_is_noticed_among_any_others(instants: list[str], others: list[str]) -> None:
    """However the block looks that is passed over quickly, its rows are those that each row gives by itself."""
    rows = [f"{a}\t{b}\n".encode() for a, b in zip(instants, others, strict=False)]
    columns = Columns(times=(0,))

    assert lines(b"".join(rows), columns) == [line for row in rows for line in lines(row + b"2026-01-01 00:00:00+01\t\n", columns)[:1]]
