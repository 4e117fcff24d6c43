"""The parts of a copy: every byte once, and never beyond what S3 takes."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbrestore.contract import limits
from dbrestore.points.parts import part_size, parts

MIB, GIB, TIB = 1 << 20, 1 << 30, 1 << 40
# The largest object that 10,000 parts make, and the largest file that RDS restores.
LARGEST_OBJECT, LARGEST_BACKUP = 10_000 * 5 * GIB, 5 * TIB


@given(st.integers(min_value=0, max_value=LARGEST_OBJECT))
def test_parts_of_any_file_stay_within_the_limits_of_s3(length: int) -> None:
    size = part_size(length)

    assert limits.STAGING_PART_BYTES <= size <= 5 * GIB
    assert size % MIB == 0
    assert -(-length // size) <= 10_000


@settings(max_examples=30)
@given(st.one_of(st.integers(0, 40 * GIB), st.integers(2 * TIB, 5 * TIB)))
def test_parts_are_every_byte_once_in_order(length: int) -> None:
    found = parts(length)

    if not found:
        assert length <= part_size(length) <= 5 * GIB
        return
    assert [part.number for part in found] == list(range(1, len(found) + 1))
    assert (found[0].first, found[-1].last) == (0, length - 1)
    assert all(after.first == before.last + 1 for before, after in pairwise(found))
    assert all(part.length >= 5 * MIB for part in found[:-1])
    assert found[-1].length >= 1


@pytest.mark.parametrize(
    ("length", "count", "size"),
    [
        (1 * MIB, 0, 256 * MIB),
        (256 * MIB, 0, 256 * MIB),
        (256 * MIB + 1, 2, 256 * MIB),
        (5 * GIB, 20, 256 * MIB),
        (5 * 10**12, 8_997, 530 * MIB),
        (LARGEST_BACKUP, 8_993, 583 * MIB),
    ],
)
def test_the_plan_of_some_sizes(length: int, count: int, size: int) -> None:
    assert part_size(length) == size
    assert len(parts(length)) == count
