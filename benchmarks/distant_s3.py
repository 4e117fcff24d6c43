"""S3 as it is over a network: a proxy before the local cloud that lets each connection wait and limits what it carries.

`python -m benchmarks.distant_s3 PORT` relays to the local cloud's port and prints its own. It is a process of its own, so that neither the
cloud's interpreter nor the worker's has to wait for it.
"""

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

LATENCY_SECONDS = 0.02
BYTES_PER_SECOND = 80_000_000
_PIECE = 256 << 10


@contextmanager
def before(endpoint: str) -> Iterator[str]:
    """The address at which the endpoint is so far away, while this lasts."""
    command = [sys.executable, "-m", "benchmarks.distant_s3", str(urlsplit(endpoint).port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as proxy:
        try:
            port = int(proxy.stdout.readline()) if proxy.stdout else 0
            yield f"http://{urlsplit(endpoint).hostname}:{port}"
        finally:
            proxy.terminate()


def main(port: int) -> None:
    """Relay every connection to the port of this machine, for ever."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as server:
        print(server.getsockname()[1], flush=True)
        while True:
            near, _ = server.accept()
            far = socket.create_connection(("127.0.0.1", port))
            threading.Thread(target=_relay, args=(near, far, Late()), daemon=True).start()
            threading.Thread(target=_relay, args=(far, near, Slow()), daemon=True).start()


def _relay(source: socket.socket, target: socket.socket, waiting: "Late | Slow") -> None:
    """Until one end is closed; then both are."""
    try:
        while piece := source.recv(_PIECE):
            waiting.before(len(piece))
            target.sendall(piece)
    except OSError:
        pass
    finally:
        for each in (source, target):
            each.close()


class Late:
    """A request arrives later."""

    def before(self, _: int) -> None:
        """Wait for the way there and back."""
        time.sleep(LATENCY_SECONDS)


class Slow:
    """An answer comes no faster than so many bytes per second, from its first piece on."""

    def __init__(self) -> None:
        self._free_at = 0.0

    def before(self, count: int) -> None:
        """Wait until the pieces before this one would have passed."""
        now = time.monotonic()
        time.sleep(max(0.0, self._free_at - now))
        self._free_at = max(self._free_at, now) + count / BYTES_PER_SECOND


if __name__ == "__main__":
    main(int(sys.argv[1]))
