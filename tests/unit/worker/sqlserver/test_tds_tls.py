"""TLS under python-tds: what is trusted, and that bytes go through whole."""

import socket
import ssl
from collections.abc import Iterator

import pytest

from dbrestore.worker.sqlserver import tds_tls
from dbrestore.worker.sqlserver.tds_tls import EncryptedStream
from localcloud.base import certificates
from localcloud.tds.engine import Column, ResultSet
from tests.unit.worker.sqlserver.scripted_server import Script, sql_server, start

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> certificates.Authority:
    return certificates.create(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def pair() -> Iterator[Pair]:
    client, server = socket.socketpair()
    with client, server:
        yield client, server


def test_the_context_trusts_the_file_alone_and_insists_on_host_names(authority: certificates.Authority) -> None:
    context = tds_tls.context(str(authority.bundle))

    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.cert_store_stats()["x509_ca"] == 1
    assert (context.minimum_version, context.maximum_version) == (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2)


@pytest.mark.parametrize("length", [1, 4_000, 100_000])
def test_statements_and_answers_of_any_length_go_through_encrypted(authority: certificates.Authority, length: int) -> None:
    script = Script(lambda text: (ResultSet((Column("value", "nvarchar(max)"),), [("ß" * length,)]),))
    server = start(script, authority)

    with sql_server(server.port, authority.bundle).connect() as connection:
        rows = connection.rows("SELECT %s AS value", ["ü" * length])
    server.stop()

    assert rows == [{"value": "ß" * length}]
    [(_, parameters)] = script.statements
    assert parameters == {"@P1": "ü" * length}


def test_nothing_of_a_statement_travels_in_clear_text(authority: certificates.Authority, pair: Pair) -> None:
    client, server = pair
    stream, peer, incoming, outgoing = shaken(authority, client)

    stream.sendall(b"SELECT 'a word'")

    sent = server.recv(65536)
    assert b"a word" not in sent
    incoming.write(sent)
    assert peer.read(100) == b"SELECT 'a word'"
    assert outgoing.pending == 0


def test_a_record_that_arrives_in_pieces_is_read_whole(authority: certificates.Authority, pair: Pair) -> None:
    client, server = pair
    stream, peer, _, outgoing = shaken(authority, client)
    peer.write(b"twelve bytes")
    record = outgoing.read()
    buffer = memoryview(bytearray(20))

    for number in range(len(record)):
        server.send(record[number : number + 1])
    count = stream.recv_into(buffer)

    assert bytes(buffer[:count]) == b"twelve bytes"


def test_a_closed_connection_ends_the_stream_with_or_without_a_farewell(authority: certificates.Authority, pair: Pair) -> None:
    client, server = pair
    stream, peer, _, outgoing = shaken(authority, client)
    with pytest.raises(ssl.SSLWantReadError):
        peer.unwrap()
    server.send(outgoing.read())

    assert stream.recv(10) == b""

    client, server = socket.socketpair()
    with client:
        stream, *_ = shaken(authority, client)
        server.close()
        assert stream.recv(10) == b""


def shaken(authority: certificates.Authority, client: socket.socket) -> tuple[EncryptedStream, ssl.SSLObject, ssl.MemoryBIO, ssl.MemoryBIO]:
    """A stream over the socket after the handshake; the other side of it, what that receives, and what it sends."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(*certificates.issue(authority, "localhost"))
    peer = server_context.wrap_bio(to_server, to_client, server_side=True)
    ours = tds_tls.context(str(authority.bundle)).wrap_bio(to_client, to_server, server_hostname="localhost")
    for side in (ours, peer, ours, peer, ours):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    return EncryptedStream(client, ours, to_client, to_server), peer, to_server, to_client
