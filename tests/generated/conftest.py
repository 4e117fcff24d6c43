"""The servers, once per process."""

from collections.abc import Iterator

import pytest

from tests.generated import servers as all_servers
from tests.generated.servers import Servers


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """A source and a target."""
    with all_servers.started() as started:
        yield started
