"""Where the tests' PostgreSQL servers lie."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MEMORY = Path("/dev/shm")
DISK = Path("/var/tmp")
# What all processes of a run write there at most is a fraction of it.
ROOM = 8 * 1024**3


@contextmanager
def server_folder(prefix: str) -> Iterator[Path]:
    """A new folder for servers, gone in the end; every user may enter it, as the servers run as another one when the tests run as root.

    Not below tmp_path: every run of pytest locks others out of there. In memory where there is room: a database is 300 files, and most
    of the time that CREATE and DROP DATABASE take a file system on a disk has with them.
    """
    with tempfile.TemporaryDirectory(prefix=prefix, dir=MEMORY if _has_room(MEMORY) else DISK) as name:
        Path(name).chmod(0o755)
        yield Path(name)


def _has_room(folder: Path) -> bool:
    if not folder.is_dir():
        return False
    there = os.statvfs(folder)
    free = min(there.f_bavail * there.f_frsize, _available_memory())
    # Copies of the servers' programs may lie there too.
    return free > ROOM and not there.f_flag & os.ST_NOEXEC


def _available_memory() -> int:
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), 0)
