"""The HTTP side: a port on localhost, requests as they were sent (raw path, repeated headers, any bytes), answers likewise."""

import sys
import threading
from collections.abc import Callable
from http.client import responses
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from localcloud.gateway.requests import Answer, Request

HOST: Final = "127.0.0.1"
LARGEST_BODY: Final = 10_485_760
# More than that is read from nobody.
_LONGEST_LINE: Final = 65_536

Serve = Callable[[Request], Answer]


class HttpPort:
    """Serves until it is stopped, each connection in a thread of its own."""

    def __init__(self, serve: Serve, port: int = 0) -> None:
        self._server = _Server(port, serve)
        self.port = int(self._server.server_port)
        self.url = f"http://{HOST}:{self.port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.2}, name=f"http-{self.port}", daemon=True).start()

    def stop(self) -> None:
        """Close the port."""
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, serve: Serve) -> None:
        super().__init__((HOST, port), _Connection)
        self.serve = serve

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is nothing to report; anything else is."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Unreadable(Exception):
    """The body can't be read as the headers say."""


class _Connection(BaseHTTPRequestHandler):
    server: "_Server"
    protocol_version = "HTTP/1.1"
    # Small answers in one segment; a client waits for nothing.
    wbufsize = -1
    disable_nagle_algorithm = True

    def __getattr__(self, name: str) -> Any:
        # Whatever the method is called: API Gateway decides, not the server.
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    def handle_expect_100(self) -> bool:
        """At once: a client waits for it before it sends the body."""
        goes_on = super().handle_expect_100()
        self.wfile.flush()
        return goes_on

    def _serve(self) -> None:
        try:
            body = self._body()
        except _Unreadable:
            self.close_connection = True
            self._send(Answer(400, (("Content-Type", "application/json"),), b'{"message":"Bad Request"}'))
            return
        # The base class shortens a path that begins with two slashes.
        target = self.requestline.split(" ")[1]
        headers = tuple(self.headers.items())
        self._send(self.server.serve(Request(self.command, target, headers, body, self.client_address[0], self.request_version)))

    def _body(self) -> bytes:
        if "chunked" in (self.headers.get("Transfer-Encoding") or "").lower():
            return self._chunks()
        length = self.headers.get("Content-Length") or "0"
        if not length.isdecimal():
            raise _Unreadable
        return self._read(int(length))

    def _chunks(self) -> bytes:
        body = b""
        while size := self._size():
            body += self._read(size)
            self.rfile.readline(_LONGEST_LINE)
            if len(body) > LARGEST_BODY:
                self.close_connection = True
                return body
        while self.rfile.readline(_LONGEST_LINE).strip():
            pass
        return body

    def _size(self) -> int:
        try:
            return int(self.rfile.readline(_LONGEST_LINE).partition(b";")[0], 16)
        except ValueError:
            raise _Unreadable from None

    def _read(self, length: int) -> bytes:
        """Of a body over the limit just enough to see that it is."""
        if length > LARGEST_BODY:
            self.close_connection = True
        return self.rfile.read(min(length, LARGEST_BODY + 1))

    def _send(self, answer: Answer) -> None:
        self.send_response_only(answer.status, responses.get(answer.status, ""))
        self.send_header("Date", self.date_time_string())
        for name, value in answer.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Connection", "close" if self.close_connection else "keep-alive")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)
        self.wfile.flush()

    def log_message(self, format: str, *arguments: object) -> None:
        """The stage's access log tells more."""
