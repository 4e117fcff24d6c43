"""Environments of single tools, build/<tool>: checkov pins what it needs too narrowly to share one, schemathesis has its own pytest."""

import hashlib
import subprocess
import sys
import venv
from pathlib import Path

from checks.outcome import ScannerFailed


def python_of(root: Path, tool: str) -> str:
    """The Python that has it, installed now from requirements/locked/<tool>.txt if it isn't there yet. Raises ScannerFailed."""
    listed = root / "requirements" / "locked" / f"{tool}.txt"
    folder = root / "build" / tool
    stamp = folder / ".installed"
    program = folder / "bin" / "python"
    digest = hashlib.sha256(listed.read_bytes() + sys.version.encode() + str(folder).encode()).hexdigest()
    if not stamp.is_file() or stamp.read_text() != digest:
        print(f"Installing {tool} into build/{tool} (once, about a minute)", flush=True)
        stamp.unlink(missing_ok=True)
        venv.create(folder, clear=True, with_pip=True, symlinks=True)
        _install(tool, program, listed)
        stamp.write_text(digest)
    return str(program)


def _install(tool: str, program: Path, listed: Path) -> None:
    options = ("--quiet", "--disable-pip-version-check", "--no-input", "--no-compile", "--require-hashes", "--only-binary=:all:")
    done = subprocess.run([program, "-m", "pip", "install", *options, "-r", listed], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ScannerFailed(
            f"{tool} could not be installed: {done.stderr[-1000:].strip()}. Connect to the network, or tell pip of your mirror or proxy "
            "(pip config, HTTPS_PROXY)."
        )
