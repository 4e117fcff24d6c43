"""The servers of generated databases: sources and targets of each version, behind the local stand-ins of S3 and Secrets Manager."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from localcloud.base import certificates
from localcloud.postgresql.clients import tool
from localcloud.postgresql.server import Server
from tests import moto_process
from tests.databases.clouds import Clouds
from tests.databases.conftest import SETTINGS
from tests.databases.restore_case import Cloud
from tests.generated.script import FIRST, FOREIGN, OWNER, READER, ROLES, SECOND, create_roles
from tests.server_folder import server_folder


@dataclass(frozen=True)
class Servers:
    """Where databases are made and where they are restored."""

    source: Server
    cloud: Cloud

    @property
    def source_version(self) -> int:
        """The major version of the source."""
        return int(self.source.version.split(".")[0])

    @property
    def target_version(self) -> int:
        """The major version of the target."""
        return int(self.cloud.server.version.split(".")[0])

    @property
    def pg_dump(self) -> Path:
        """That of the source's version, or the oldest newer one that can be had."""
        return tool(self.source.version, "pg_dump")

    @property
    def comparing(self) -> Path:
        """A pg_dump that reads from both."""
        return tool(self.cloud.server.version, "pg_dump")

    @property
    def pg_restore(self) -> Path:
        """One that a person would use for the target."""
        return tool(self.cloud.server.version, "pg_restore")


@dataclass
class Pool:
    """Servers of the versions that were asked for, each started once."""

    sources: Clouds
    targets: Clouds
    _ready: set[str] = field(default_factory=set)

    def pair(self, source: str, target: str) -> Servers:
        """The target's roles were made by its master user, all but FOREIGN; GONE is missing. Skips where a version can't be had."""
        servers = Servers(self.sources.of(source).server, self.targets.of(target))
        if f"from {source}" not in self._ready:
            create_roles(servers.source.superuser_dsn(), ROLES)
        if f"to {target}" not in self._ready:
            create_roles(servers.cloud.dsn(), (OWNER, FIRST, SECOND, READER))
            create_roles(servers.cloud.server.superuser_dsn(), (FOREIGN,))
        self._ready |= {f"from {source}", f"to {target}"}
        return servers


@contextmanager
def started() -> Iterator[Pool]:
    """No server yet: they start when they are asked for."""
    with moto_process.served() as address, server_folder("dbrestore-generated-") as directory:
        authority = certificates.create(directory)
        clouds = [_clouds(address, authority, directory / part) for part in ("sources", "targets")]
        try:
            yield Pool(*clouds)
        finally:
            for each in clouds:
                each.stop()


def _clouds(address: tuple[str, int], authority: certificates.Authority, directory: Path) -> Clouds:
    directory.mkdir(mode=0o755)
    private = directory / "private"
    private.mkdir()
    return Clouds(address, authority, directory, private, SETTINGS)
