"""What stands before a PostgreSQL server of an instance with IAM database authentication: TLS ends here, and whoever has `rds_iam` shows a
token instead of a password, in the clear as on RDS, where PAM checks it. Everybody else is handed through to the server.

None of the servers that can be had was built with PAM or LDAP. PostgreSQL: "Frontend/Backend Protocol", "Message Formats".
"""

import contextlib
import socket
import ssl
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg

from localcloud.base.front_port import FrontPort, pump
from localcloud.postgresql.server import Server

_SSL, _CANCEL, _GSS = 80877103, 80877102, 80877104
_IS_IAM = "SELECT pg_has_role(oid, 'rds_iam', 'USAGE') FROM pg_roles WHERE rolname = %s"

# (user, token) -> why it is refused, None if it isn't.
Judge = Callable[[str, str], str | None]


@dataclass(frozen=True)
class _Startup:
    """A client's first message: `raw` as it came, `user` of its parameters."""

    raw: bytes
    code: int

    @property
    def user(self) -> str:
        parts = self.raw[8:].split(b"\0")
        return dict(zip(parts[::2], parts[1::2], strict=False)).get(b"user", b"").decode()


class IamLogins(FrontPort):
    """A port of its own before `server`. Stopping it leaves the server alone."""

    def __init__(self, server: Server, certificate: Path, key: Path, judge: Judge, port: int = 0) -> None:
        self._server, self._judge = server, judge
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(certificate, key)
        super().__init__("iam", port)

    def serve(self, client: socket.socket) -> None:
        """Its start-up message decides which way it goes."""
        with contextlib.suppress(OSError, struct.error), client:
            first = _startup(client)
            if first.code == _GSS:
                client.sendall(b"N")
                first = _startup(client)
            if first.code != _SSL:
                self._through(client, first)
                return
            client.sendall(b"S")
            with self._tls.wrap_socket(client, server_side=True) as secure:
                self._through(secure, _startup(secure))

    def _through(self, client: socket.socket, first: _Startup) -> None:
        """To the server: by its socket, where nobody is asked for a password, if a token was right; by its port otherwise."""
        by_socket = first.code != _CANCEL and self._is_iam(first.user)
        if by_socket and not (isinstance(client, ssl.SSLSocket) and self._shows_token(client, first.user)):
            _refuse(client, f'PAM authentication failed for user "{first.user}"')
            return
        with self._connected(by_socket=by_socket) as server:
            server.sendall(first.raw)
            pump(client, server)

    def _is_iam(self, user: str) -> bool:
        with psycopg.connect(self._server.superuser_dsn()) as connection:
            row = connection.execute(_IS_IAM, [user]).fetchone()
        return bool(row and row[0])

    def _shows_token(self, client: socket.socket, user: str) -> bool:
        client.sendall(b"R" + struct.pack("!II", 8, 3))
        kind, length = struct.unpack("!cI", _exactly(client, 5))
        return kind == b"p" and self._judge(user, _exactly(client, length - 4).rstrip(b"\0").decode()) is None

    def _connected(self, *, by_socket: bool) -> socket.socket:
        if not by_socket:
            return socket.create_connection(("127.0.0.1", self._server.port))
        server = socket.socket(socket.AF_UNIX)
        server.connect(str(self._server.directory / f".s.PGSQL.{self._server.port}"))
        return server


def _startup(client: socket.socket) -> _Startup:
    head = _exactly(client, 8)
    length, code = struct.unpack("!II", head)
    return _Startup(head + _exactly(client, length - 8), code)


def _exactly(client: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        more = client.recv(count - len(found))
        if not more:
            raise OSError("the client went away")
        found += more
    return found


def _refuse(client: socket.socket, message: str) -> None:
    body = b"".join(f"{field}{text}\0".encode() for field, text in (("S", "FATAL"), ("V", "FATAL"), ("C", "28000"), ("M", message))) + b"\0"
    client.sendall(b"E" + struct.pack("!I", len(body) + 4) + body)
