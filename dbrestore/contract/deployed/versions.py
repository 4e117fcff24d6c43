"""Fingerprints of what is deployed, equal on both sides if and only if both are of one version.

Version numbers are written by people, who forget; these are made of the very bytes. The standard library is enough for them, because the
build of a wheel takes them too.
"""

import json
import re
from functools import cache
from hashlib import sha256
from pathlib import Path

NUMBER = "0.1.0"
ROOT = Path(__file__).resolve().parents[3]
DEFINITION = "statemachine/restore_databases.asl.json"
# What infrastructure.bundles puts into every function.
PACKAGES = (
    "lambdas",
    "dbrestore/__init__.py",
    "dbrestore/contract",
    "dbrestore/evidence",
    "dbrestore/ledger",
    "dbrestore/points",
    "dbrestore/prices",
)


def is_source_tree(root: Path) -> bool:
    """Whether all lies there that is deployed: an installed package has only a part of it."""
    return (root / DEFINITION).is_file() and (root / "lambdas").is_dir()


def of_tree(root: Path) -> dict[str, str]:
    """`code` and `definition` of a source tree."""
    return {"code": of_code(root), "definition": of_definition((root / DEFINITION).read_text(), "")}


@cache
def of_code(root: Path = ROOT) -> str:
    """Of the control plane's code, wherever it lies."""
    found = sha256()
    for name in sorted(_files(root)):
        found.update(f"{name}\0".encode() + sha256((root / name).read_bytes()).digest())
    return found.hexdigest()


def _files(root: Path) -> list[str]:
    paths = (path for package in PACKAGES for path in (root / package, *(root / package).rglob("*")))
    return [p.relative_to(root).as_posix() for p in paths if p.is_file() and "__pycache__" not in p.parts]


def of_definition(text: str, prefix: str) -> str:
    """Of a state machine's definition; the functions' ARNs, of whichever versions, stand for their states, as in the file that it was made
    from."""
    named = re.sub(rf"arn:[^:\"]+:lambda:[^:\"]+:\d+:function:{re.escape(prefix)}(\w+)(?::\d+)?", r"${\1}", text)
    return of_json(named)


def of_json(text: str) -> str:
    """Of a JSON document, whatever its layout."""
    return of_value(json.loads(text))


def of_value(value: object) -> str:
    """Of what a JSON document holds."""
    return sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
