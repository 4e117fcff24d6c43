"""TLS of the simulated SQL Server: wrapped in PRELOGIN, verified by clients that verify, and only as far as both sides agreed."""

import logging
import select
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pymssql
import pytds
import pytest

from dbrestore.worker.sqlserver import tds_tls
from localcloud.base import certificates
from localcloud.tds import handshake as tds_handshake
from localcloud.tds import server as tds_server
from tests.unit.localcloud.tds.echo_engine import PASSWORD, TYPES, USER, EchoEngine, serving

HOST = "localhost"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> certificates.Authority:
    return certificates.create(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def server(authority: certificates.Authority) -> Iterator[tds_server.TdsServer]:
    certificate, key = certificates.issue(authority, HOST)
    with serving(EchoEngine(), certificate, key) as running:
        yield running


def by_pytds(port: int, ca_file: Path, host: str = HOST) -> Any:
    tds_tls.install()
    return pytds.connect(
        host,
        port=port,
        user=USER,
        password=PASSWORD,
        autocommit=True,
        as_dict=True,
        cafile=str(ca_file),
        disable_connect_retry=True,
        login_timeout=3,
        timeout=10,
    )


def by_pymssql(port: int, encryption: str) -> Any:
    return pymssql.connect(
        server="127.0.0.1",
        port=str(port),
        user=USER,
        password=PASSWORD,
        database="master",
        login_timeout=5,
        encryption=encryption,
        as_dict=True,
        autocommit=True,
    )


def rows(connection: Any, text: str) -> list[dict[str, Any]]:
    with closing(connection.cursor()) as cursor:
        cursor.execute(text)
        return list(cursor.fetchall())


def test_a_client_that_trusts_the_authority_talks_encrypted(server: tds_server.TdsServer, authority: certificates.Authority) -> None:
    with closing(by_pytds(server.port, authority.bundle)) as connection:
        assert rows(connection, "types")[0]["nvarchar(max)"] == TYPES["nvarchar(max)"]
        assert len(rows(connection, "rows 20000")) == 20000
        assert rows(connection, "text " + "ü" * 50_000)


@pytest.mark.parametrize("encryption", ["off", "request", "require"])
def test_another_driver_talks_with_as_much_encryption_as_it_wants(server: tds_server.TdsServer, encryption: str) -> None:
    with closing(by_pymssql(server.port, encryption)) as connection:
        assert rows(connection, "types")[0]["nvarchar(max)"] == TYPES["nvarchar(max)"]
        assert len(rows(connection, "rows 20000")) == 20000


def test_a_certificate_of_an_unknown_authority_is_refused_by_the_client(server: tds_server.TdsServer, tmp_path: Path) -> None:
    stranger = certificates.create(tmp_path)

    with pytest.raises(ssl.SSLCertVerificationError):
        by_pytds(server.port, stranger.bundle)


def test_a_certificate_of_another_host_is_refused_by_the_client(server: tds_server.TdsServer, authority: certificates.Authority) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="IP address mismatch"):
        by_pytds(server.port, authority.bundle, host="127.0.0.1")


def test_a_refused_handshake_leaves_the_server_at_work(
    server: tds_server.TdsServer, authority: certificates.Authority, tmp_path: Path
) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        by_pytds(server.port, certificates.create(tmp_path).bundle)

    with closing(by_pytds(server.port, authority.bundle)) as connection:
        assert rows(connection, "rows 1")


@pytest.mark.parametrize(
    ("encryption", "is_password_readable", "is_query_readable"),
    [("off", True, True), ("request", False, True), ("require", False, False)],
)
def test_what_is_encrypted_cannot_be_read_on_the_way(
    server: tds_server.TdsServer, encryption: str, is_password_readable: bool, is_query_readable: bool
) -> None:
    password = bytes((byte << 4 & 0xF0 | byte >> 4) ^ 0xA5 for byte in PASSWORD.encode("utf-16-le"))

    with recorded(server.port) as (port, seen), closing(by_pymssql(port, encryption)) as connection:
        rows(connection, "text 'a secret'")

    assert (password in seen) is is_password_readable
    assert ("a secret".encode("utf-16-le") in seen) is is_query_readable


def test_a_server_without_a_certificate_is_no_server_for_a_client_that_insists(
    authority: certificates.Authority, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(EchoEngine()) as bare, caplog.at_level(logging.CRITICAL):
        with pytest.raises(pytds.Error, match="encryption"):
            by_pytds(bare.port, authority.bundle)
        with pytest.raises(pymssql.OperationalError):
            by_pymssql(bare.port, "require")


def test_newer_tls_than_the_protocol_can_carry_is_not_offered(authority: certificates.Authority) -> None:
    certificate, key = certificates.issue(authority, HOST)

    offered = tds_handshake.context(certificate, key)

    assert (offered.minimum_version, offered.maximum_version) == (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2)


@contextmanager
def recorded(port: int) -> Iterator[tuple[int, bytearray]]:
    """A port that leads to `port` for one client, and what the client sent through it."""
    seen = bytearray()
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(("127.0.0.1", port)) as server:
        relay = threading.Thread(target=_relay, args=(listener, server, seen))
        relay.start()
        yield listener.getsockname()[1], seen
        relay.join()


def _relay(listener: socket.socket, server: socket.socket, seen: bytearray) -> None:
    with listener.accept()[0] as client:
        while ready := select.select([client, server], [], [])[0]:
            source = ready[0]
            if not (data := source.recv(65536)):
                return
            if source is client:
                seen += data
            (server if source is client else client).sendall(data)
