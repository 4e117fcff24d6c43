"""Databases over the whole syntax come back equal, or what is missing is told: 30 of them quickly, 300 in `make faults`."""

import pytest

from tests.generated import campaign
from tests.generated.servers import Servers
from tests.generated.strategies.databases import database

QUICK, ALL = 30, 300


# To repeat one: -k 'test_comes_back[17]'; to make it small: python -m tests.generated shrink 17.
@pytest.mark.parametrize(
    "number", [pytest.param(n, marks=[pytest.mark.slow] if n >= QUICK else []) for n in range(ALL)]
)
def test_comes_back(servers: Servers, number: int) -> None:
    verdict = campaign.judge(servers, number)

    assert verdict.is_good, str(verdict)


def test_a_number_always_gives_the_same_database(servers: Servers) -> None:
    assert database(7, servers.source_version) == database(7, servers.source_version)
    assert database(7, servers.source_version) != database(8, servers.source_version)
