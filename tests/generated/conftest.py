"""The source server, whose databases are generated, beside the target that the tests of databases use too."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from localcloud import certificates, postgresql
from tests.databases.conftest import SETTINGS, authority, cloud, server
from tests.databases.restore_case import Cloud
from tests.generated.round_trip import Servers
from tests.generated.script import FIRST, FOREIGN, OWNER, READER, ROLES, SECOND, create_roles

__all__ = ["authority", "cloud", "server"]


@pytest.fixture(scope="session")
def servers(authority: certificates.Authority, cloud: Cloud) -> Iterator[Servers]:  # noqa: F811
    """A source of the newest version that is installed; the target's roles were made by its master user, all but two."""
    with tempfile.TemporaryDirectory(prefix="dbrestore-generated-", dir="/var/tmp") as directory:
        Path(directory).chmod(0o755)
        certificate, key = certificates.issue(authority, "localhost")
        source = postgresql.start(Path(directory) / "pg", certificate=certificate, key=key, settings=SETTINGS)
        try:
            create_roles(source.superuser_dsn(), ROLES)
            create_roles(cloud.dsn(), (OWNER, FIRST, SECOND, READER))
            create_roles(cloud.server.superuser_dsn(), (FOREIGN,))
            pg_dump = source.binaries / "pg_dump"
            yield Servers(source, cloud, 17, pg_dump, pg_dump)
        finally:
            postgresql.stop(source)
