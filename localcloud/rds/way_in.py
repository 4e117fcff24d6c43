"""The way to a database server whose security group is `active` at RDS and not in force yet: nothing answers for a while.

A client that waits is let through in the end, as a packet that is sent again is; one that doesn't has met a time-out.
"""

import contextlib
import socket
import time

from localcloud.base.front_port import FrontPort, pump


class WayIn(FrontPort):
    """A port of its own before the server's."""

    def __init__(self, server_port: int) -> None:
        self._server_port, self._open_at = server_port, 0.0
        super().__init__("way-in")

    def close_for(self, seconds: float) -> None:
        """From now on nobody comes through for so long; who is inside stays."""
        self._open_at = time.monotonic() + seconds

    def serve(self, client: socket.socket) -> None:
        """Let the client through when the way is open."""
        while (left := self._open_at - time.monotonic()) > 0:
            time.sleep(min(left, 0.05))
        with contextlib.suppress(OSError), client, socket.create_connection(("127.0.0.1", self._server_port)) as server:
            pump(client, server)
