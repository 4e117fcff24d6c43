"""A moto server in a process of its own: in this one, every test that begins with an empty AWS would take its buckets away."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from moto.server import ThreadedMotoServer

from localcloud.base import remembered


@contextmanager
def served() -> Iterator[tuple[str, int]]:
    """Host and port; the process ends with the block, or with this process."""
    command = [sys.executable, "-m", "tests.moto_process"]
    root = Path(__file__).resolve().parent.parent
    with subprocess.Popen(
        command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        host, port = process.stdout.readline().split()
        yield host, int(port)
        process.communicate()


def main() -> None:
    """Serve until nobody holds the other end of stdin any more."""
    remembered.install()
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    print(*server.get_host_and_port(), flush=True)
    sys.stdin.read()
    server.stop()


if __name__ == "__main__":
    main()
