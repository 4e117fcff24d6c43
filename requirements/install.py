"""`make install`, second part: the virtual environment `.venv` with every pinned package and this checkout.

Run by any Python from 3.11 on; needs the standard library alone. Whatever it finds (nothing, an environment of other lists, one that was
moved, lost its Python or was broken off in the middle), it ends with a sound environment, or with one sentence and exit code 1.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
# What was installed: the digest of the lists.
STAMP = VENV / ".installed"
# There while packages are written. Of what pip leaves when it's killed nobody can say whether it is whole.
UNFINISHED = VENV / ".unfinished"
LOG = VENV / "install.log"
LOCKED = ROOT / "requirements" / "locked" / "everything.txt"
# What the targets of the Makefile write beside .venv.
WRITTEN = (ROOT, VENV, ROOT / "build", ROOT / ".local", ROOT / "cdk.out")
# How pip's log says that nobody answered.
UNREACHABLE = re.compile(
    r"NewConnectionError|ConnectTimeout|ReadTimeout|ProxyError|NameResolutionError|SSLError|Max retries|Connection (refused|reset|broken)"
)
CONNECT = "Connect to the network, or tell pip of your mirror or proxy (pip config, HTTPS_PROXY), and try again"


class CannotInstall(Exception):
    """The message says what is missing and what to do."""


def main() -> int:
    """0 if everything is there now."""
    try:
        _require_writable()
        with _alone() as lock:
            if not _is_current():
                _install(lock)
    except CannotInstall as problem:
        print(problem, file=sys.stderr)
        return 1
    except OSError as problem:
        print(f"The packages can't be installed: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _require_writable() -> None:
    for folder in WRITTEN:
        if folder.exists() and not os.access(folder, os.W_OK):
            raise CannotInstall(f"{folder} can't be written by this user: give it to this user, or clone into a folder that is yours.")


@contextmanager
def _alone() -> Iterator[int]:
    """One installation at a time; the others wait, and find everything done. Yields the lock, which pip holds too: it may outlive us."""
    lock = os.open(ROOT, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Another make is installing the packages here; waiting for its end", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock
    finally:
        os.close(lock)


def _is_current() -> bool:
    return STAMP.is_file() and STAMP.read_text() == _lists() and _unusable() is None


def _lists() -> str:
    """Of everything that decides what is installed."""
    paths = (LOCKED, ROOT / "pyproject.toml")
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in paths)).hexdigest()


def _install(lock: int) -> None:
    reason = _unusable() if os.path.lexists(VENV) else None
    if reason:
        print(f"Making .venv anew: {reason}", flush=True)
        _remove()
    is_new = not VENV.exists()
    VENV.mkdir(exist_ok=True)
    UNFINISHED.touch()
    LOG.unlink(missing_ok=True)
    if is_new:
        _run(lock, getattr(sys, "_base_executable", sys.executable), "-m", "venv", str(VENV))
    print("Installing the packages (once, about a minute)", flush=True)
    # --no-compile: most of what the CDK brings is never imported.
    # Wheels alone: what is built on the spot fetches its build's packages by no list of ours.
    _pip(lock, "--no-compile", "--require-hashes", "--only-binary=:all:", "-r", str(LOCKED))
    # What building a wheel left here would be found before what is installed, old entry points included.
    shutil.rmtree(ROOT / "dbrestore.egg-info", ignore_errors=True)
    _pip(lock, "--no-deps", "--no-build-isolation", "-e", ".")
    STAMP.write_text(_lists())
    UNFINISHED.unlink()


def _unusable() -> str | None:
    """Why .venv can't be kept, if so."""
    if VENV.is_symlink() or not VENV.is_dir():
        return "it is no folder"
    if UNFINISHED.exists():
        return "its installation was broken off"
    if not _programs_name_this_folder():
        return "it was made in another folder, or has no pip"
    made_by, now = _recorded_version(), _version_now()
    if _minor(made_by) != _minor(now):
        return f"it was made by Python {made_by}, and its Python is {now or 'gone'} now"
    named = "{}.{}.{}".format(*sys.version_info[:3])
    if os.environ.get("PYTHON") and named != now:
        return f"it is of Python {now}, and PYTHON names {named}"
    return None


def _programs_name_this_folder() -> bool:
    """Programs that pip writes name their Python by its whole path, in one of two ways; in an environment that was moved they run another
    Python or none."""
    try:
        head = "".join((VENV / "bin" / "pip").read_text().splitlines(keepends=True)[:2])
    except OSError:
        return False
    return any(f"{before}{VENV}/bin/" in head for before in ("#!", '"', " "))


def _recorded_version() -> str:
    found = re.search(r"^version = (\S+)", (VENV / "pyvenv.cfg").read_text(), re.MULTILINE)
    return found[1] if found else "unknown"


def _minor(version: str) -> list[str]:
    """What packages are installed for; a newer 3.11 runs what an older one installed."""
    return version.split(".")[:2]


def _version_now() -> str:
    """Empty if it can't be run any more."""
    program = "import sys; print('{}.{}.{}'.format(*sys.version_info[:3]))"
    try:
        return subprocess.run([VENV / "bin" / "python", "-c", program], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def _remove() -> None:
    if VENV.is_symlink() or not VENV.is_dir():
        VENV.unlink()
    else:
        # First, so that what is half gone is never taken for whole.
        UNFINISHED.touch()
        shutil.rmtree(VENV)


def _pip(lock: int, *arguments: str) -> None:
    _run(lock, str(VENV / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", *arguments)


def _run(lock: int, *command: str) -> None:
    """Its words go into the log; raises CannotInstall with those that say why it failed."""
    # A user's setting that would lead past the environment.
    environment = os.environ | {"PIP_USER": "0"}
    with LOG.open("a") as log:
        done = subprocess.run(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, pass_fds=[lock], check=False
        )
    if done.returncode:
        raise CannotInstall(_failure(LOG.read_text(errors="replace")))


def _failure(log: str) -> str:
    lines = [line for line in log.splitlines() if line.strip()]
    errors = [line.split(": ", 1)[1] for line in lines if line.startswith(("ERROR: ", "Error: "))]
    reason = next(iter(errors or lines[-1:]), "no reason was given")
    # Without its index pip finds versions missing or in conflict, and says so first.
    if UNREACHABLE.search(reason) or ("[Errno" not in reason and UNREACHABLE.search(log)):
        reason = f"pip can't reach its package index. {CONNECT}"
    return f"The packages could not be installed: {reason[:400].rstrip('.')}. All that pip said is in {LOG}"


if __name__ == "__main__":
    sys.exit(main())
