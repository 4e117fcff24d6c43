"""The local cloud in the background: `up`, `status`, `down`. One per folder; several folders are several clouds side by side.

Invariant: after `down` nothing runs that `up` started, and nothing lies about that it wrote; also after a crash, by what is recorded:
the session that all children share, and the pid files of the PostgreSQL servers. Nothing else is ended or removed: numbers of processes are
used again, so a process is believed to be ours only if it began when the recorded one did, and a record only if it is this user's.
"""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from localcloud.base import processes
from localcloud.server import LocalCloudError, refuse_busy
from localcloud.stacks.assets import ROOT

# Synthesis for the first time, on a busy computer, and the fetching of the dependencies that the templates carry.
START_SECONDS = 600.0
STOP_SECONDS = 20.0
REMOVED_WITHIN_SECONDS = 10.0

# Kept, because Python warns of a child that is forgotten while it runs; this one is meant to outlive us.
_started: list[subprocess.Popen[bytes]] = []


@dataclass(frozen=True)
class Running:
    """A local cloud in the background. `directory` is what `down` removes; `already` says that `up` found it running; `started` tells its
    process from others with the same number."""

    pid: int
    endpoint: str
    directory: Path
    already: bool = False
    started: str = ""

    @property
    def port(self) -> int:
        """Of 127.0.0.1."""
        return int(self.endpoint.rsplit(":", 1)[1])


def home() -> Path:
    """Where the state is kept: DBRESTORE_LOCAL_DIR, or ~/.dbrestore/local; for root a place that an unprivileged server may enter."""
    named = os.environ.get("DBRESTORE_LOCAL_DIR")
    if named:
        return Path(named).absolute()
    if os.getuid() == 0:
        return Path("/var/tmp/dbrestore-0")  # noqa: S108 - only root may change it
    try:
        return Path.home() / ".dbrestore" / "local"
    except RuntimeError as error:
        raise LocalCloudError("This user has no home directory. Name a directory with DBRESTORE_LOCAL_DIR.") from error


def up(port: int | None = None, directory: Path | None = None, *, time_scale: float = 60.0, assembly: Path | None = None) -> Running:
    """Start the local cloud and wait until the application is deployed. One that runs already is returned as it is.

    `directory`: for its files, else `home()`. `assembly`: deployed in place of the application.
    Raises LocalCloudError if the port is busy, the folder is another user's or the start failed, with the reason; nothing is left then.
    """
    with _alone():
        already = status()
        if already:
            return replace(already, already=True)
        _end()
        refuse_busy(port or 0)
        folder = _own_folder(directory or home()) / "cloud"
        folder.mkdir(mode=0o711)
        process = _spawn(folder, port or 0, time_scale, assembly)
        begun = Running(process.pid, "http://127.0.0.1:0", folder, started=processes.started(process.pid))
        _write_state(begun)
        try:
            running = replace(begun, endpoint=_endpoint_when_ready(process, folder))
        except BaseException:
            _end()
            raise
        _write_state(running)
        return running


def status() -> Running | None:
    """The local cloud that runs; None if there is none or it has died. Raises LocalCloudError for another user's folder."""
    recorded = _read_state()
    return recorded if recorded and recorded.port and _is_ours(recorded) else None


def down() -> bool:
    """End the local cloud and everything it started, and remove its files. False if there was none. Raises LocalCloudError for another
    user's folder."""
    if not home().exists():
        return False
    with _alone():
        return _end()


def _end() -> bool:
    recorded = _read_state()
    if recorded is None:
        return False
    if _is_ours(recorded):
        _ask_to_end(recorded)
    for pid in list(_left_over(recorded)):
        _kill(pid)
    for pid in _database_servers(recorded.directory):
        _kill(pid)
    for process in _started:
        process.poll()
    _remove(recorded.directory)
    _state_file().unlink(missing_ok=True)
    return True


def _remove(folder: Path, within: float = REMOVED_WITHIN_SECONDS) -> None:
    """Until it's gone: the children of a PostgreSQL server that was killed write for a moment more, and a folder that fills stays. The
    record stays with it, so `down` can be repeated."""
    deadline = time.monotonic() + within
    while folder.exists():
        shutil.rmtree(folder, ignore_errors=True)
        if folder.exists():
            if time.monotonic() > deadline:
                raise LocalCloudError(f"{folder} can't be removed: stop whatever still writes to it, then try again.")
            time.sleep(0.05)


