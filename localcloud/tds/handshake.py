"""How a TDS 7.4 connection begins: PRELOGIN settles encryption, and the TLS handshake travels inside PRELOGIN packets.

Invariant: the password never arrives in clear text, except from a client that says it cannot encrypt at all.
"""

import ssl
import struct
from pathlib import Path
from typing import Literal

from localcloud.tds.fields import Reader, WireError
from localcloud.tds.packets import PRELOGIN, RESPONSE, Packets, Transport

# The server's version as SQL Server 2019 tells it before the login; what people see is SERVERPROPERTY, which the engine answers.
VERSION = (15, 0, 4430)

Encryption = Literal["none", "login", "all"]

_VERSION, _ENCRYPTION, _INSTANCE, _THREAD, _MARS, _END = 0, 1, 2, 3, 4, 0xFF
_OFF, _ON, _NOT_SUPPORTED, _REQUIRED = 0, 1, 2, 3
_RECORD = 65536


def shake_hands(packets: Packets, tls: ssl.SSLContext | None) -> Encryption:
    """Answer PRELOGIN and, if both sides can, put TLS between `packets` and the socket: "all" for good, "login" for the LOGIN7
    message only. Raises WireError if one side insists on what the other cannot."""
    asked = _encryption_asked(_read(packets))
    answer = _answer(asked, has_certificate=tls is not None)
    packets.send(RESPONSE, _options(answer))
    if tls is None and asked in (_ON, _REQUIRED):
        raise WireError("the client insists on encryption and the server has no certificate")
    if tls is None or answer == _NOT_SUPPORTED:
        return "none"
    packets.transport = _secured(packets, tls)
    return "login" if answer == _OFF else "all"


def context(certificate: Path, key: Path) -> ssl.SSLContext:
    """TLS 1.2 and nothing newer: the later handshake does not fit into TDS 7.4's packets."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.minimum_version = tls.maximum_version = ssl.TLSVersion.TLSv1_2
    tls.load_cert_chain(certificate, key)
    return tls


class TlsTransport:
    """A transport through TLS; handshake records are fed and fetched by hand, all others go to the transport below."""

    def __init__(self, below: Transport, tls: ssl.SSLContext) -> None:
        self.below = below
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.session = tls.wrap_bio(self.incoming, self.outgoing, server_side=True)

    def recv(self, size: int, /) -> bytes:
        """Up to `size` bytes; none at the end."""
        while True:
            try:
                return self.session.read(size)
            except ssl.SSLWantReadError:
                if not (record := self.below.recv(_RECORD)):
                    return b""
                self.incoming.write(record)
            except ssl.SSLZeroReturnError:
                return b""

    def sendall(self, data: bytes, /) -> None:
        """Encrypt and send."""
        self.session.write(data)
        self.below.sendall(self.outgoing.read())


def _read(packets: Packets) -> bytes:
    kind, content = packets.receive()
    if kind != PRELOGIN:
        raise WireError(f"a packet of type {kind} came where PRELOGIN was expected")
    return content


def _encryption_asked(prelogin: bytes) -> int:
    reader = Reader(prelogin)
    while (option := reader.number(1)) != _END:
        start, length = struct.unpack(">HH", reader.take(4))
        if option == _ENCRYPTION:
            return Reader(prelogin[start : start + length]).number(1)
    return _NOT_SUPPORTED


def _answer(asked: int, *, has_certificate: bool) -> int:
    if not has_certificate or asked == _NOT_SUPPORTED:
        return _NOT_SUPPORTED
    return _OFF if asked == _OFF else _ON


def _options(encryption: int) -> bytes:
    version = struct.pack(">BBHH", *VERSION, 0)
    values = {_VERSION: version, _ENCRYPTION: bytes([encryption]), _INSTANCE: b"\0", _THREAD: b"", _MARS: b"\0"}
    start, table = 5 * len(values) + 1, b""
    for option, value in values.items():
        table += struct.pack(">BHH", option, start, len(value))
        start += len(value)
    return table + bytes([_END]) + b"".join(values.values())


def _secured(packets: Packets, tls: ssl.SSLContext) -> TlsTransport:
    transport, is_done = TlsTransport(packets.transport, tls), False
    while not is_done:
        transport.incoming.write(_read(packets))
        try:
            transport.session.do_handshake()
            is_done = True
        except ssl.SSLWantReadError:
            pass  # one more flight of the client is needed
        finally:
            # An alert about a refused handshake is sent like the rest, so that the client learns the reason.
            if flight := transport.outgoing.read():
                packets.send(PRELOGIN, flight)
    return transport
