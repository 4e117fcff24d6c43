"""Small neighbours are read with one request, large members by themselves, and every member exactly once."""

from dataclasses import replace

from dbrestore.contract.manifest import ByteRange, TableMember
from dbrestore.worker.base.limits import GROUP_LENGTH, GROUP_MEMBERS, SMALL_MEMBER
from dbrestore.worker.postgresql.rows.loading import groups


def members(*lengths: int, gap: int = 0, file: int = 0) -> tuple[TableMember, ...]:
    """Members of these lengths, one behind the other."""
    made, offset = [], 1000
    for number, length in enumerate(lengths):
        stored = ByteRange(file=file, offset=offset, length=length, sha256="")
        made.append(TableMember(dump_id=number, schema_name="s", table="t", stored=stored, uncompressed_length=0, rows=0))
        offset += length + gap
    return tuple(made)


def shape(found: tuple[TableMember, ...]) -> list[list[int]]:
    """Dump ids per group."""
    return [[member.dump_id for member in group] for group in groups(found)]


def test_small_neighbours_are_together_and_a_large_one_is_alone() -> None:
    assert shape(members(10, 20, SMALL_MEMBER + 1, 30, 40)) == [[0, 1], [2], [3, 4]]


def test_a_group_is_bounded_in_length_gaps_included() -> None:
    found = members(*[10] * 5, gap=GROUP_LENGTH // 2)

    assert shape(found) == [[0, 1], [2, 3], [4]]


def test_a_group_is_bounded_in_number() -> None:
    assert [len(group) for group in shape(members(*[1] * (GROUP_MEMBERS + 3)))] == [GROUP_MEMBERS, 3]


def test_members_of_two_files_are_never_together() -> None:
    second = tuple(replace(m, dump_id=m.dump_id + 10) for m in members(5, 5, file=1))

    assert shape((*second, *members(5, 5))) == [[0, 1], [10, 11]]


def test_no_members_make_no_group() -> None:
    assert shape(()) == []