@contextmanager
def _alone() -> Iterator[None]:
    """One `up` or `down` at a time: a second one waits, or it would end what the first is just starting."""
    folder = home()
    try:
        folder.mkdir(mode=0o711, parents=True, exist_ok=True)
    except OSError as error:
        raise LocalCloudError(
            f"{folder} can't be made ({error.strerror}). Name a directory of your own with DBRESTORE_LOCAL_DIR."
        ) from error
    _require_own(folder)
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _require_own(folder: Path) -> None:
    # What stands in another person's folder must not decide what is ended and removed here; a link may lead anywhere.
    if folder.lstat().st_uid != os.getuid() or folder.stat().st_uid != os.getuid():
        raise LocalCloudError(f"{folder} belongs to another user. Name a directory of your own with DBRESTORE_LOCAL_DIR.")


def _own_folder(folder: Path) -> Path:
    folder.mkdir(mode=0o711, parents=True, exist_ok=True)
    _require_own(folder)
    leftover = folder / "cloud"
    if leftover.exists():
        raise LocalCloudError(f"{leftover} already exists and isn't a local cloud of this user: move it or name another directory.")
    return folder


def _spawn(folder: Path, port: int, time_scale: float, assembly: Path | None) -> subprocess.Popen[bytes]:
    command = [
        sys.executable,
        "-m",
        "localcloud",
        "--port",
        str(port),
        "--directory",
        str(folder),
        "--time-scale",
        str(time_scale),
        "--ready",
        str(_ready_file(folder)),
        *(["--assembly", str(assembly.absolute())] if assembly else []),
    ]
    with _log_file(folder).open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "DBRESTORE_LOCAL_CLOUD": str(folder)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    _started.append(process)
    return process


def _endpoint_when_ready(process: subprocess.Popen[bytes], folder: Path) -> str:
    deadline = time.monotonic() + START_SECONDS
    while not _ready_file(folder).exists():
        if process.poll() is not None:
            raise LocalCloudError(f"The local cloud could not start: {_log_file(folder).read_text()[-3000:].strip()}")
        if time.monotonic() > deadline:
            raise LocalCloudError(f"The local cloud was not ready after {START_SECONDS:.0f} seconds.")
        time.sleep(0.05)
    return str(json.loads(_ready_file(folder).read_text())["endpoint"])


def _ask_to_end(running: Running) -> None:
    os.kill(running.pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while _is_ours(running) and time.monotonic() < deadline:
        with suppress(ChildProcessError):
            os.waitpid(running.pid, os.WNOHANG)
        time.sleep(0.05)


def _is_ours(running: Running) -> bool:
    """Whether the process lives and is what was recorded: numbers are used again, also by other local clouds."""
    # An older version recorded no moment.
    is_same = running.started in ("", processes.started(running.pid))
    return is_same and processes.cloud_of(running.pid) == running.directory


def _left_over(running: Running) -> Iterator[int]:
    """What the daemon left behind: Lambda functions and commands, whatever group they're in. If another process has its number, none of
    its session can be left, because Linux gives no number away that still names a session."""
    if processes.started(running.pid) not in ("", running.started) and not _is_ours(running):
        return
    for pid in processes.session(running.pid):
        if pid == running.pid or processes.works_in(pid, running.directory):
            yield pid


def _database_servers(folder: Path) -> Iterator[int]:
    """PostgreSQL servers have left the session; their pid files say where they are."""
    for pid_file in folder.glob("**/postmaster.pid"):
        pid = int(pid_file.read_text().split()[0])
        with suppress(OSError):
            if Path(f"/proc/{pid}/cwd").readlink() == pid_file.parent:
                yield pid


def _kill(pid: int) -> None:
    """At once: whoever is killed here has nothing to save. A PostgreSQL server's children end with it."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    with suppress(ChildProcessError):
        os.waitpid(pid, 0)


def _state_file() -> Path:
    return home() / "state.json"


def _ready_file(folder: Path) -> Path:
    return folder / "ready.json"


def _log_file(folder: Path) -> Path:
    return folder / "cloud.log"


def _write_state(running: Running) -> None:
    document = {**asdict(running), "directory": str(running.directory)}
    home().mkdir(mode=0o711, parents=True, exist_ok=True)
    half_way = _state_file().with_suffix(".half-way")
    half_way.write_text(json.dumps(document))
    half_way.rename(_state_file())


def _read_state() -> Running | None:
    try:
        _require_own(home())
        _require_own(_state_file())
        recorded = json.loads(_state_file().read_text())
    except FileNotFoundError:
        return None
    return Running(**{**recorded, "directory": Path(recorded["directory"])})
