"""Messages in packets: a message is cut into packets of at most 4,096 bytes, and the last one says that it is the last ([MS-TDS] 2.2.3)."""

import struct
from typing import Protocol

from localcloud.tds.fields import WireError

BATCH, PROCEDURE, RESPONSE, ATTENTION, TRANSACTION, LOGIN, PRELOGIN = 1, 3, 4, 6, 14, 0x10, 0x12
SIZE = 4096

_HEADER = struct.Struct(">BBHHBB")
_LAST = 1


class Transport(Protocol):
    """What a connected socket can do, in clear text or through TLS."""

    def recv(self, size: int, /) -> bytes:
        """Up to `size` bytes; none at the end."""
        ...

    def sendall(self, data: bytes, /) -> None: ...


class ConnectionEnded(Exception):
    """The client has closed the connection."""


class Packets:
    """Whole messages over a transport, which TLS may replace on the way."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport

    def receive(self) -> tuple[int, bytes]:
        """The type and the content of the next message. Raises ConnectionEnded, WireError."""
        content = bytearray()
        while True:
            kind, status, length, *_ = _HEADER.unpack(self._exactly(_HEADER.size))
            if length < _HEADER.size:
                raise WireError(f"a packet of {length} bytes is shorter than its own header")
            content += self._exactly(length - _HEADER.size)
            if status & _LAST:
                return kind, bytes(content)

    def send(self, kind: int, content: bytes) -> None:
        """Send one message."""
        room = SIZE - _HEADER.size
        pieces = [content[start : start + room] for start in range(0, len(content), room)] or [b""]
        self.transport.sendall(
            b"".join(
                _HEADER.pack(kind, _LAST * (number == len(pieces)), len(piece) + _HEADER.size, 0, number % 256, 0) + piece
                for number, piece in enumerate(pieces, 1)
            )
        )

    def _exactly(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            if not (more := self.transport.recv(size - len(data))):
                raise ConnectionEnded
            data += more
        return bytes(data)
