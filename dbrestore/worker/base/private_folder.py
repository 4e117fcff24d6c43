"""The folder of one job for what nobody else may read: certificates.

Invariant: it lies in the worker's state directory and nowhere else, so it dies with the instance's volume; and what a killed job
left there goes when the next job of the same state directory begins.
"""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dbrestore.worker.base.lock import lock_file, state_directory


@contextmanager
def of_job(job_uri: str) -> Iterator[Path]:
    """An empty folder for the job whose lock is held here; deleted at its end."""
    own = _parent() / lock_file(job_uri).stem
    shutil.rmtree(own, ignore_errors=True)
    for folder in own.parent.iterdir():
        _remove_unless_running(folder)
    own.mkdir(mode=0o700)
    try:
        yield own
    finally:
        # What can't go now goes with the next job; this one's result must be written all the same.
        shutil.rmtree(own, ignore_errors=True)


def _parent() -> Path:
    parent = state_directory() / "private"
    parent.mkdir(parents=True, exist_ok=True)
    parent.chmod(0o700)
    return parent


def _remove_unless_running(folder: Path) -> None:
    """A job that runs holds its lock, and so does this while it removes: a job that begins meanwhile waits."""
    with (state_directory() / f"{folder.name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        shutil.rmtree(folder, ignore_errors=True)
