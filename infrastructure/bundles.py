"""The three archives that the stacks deploy: the functions' code, their dependency layer, the worker's program.

They are made here and not by the CDK, because file modes (`run`) must survive every way of packing. Entries are sorted
and carry one fixed date, so the same content is the same asset.
"""

import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path

from dbrestore.contract.deployed import versions
from infrastructure.dependencies import ROOT, Dependencies, tree
from lambdas.configuration import access as access_configuration
from lambdas.configuration import adoption as adoption_configuration
from lambdas.configuration import credentials as credential_configuration
from lambdas.configuration import drills as drill_configuration
from lambdas.configuration import extensions as extension_configuration
from lambdas.configuration import sqlserver as sqlserver_configuration
from lambdas.configuration import workers as worker_configuration

# The newest runtime that all dependencies have wheels for, and the Python that Amazon Linux 2023 installs from its own packages.
FUNCTION_PYTHON = "3.13"
WORKER_PYTHON = "3.11"

FUNCTION_PACKAGES = versions.PACKAGES
WORKER_PACKAGES = ("dbrestore/__init__.py", "dbrestore/contract", "dbrestore/points", "dbrestore/worker")

BUNDLES = ROOT / "build" / "bundles"
EPOCH = (1980, 1, 1, 0, 0, 0)

# -P: not the current folder; -S and -s: no packages of this machine. What is left is the standard library and this folder.
RUN = f"""#!/bin/sh
# Runs one job: run s3://BUCKET/restores/.../job.json
# With a proxy the boot script left its variables here, NAME=VALUE; they are read as text, never as commands.
proxy="${{DBRESTORE_PROXY:-/etc/dbrestore/proxy}}"
if [ -r "$proxy" ]; then
  while IFS= read -r line; do export "$line"; done < "$proxy"
fi
home=$(cd "$(dirname "$0")" && pwd)
PYTHONPATH="$home" exec "${{DBRESTORE_PYTHON:-python{WORKER_PYTHON}}}" -P -s -S -m dbrestore.worker "$@"
"""


def function_code(
    workers: Path = worker_configuration.DEPLOYED,
    extensions: Path = extension_configuration.DEPLOYED,
    sqlserver: Path = sqlserver_configuration.DEPLOYED,
    credentials: Path = credential_configuration.DEPLOYED,
    drills: Path = drill_configuration.DEPLOYED,
    access: Path = access_configuration.DEPLOYED,
    adoption: Path = adoption_configuration.DEPLOYED,
) -> Path:
    """What all functions share: the control plane, the documents it speaks, and the configurations under the names by which the modules of
    lambdas.configuration find them. Raises ConfigurationInvalid: what can't be read must not be deployed."""
    worker_configuration.read(workers)
    extension_configuration.read(extensions)
    sqlserver_configuration.read(sqlserver)
    credential_configuration.read(credentials)
    drill_configuration.read(drills)
    access_configuration.read(access)
    adoption_configuration.read(adoption)
    packages = [path for package in FUNCTION_PACKAGES for path in _sources(package)]
    contents = {
        worker_configuration.DEPLOYED: workers.read_bytes(),
        extension_configuration.DEPLOYED: extensions.read_bytes(),
        sqlserver_configuration.DEPLOYED: sqlserver.read_bytes(),
        credential_configuration.DEPLOYED: credentials.read_bytes(),
        drill_configuration.DEPLOYED: drills.read_bytes(),
        access_configuration.DEPLOYED: access.read_bytes(),
        adoption_configuration.DEPLOYED: adoption.read_bytes(),
    }
    beside = [(path.relative_to(ROOT).as_posix(), content, 0o644) for path, content in contents.items()]
    # A name of its own: two syntheses with two configurations must not take each other's archive.
    digest = sha256(b"\0".join(contents.values())).hexdigest()
    return _archive(f"functions-{digest[:16]}.zip", [*_entries(packages, ROOT), *beside])


def dependency_layer() -> Path:
    """The functions' packages, where a layer has them: `python/`."""
    packages = tree(Dependencies("lambda", FUNCTION_PYTHON))
    layer = BUNDLES / f"layer-{packages.name}.zip"
    if not layer.exists():
        _archive(layer.name, _entries(_files(packages), packages, under="python/"))
    return layer


def worker_program() -> Path:
    """The worker's program with everything but Python itself; `run` starts it from any folder."""
    packages = tree(Dependencies("worker", WORKER_PYTHON))
    base = BUNDLES / f"packages-{packages.name}.zip"
    if not base.exists():
        _archive(base.name, _entries(_files(packages), packages))
    sources = _entries([path for package in WORKER_PACKAGES for path in _sources(package)], ROOT)
    return _archive("worker.zip", [*sources, ("run", RUN.encode(), 0o755)], base=base)


def _sources(package: str) -> list[Path]:
    """A folder with all below it, or one file."""
    whole = ROOT / package
    return [whole] if whole.is_file() else [path for path in _files(whole) if "__pycache__" not in path.parts]


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _entries(paths: Iterable[Path], root: Path, under: str = "") -> Iterator[tuple[str, bytes, int]]:
    """(name in the archive, content, mode). Modes are made equal: what a umask did to a checkout is not content."""
    for path in paths:
        mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
        yield under + path.relative_to(root).as_posix(), path.read_bytes(), mode


def _archive(name: str, entries: Iterable[tuple[str, bytes, int]], base: Path | None = None) -> Path:
    """Write build/bundles/`name`, on top of the archive `base` if there is one; readers see the old file or the new one, never half."""
    BUNDLES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=BUNDLES) as scratch:
        fresh = Path(scratch) / name
        if base:
            shutil.copyfile(base, fresh)
        with zipfile.ZipFile(fresh, "a", zipfile.ZIP_DEFLATED) as archive:
            for entry, content, mode in entries:
                archive.writestr(_description(entry, mode), content, zipfile.ZIP_DEFLATED)
        os.replace(fresh, BUNDLES / name)
    return BUNDLES / name


def _description(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, EPOCH)
    info.create_system = 3  # Unix: the upper half of external_attr is the mode
    info.external_attr = (0o100000 | mode) << 16
    return info
