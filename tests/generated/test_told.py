"""Rows that are missing in a tree of partitions are explained by what was left out of it only if they are exactly as many."""

import pytest

from tests.generated.compare import Difference
from tests.generated.told import Told, untold

PARENTS = {
    'public."the, root 1"': "public.root",
    'public."a.leaf"': 'public."the, root 1"',
    "public.other": "public.another",
}


def rows(before: int, after: int) -> Difference:
    """The tree's rows became fewer."""
    return Difference("table", "public.root", "rows", f"{before} rows, 0d3f", f"{after} rows, 5ad5")


@pytest.mark.parametrize(
    ("told", "is_explained"),
    [
        ([Told("TABLE DATA public.a.leaf", "refused", was_left_out=True, rows=10)], True),
        ([Told("TABLE DATA public.a.leaf", "refused", was_left_out=True, rows=9)], False),
        ([Told("TABLE DATA public.a.leaf", "told", was_left_out=False, rows=10)], False),
        ([Told("TABLE DATA public.other", "refused", was_left_out=True, rows=10)], False),
        ([], False),
    ],
)
def test_a_loss_is_explained_by_as_many_rows_of_its_partitions(told: list[Told], is_explained: bool) -> None:
    assert (untold([rows(100, 90)], told, PARENTS) == []) == is_explained


def test_rows_that_are_others_are_never_explained() -> None:
    assert untold([rows(100, 100)], [], PARENTS) == [rows(100, 100)]
