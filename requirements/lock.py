"""`make lock`: write which versions are installed, and the SHA-256 of each of their wheels, into requirements/.

`constraints.txt` has the versions of everything; `locked/everything.txt` has the same with hashes, for this checkout; `locked/lambda.txt`
and `locked/worker.txt` have what goes to AWS, `locked/checkov.txt` and `locked/schemathesis.txt` what examines it. pip resolves the
lists, and takes what it finds in constraints.txt: delete a line there to let a version move. The hashes are those that pip's index tells
(the simple API's JSON, PEP 691), of every platform and Python.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "requirements"
CONSTRAINTS = REQUIREMENTS / "constraints.txt"
# An environment's name, the list that people edit, and what else pip is told for it.
LISTS: tuple[tuple[str, Path, tuple[str, ...]], ...] = (
    ("everything", ROOT / "requirements.txt", ()),
    ("lambda", REQUIREMENTS / "lambda.txt", ("--python-version=3.13", "-c", str(CONSTRAINTS))),
    # The oldest Python that README names: a release that wants a newer one could not be installed there.
    ("checkov", REQUIREMENTS / "checkov.txt", ("--python-version=3.11.2",)),
    ("schemathesis", REQUIREMENTS / "schemathesis.txt", ("--python-version=3.11.2",)),
    ("worker", REQUIREMENTS / "worker.txt", ("--python-version=3.11", "-c", str(CONSTRAINTS))),
)
HEADER = "# Written by `make lock`: {what}. pip takes nothing whose SHA-256 isn't here.\n"
PLAIN_HEADER = "# Every package, pinned. Refresh: make lock\n"


class CannotLock(Exception):
    """The message says what is missing and what to do."""


def main() -> int:
    """0 if all lists are written."""
    try:
        for name, path, options in LISTS:
            versions = resolved(path, options)
            if name == "everything":
                CONSTRAINTS.write_text(PLAIN_HEADER + "".join(f"{package}=={version}\n" for package, version in versions))
            (REQUIREMENTS / "locked" / f"{name}.txt").write_text(HEADER.format(what=path.relative_to(ROOT)) + locked(versions))
    except (CannotLock, OSError) as problem:
        print(f"The versions can't be locked: {problem}", file=sys.stderr)
        return 1
    return 0


def resolved(path: Path, options: tuple[str, ...]) -> list[tuple[str, str]]:
    """(name, version) of the list and all that it needs, by name. Wheels alone: what is built on the spot has no hash."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed", "--only-binary=:all:"),
            *("--target", folder, "--report", str(report), *options, "-r", str(path)),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
        if done.returncode:
            raise CannotLock(f"pip finds no versions for {path}: {done.stderr[-1000:].strip()}")
        found = [item["metadata"] for item in json.loads(report.read_text())["install"]]
    return sorted(((str(one["name"]), str(one["version"])) for one in found), key=lambda pair: canonicalize_name(pair[0]))


def locked(versions: list[tuple[str, str]]) -> str:
    """In the form that pip reads with --require-hashes."""
    with ThreadPoolExecutor(8) as pool:
        return "".join(pool.map(lambda pair: _entry(*pair), versions))


def _entry(name: str, version: str) -> str:
    hashes = sorted({file["hashes"]["sha256"] for file in _files(name) if _is_wheel_of(file["filename"], version)})
    if not hashes:
        raise CannotLock(f"{_index()} has no wheel of {name} {version}: take a version that has one.")
    return f"{name}=={version}" + "".join(f" \\\n    --hash=sha256:{one}" for one in hashes) + "\n"


def _files(name: str) -> list[dict[str, Any]]:
    request = Request(f"{_index()}/{canonicalize_name(name)}/", headers={"Accept": "application/vnd.pypi.simple.v1+json"})  # noqa: S310
    with urlopen(request, timeout=60) as answer:  # noqa: S310  # the index is whatever pip is told to take
        if "json" not in answer.headers["Content-Type"]:
            raise CannotLock(
                f"{_index()} doesn't answer in JSON (PEP 691): name one that does, PIP_INDEX_URL=https://pypi.org/simple make lock."
            )
        files: list[dict[str, Any]] = json.load(answer)["files"]
    return files


def _is_wheel_of(file: str, version: str) -> bool:
    try:
        return parse_wheel_filename(file)[1] == Version(version)
    except InvalidWheelFilename:
        return False


@cache
def _index() -> str:
    """pip's own setting."""
    if named := os.environ.get("PIP_INDEX_URL"):
        return named.rstrip("/")
    settings = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"^(?:global|install)\.index-url='(.+)'", settings, re.MULTILINE)
    return (found[1] if found else "https://pypi.org/simple").rstrip("/")


if __name__ == "__main__":
    sys.exit(main())
