"""A TDS 7.4 server on a port of localhost in front of a simulated SQL Server, one thread per client.

It speaks as much of [MS-TDS] as drivers need: encryption as RDS offers it, logins, batches, procedure calls, transactions, attention.
"""

import contextlib
import socket
import ssl
import threading
from pathlib import Path

from localcloud.tds import handshake as tds_handshake
from localcloud.tds.connection import Connection
from localcloud.tds.engine import Engine

# Seconds that `stop` waits for a client's thread; an engine at work may be left behind.
PATIENCE = 5.0


class TdsServer:
    """A running server. Clients find it at `host` and `port`."""

    def __init__(self, engine: Engine, listener: socket.socket, tls: ssl.SSLContext | None) -> None:
        self.host, self.port = listener.getsockname()[:2]
        self._engine, self._listener, self._tls = engine, listener, tls
        self._clients: dict[threading.Thread, socket.socket] = {}
        self._lock = threading.Lock()
        self._acceptor = threading.Thread(target=self._accept, name=f"tds-{self.port}", daemon=True)
        self._acceptor.start()

    def stop(self) -> None:
        """Close the port and all connections; a second time it does nothing."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes `accept`, which `close` does not
        self._acceptor.join(PATIENCE)
        self._listener.close()
        with self._lock:
            left = dict(self._clients)
        for client in left.values():
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
        for thread in left:
            thread.join(PATIENCE)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(client,), name=f"tds-{self.port}-client", daemon=True)
            with self._lock:
                self._clients[thread] = client
            thread.start()

    def _serve(self, client: socket.socket) -> None:
        try:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            Connection(self._engine, client, self._tls).serve()
        finally:
            with self._lock:
                del self._clients[threading.current_thread()]


def start(engine: Engine, *, certificate: Path | None, key: Path | None, host: str = "127.0.0.1", port: int = 0) -> TdsServer:
    """Serve `engine`; port 0 takes a free one. Without a certificate the server says that it cannot encrypt. Raises OSError if the
    port is taken."""
    tls = tds_handshake.context(certificate, key) if certificate and key else None
    return TdsServer(engine, socket.create_server((host, port)), tls)
