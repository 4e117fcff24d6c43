"""The way to a database server whose security group is `active` at RDS and not in force yet: nothing answers for a while.

A client that waits is let through in the end, as a packet that is sent again is; one that doesn't has met a time-out.
"""

import contextlib
import socket
import threading
import time
from typing import Final

_CHUNK: Final = 1 << 16


class WayIn:
    """A port of its own before the server's."""

    def __init__(self, server_port: int) -> None:
        self._server_port, self._open_at = server_port, 0.0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, name=f"way-in-{self.port}", daemon=True).start()

    def close_for(self, seconds: float) -> None:
        """From now on nobody comes through for so long; who is inside stays."""
        self._open_at = time.monotonic() + seconds

    def stop(self) -> None:
        """Close the port; open sessions end with the server's."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        while (left := self._open_at - time.monotonic()) > 0:
            time.sleep(min(left, 0.05))
        with contextlib.suppress(OSError), client, socket.create_connection(("127.0.0.1", self._server_port)) as server:
            threading.Thread(target=_pump, args=(server, client), daemon=True).start()
            _pump(client, server)


def _pump(source: socket.socket, target: socket.socket) -> None:
    """Until the source ends."""
    with contextlib.suppress(OSError):
        while data := source.recv(_CHUNK):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
