"""A port of its own before a server's: what stands there decides how a client gets through."""

import contextlib
import select
import socket
import ssl
import threading
from typing import Final

_CHUNK: Final = 1 << 16


class FrontPort:
    """Listens on localhost; `serve` has one client, in a thread of its own. Stopping it leaves the server alone."""

    def __init__(self, name: str, port: int = 0) -> None:
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port = int(self._listener.getsockname()[1])
        self._name = f"{name}-{self.port}"
        threading.Thread(target=self._accept, name=self._name, daemon=True).start()

    def stop(self) -> None:
        """Close the port; open sessions end with the server's."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def serve(self, client: socket.socket) -> None:
        """One client, until it or the server ends."""
        raise NotImplementedError

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), name=f"{self._name}-client", daemon=True).start()


def pump(client: socket.socket, server: socket.socket) -> None:
    """Hand on what either says until one of them ends. One thread: a TLS connection is not for two."""
    while True:
        waiting = isinstance(client, ssl.SSLSocket) and client.pending()
        for one in [client] if waiting else select.select([client, server], [], [])[0]:
            data = one.recv(_CHUNK)
            if not data:
                return
            (server if one is client else client).sendall(data)
