"""Databases over the whole syntax come back equal, or what is missing is told: 12 of them in each run, 300 in `make faults`."""

import pytest

from tests.generated import campaign
from tests.generated.servers import Pool
from tests.generated.strategies.databases import database

ALL = 300
IN_EACH_RUN = 12


# To repeat one: -k 'test_comes_back[17]'; to make it small: python -m tests.generated shrink 17.
@pytest.mark.parametrize("number", [pytest.param(n, marks=[pytest.mark.slow] if n >= IN_EACH_RUN else []) for n in range(ALL)])
def test_comes_back(pool: Pool, number: int) -> None:
    verdict = campaign.judge(pool, number)

    assert verdict.is_good, str(verdict)


def test_a_number_always_gives_the_same_database() -> None:
    assert database(7, 17) == database(7, 17)
    assert database(7, 17) != database(8, 17)
