"""The servers, once per process."""

from collections.abc import Iterator

import pytest

from tests.generated import servers
from tests.generated.servers import Pool, Servers


@pytest.fixture(scope="session")
def pool() -> Iterator[Pool]:
    """Servers of every version."""
    with servers.started() as started:
        yield started


@pytest.fixture(scope="session")
def newest(pool: Pool) -> Servers:
    """The version that is installed with the project, twice."""
    return pool.pair("17", "17")
