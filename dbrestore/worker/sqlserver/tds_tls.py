"""TLS for python-tds by Python's own `ssl` module.

TDS 7.4 wraps the handshake into its own packets, after which the stream is plain TLS. python-tds does that with pyOpenSSL, whose newest
versions it can't read certificates with (1.17.1). Invariants: the server's certificate is verified against the given CA file, host name
included; once it is encrypted, the connection never goes back to clear text.
"""

import ssl
from typing import Any, Protocol

import pytds.tls
from pytds.tds_base import PacketType

_CHUNK = 1 << 16


class Transport(Protocol):
    """What python-tds wants of a socket."""

    def gettimeout(self) -> float | None:
        """Seconds until a call gives up."""

    def settimeout(self, timeout: float | None) -> None:
        """None waits for ever."""

    def sendall(self, data: bytes) -> None:
        """Returns when all is on its way."""

    def recv(self, size: int) -> bytes:
        """At most so many bytes; none at the end of the stream."""

    def close(self) -> None:
        """Ends it."""


def install() -> None:
    """Let python-tds make its TLS connections here. May be called again."""
    pytds.tls.OPENSSL_AVAILABLE = True
    pytds.tls.create_context = context
    pytds.tls.establish_channel = _establish_channel


def context(ca_file: str) -> ssl.SSLContext:
    """Trusts the CA file alone. TLS 1.2, because TDS 7.4 has no place for 1.3's messages after the handshake."""
    made = ssl.create_default_context(cafile=ca_file)
    made.minimum_version = made.maximum_version = ssl.TLSVersion.TLSv1_2
    # Python 3.13 turned on rules of form that not every CA keeps; chain, dates and host name are verified without them.
    made.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return made


def _establish_channel(session: Any) -> None:
    """Shake hands inside PRELOGIN packets, then put the encrypted stream in the socket's place. Raises ssl.SSLCertVerificationError."""
    login = session.conn._login
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = login.tls_ctx.wrap_bio(incoming, outgoing, server_hostname=login.server_name)
    while not _is_complete(tls):
        _send_packet(session, outgoing)
        _receive_packets(session, incoming)
    _send_packet(session, outgoing)
    encrypted = EncryptedStream(session.conn.sock, tls, incoming, outgoing)
    session.conn.sock = session._writer._transport = session._reader._transport = encrypted


def _is_complete(tls: ssl.SSLObject) -> bool:
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True


def _send_packet(session: Any, outgoing: ssl.MemoryBIO) -> None:
    if outgoing.pending:
        session._writer.begin_packet(PacketType.PRELOGIN)
        session._writer.write(outgoing.read())
        session._writer.flush()


def _receive_packets(session: Any, incoming: ssl.MemoryBIO) -> None:
    reader = session._reader
    found = reader.begin_response().type
    if found != PacketType.PRELOGIN:
        raise pytds.InterfaceError(f"the server answered the TLS handshake with a packet of type {found}")
    while not reader.stream_finished():
        incoming.write(reader.recv(_CHUNK))


class EncryptedStream:
    """A socket's clear side of TLS."""

    def __init__(self, raw: Transport, tls: ssl.SSLObject, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> None:
        self._raw, self._tls, self._incoming, self._outgoing = raw, tls, incoming, outgoing

    def gettimeout(self) -> float | None:
        """The socket's."""
        return self._raw.gettimeout()

    def settimeout(self, timeout: float | None) -> None:
        """The socket's."""
        self._raw.settimeout(timeout)

    def sendall(self, data: bytes) -> None:
        """Encrypt and send."""
        self._tls.write(data)
        self._raw.sendall(self._outgoing.read())

    def recv(self, size: int) -> bytes:
        """At most so many bytes; none when the server has closed."""
        while True:
            try:
                return self._tls.read(size)
            except ssl.SSLWantReadError:
                received = self._raw.recv(_CHUNK)
            except ssl.SSLZeroReturnError:
                return b""
            if not received:
                return b""
            self._incoming.write(received)

    def recv_into(self, buffer: memoryview, size: int = 0) -> int:
        """The same into a buffer; returns how many bytes."""
        received = self.recv(size or len(buffer))
        buffer[: len(received)] = received
        return len(received)

    def close(self) -> None:
        """Ends the connection without a farewell: what counts was answered before."""
        self._raw.close()
