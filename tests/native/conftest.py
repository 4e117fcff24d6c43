from collections.abc import Iterator
from pathlib import Path

import pytest

from localcloud.base import certificates
from tests.native.installation import Installation
from tests.statemachine.conftest import world
from tests.statemachine.world import World

__all__ = ["world"]


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> certificates.Authority:
    """Who signed the simulated server's certificate."""
    return certificates.create(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def native(world: World, authority: certificates.Authority, tmp_path: Path) -> Iterator[Installation]:
    """The product beside an RDS for SQL Server that restores, with a restore point of `shop`."""
    made = Installation(world, authority, tmp_path).build()
    yield made
    made.stop()
