"""Dependency trees for another Python and another machine than this one: pip fetches wheels, nothing is built, no Docker.

pip takes only files whose SHA-256 `make lock` wrote down. A tree lies in build/dependencies/<name>-<hash>/. That hash covers everything
that decides the content, so a tree that exists is right and a second synthesis costs nothing.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# AWS services whose models the bundles carry; botocore's other 400 are 27 of its 28 MB.
SERVICES = (
    "cloudwatch",
    "dynamodb",
    "ec2",
    "events",
    "iam",
    "kms",
    "lambda",
    "rds",
    "s3",
    "secretsmanager",
    "service-quotas",
    "ssm",
    "stepfunctions",
    "sts",
)
# Lambda's python3.13 and Amazon Linux 2023 both have glibc 2.34. pip doesn't take an older platform's wheels unless they are named too.
PLATFORMS = ("manylinux_2_34_x86_64", "manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")


class PackagesNotFetched(Exception):
    """pip could not fetch what a bundle carries; the message says why and what to do."""


@dataclass(frozen=True)
class Dependencies:
    """`requirements/locked/<name>.txt` below `root` for CPython `python` ("3.11") on x86_64 Linux."""

    name: str
    python: str
    root: Path = ROOT

    @property
    def requirements(self) -> Path:
        """What `make lock` made of the list that people edit."""
        return self.root / "requirements" / "locked" / f"{self.name}.txt"

    @property
    def digest(self) -> str:
        """Changes when anything does that could change the tree."""
        parts = (
            self.requirements.read_bytes(),
            Path(__file__).read_bytes(),
            self.python.encode(),
        )
        return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def tree(dependencies: Dependencies) -> Path:
    """The folder with the packages, installed and pruned now if it isn't there yet. Raises PackagesNotFetched."""
    target = dependencies.root / "build" / "dependencies" / f"{dependencies.name}-{dependencies.digest}"
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        fresh = Path(scratch) / "tree"
        _install(dependencies, fresh)
        _prune(fresh)
        _publish(fresh, target)
    return target


def _install(dependencies: Dependencies, folder: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-compile",
        "--only-binary=:all:",
        "--implementation",
        "cp",
        "--python-version",
        dependencies.python,
        "--target",
        str(folder),
        *(f"--platform={platform}" for platform in PLATFORMS),
        "--require-hashes",
        "-r",
        str(dependencies.requirements),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PackagesNotFetched(
            f"pip could not fetch the packages of {dependencies.requirements} for Python {dependencies.python}: {_reason(done.stderr)}. "
            "If there is no network, connect to it, or tell pip of your mirror or proxy (pip config, HTTPS_PROXY)."
        )


def _reason(output: str) -> str:
    """What pip calls the error; above it stand its attempts, below it its stack."""
    errors = [line.removeprefix("ERROR: ") for line in output.splitlines() if line.startswith("ERROR: ")]
    return (errors[0] if errors else output[-500:]).strip().rstrip(".")


def _prune(folder: Path) -> None:
    """What no program here reads. Console scripts and RECORD name this computer's interpreter, so they would change the hash."""
    shutil.rmtree(folder / "bin", ignore_errors=True)
    for pattern in ("*.pyi", "*.dist-info/RECORD", "boto3/examples", "zstandard/_cffi.*"):
        for path in folder.rglob(pattern):
            _remove(path)
    _prune_service_models(folder / "botocore" / "data")


def _prune_service_models(data: Path) -> None:
    for path in data.iterdir():
        if path.is_dir() and path.name not in SERVICES:
            _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def _publish(fresh: Path, target: Path) -> None:
    try:
        os.rename(fresh, target)
    except OSError:
        # Another synthesis was quicker; its tree is the same.
        if not target.exists():
            raise
