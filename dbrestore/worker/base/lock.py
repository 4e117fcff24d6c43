"""One job runs once: SSM may deliver a command twice, and a caller may send a second one.

A lock of the operating system dies with its holder.
"""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def state_directory() -> Path:
    """Where the worker keeps its locks and its private files: DBRESTORE_STATE_DIR, or /var/lib/dbrestore."""
    return Path(os.environ.get("DBRESTORE_STATE_DIR", "/var/lib/dbrestore"))


@contextmanager
def only_one(job_uri: str) -> Iterator[None]:
    """Hold the job's lock; a second holder waits until the first has ended, however it ended."""
    path = lock_file(job_uri)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def lock_file(job_uri: str) -> Path:
    """The file whose lock is the job's."""
    return state_directory() / f"{hashlib.sha256(job_uri.encode()).hexdigest()[:32]}.lock"
