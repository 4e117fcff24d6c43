"""The SQL of entries comes back as it was, however much of it there is, and takes little room meanwhile."""

import tracemalloc

import pytest

from dbrestore.points.pgdump.packed_statements import Block, Packing, Statements

# More than one block holds, by their number and by their length; bytes of another encoding are surrogates.
MANY = {
    "many": [Statements(f"CREATE TABLE t{n} ();", f"COPY t{n};", f"DROP TABLE t{n};") for n in range(1000)],
    "long": [Statements(str(n) * 40_000) for n in range(9)],
    "empty": [Statements()] * 300,
    "in no encoding yet": [Statements("stra\udcdfe", "ö€😀", "\n'\"\\;")],
}


def placed(statements: list[Statements]) -> list[tuple[Block, int]]:
    """All of them, packed."""
    packing = Packing()
    found = [packing.place(each) for each in statements]
    packing.close()
    return found


@pytest.mark.parametrize("statements", MANY.values(), ids=MANY.keys())
def test_what_is_packed_comes_back_in_any_order(statements: list[Statements]) -> None:
    found = placed(statements)

    assert [block[place] for block, place in reversed(found)] == statements[::-1]


def test_what_is_not_closed_yet_can_be_read() -> None:
    packing = Packing()
    block, place = packing.place(Statements("CREATE TABLE t ();"))

    assert block[place].definition == "CREATE TABLE t ();"


def test_the_same_statements_are_equal_and_others_are_not() -> None:
    assert placed(MANY["many"]) == placed(MANY["many"])
    changed = [*MANY["many"][:-1], Statements("DROP DATABASE other;")]
    assert placed(MANY["many"]) != placed(changed)


def test_the_statements_of_a_table_take_less_than_a_hundred_bytes() -> None:
    columns = ",\n    ".join(f"column_{n} integer DEFAULT 0 NOT NULL" for n in range(9))
    packing, places = Packing(), []

    tracemalloc.start()
    for number in range(5_000):
        name = f"public.small_{number:05}"
        made = Statements(f"CREATE TABLE {name} (\n    {columns}\n);\n", f"COPY {name} FROM stdin;\n", f"DROP TABLE {name};\n")
        places.append(packing.place(made)[0])
    packing.close()
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert used / 5_000 < 100
