"""What keeps a worker from PostgreSQL, over the wire: what passes is waited for until a bound, what doesn't ends the wait at once."""

import contextlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import psycopg
import pytest

from dbrestore.contract.errors import RestoreError, TargetNotUsable
from dbrestore.contract.job import DatabaseServer
from dbrestore.contract.sqlserver_errors import CertificateRefused, LoginRefused, ServerUnreachable
from dbrestore.worker.base.bounds import Bounds
from dbrestore.worker.base.obstacles import CUT_OFF, SILENT, Patience
from dbrestore.worker.base.secrets import Credentials, Login
from dbrestore.worker.postgresql.session import Server
from localcloud.base import certificates


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> certificates.Authority:
    return certificates.create(tmp_path_factory.mktemp("ca"))


SHORT_WAITS = Bounds(
    connect_timeout_seconds=2,
    connected_within_seconds=0.3,
    recovered_within_seconds=0.6,
    connect_pause_seconds=0.05,
    rotation_seconds=0.0,
)


@dataclass
class Refusing:
    """Takes TLS connections on `localhost` and ends each after its first message with the words that `said` gives."""

    authority: certificates.Authority
    said: Callable[[], str]
    logins: int = 0
    port: int = field(init=False)

    def __post_init__(self) -> None:
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(*certificates.issue(self.authority, "localhost"))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                with contextlib.suppress(OSError), client:
                    client.recv(8)
                    client.sendall(b"S")
                    with self._tls.wrap_socket(client, server_side=True) as secure:
                        secure.recv(4096)
                        self.logins += 1
                        secure.sendall(_fatal(self.said()))


def _fatal(words: str) -> bytes:
    body = b"".join(f"{name}{text}\0".encode() for name, text in (("S", "FATAL"), ("V", "FATAL"), ("C", "57P03"), ("M", words))) + b"\0"
    return b"E" + struct.pack("!I", len(body) + 4) + body


@pytest.fixture
def refusing(authority: certificates.Authority) -> Iterator[Callable[[str], Refusing]]:
    made: list[Refusing] = []

    def make(words: str) -> Refusing:
        made.append(Refusing(authority, lambda: words))
        return made[-1]

    yield make
    for one in made:
        one.stop()


def to(port: int, ca_file: Path, host: str = "localhost") -> Server:
    address = DatabaseServer(host=host, port=port, region="us-east-1", secret_arn="arn:x", ca_bundle="s3://evidence/ca.pem")
    return Server(
        address, ca_file, Credentials(lambda: Login("master", "pass-word-1"), "the password in arn:x", "put it right", bounds=SHORT_WAITS)
    )


@pytest.mark.parametrize(
    ("words", "named", "seconds"),
    [
        ("the database system is starting up", "starting, recovering or shutting down", 0.6),
        ("the database system is in recovery mode", "starting, recovering or shutting down", 0.6),
        ("the database system is not yet accepting connections", "starting, recovering or shutting down", 0.6),
        ("the database system is shutting down", "starting, recovering or shutting down", 0.6),
        ("sorry, too many clients already", "all connections are taken .*raise max_connections", 0.3),
        ('remaining connection slots are reserved for roles with privileges of the "rds_reserved" role', "all connections are taken", 0.3),
        ('too many connections for role "master"', "all connections are taken", 0.3),
    ],
)
def test_what_may_pass_is_tried_until_its_bound_and_named(
    refusing: Callable[[str], Refusing], authority: certificates.Authority, words: str, named: str, seconds: float
) -> None:
    server, began = refusing(words), time.monotonic()

    with pytest.raises(ServerUnreachable, match=f"localhost:{server.port} can't be reached: .*{named}") as caught:
        to(server.port, authority.bundle).connect_master()

    assert words in str(caught.value)
    assert server.logins > 2
    assert seconds <= time.monotonic() - began < seconds + 2
    assert "pass-word-1" not in repr(caught.value)


@pytest.mark.parametrize(
    ("words", "error", "named"),
    [
        ('no pg_hba.conf entry for host "10.0.0.1", user "master", database "postgres"', LoginRefused, "lets this user in from no address"),
        ('role "master" is not permitted to log in', LoginRefused, "give the user LOGIN"),
        ('database "postgres" does not exist', TargetNotUsable, "CREATE DATABASE postgres"),
        ('password authentication failed for user "master"', LoginRefused, "the password in arn:x was refused"),
    ],
)
def test_what_does_not_pass_ends_the_wait_at_once(
    refusing: Callable[[str], Refusing], authority: certificates.Authority, words: str, error: type[RestoreError], named: str
) -> None:
    server = refusing(words)

    with pytest.raises(error, match=named):
        to(server.port, authority.bundle).connect_master()

    # A password is shown once more, should the server have been behind the secret.
    assert server.logins == (2 if "password" in words else 1)


def test_words_that_nobody_knows_are_no_reason_to_wait(refusing: Callable[[str], Refusing], authority: certificates.Authority) -> None:
    server = refusing("the moon is in the wrong quarter")

    with pytest.raises(psycopg.OperationalError, match="wrong quarter"):
        to(server.port, authority.bundle).connect_master()

    assert server.logins == 1


def test_a_certificate_of_another_authority_ends_the_wait_at_once(
    refusing: Callable[[str], Refusing], tmp_path: Path, authority: certificates.Authority
) -> None:
    server, began = refusing("never said"), time.monotonic()

    with pytest.raises(CertificateRefused, match=r"certificate verify failed.*no CA in s3://evidence/ca.pem"):
        to(server.port, certificates.create(tmp_path / "other").bundle).connect_master()

    assert server.logins == 0
    assert time.monotonic() - began < 0.3


def test_a_port_where_nobody_listens_is_tried_until_the_bound(authority: certificates.Authority) -> None:
    with pytest.raises(ServerUnreachable, match=r"localhost:1 can't be reached: nobody listens on the port .*Connection refused"):
        to(1, authority.bundle).connect_master()


def test_a_name_that_dns_does_not_know_is_told_as_that(authority: certificates.Authority) -> None:
    with pytest.raises(ServerUnreachable, match=r"DNS does not know the instance's name here .*resolver that answers for"):
        to(5432, authority.bundle, "no-such-host.invalid").connect_master()


def test_a_server_that_says_nothing_points_at_groups_and_routes(authority: certificates.Authority) -> None:
    unreachable = pytest.raises(ServerUnreachable, match=r"no answer comes back .*timeout expired.*security groups let the worker in")
    with socket.create_server(("127.0.0.1", 0)) as silent, unreachable:
        to(silent.getsockname()[1], authority.bundle).connect_master()


def test_a_server_that_let_the_worker_in_before_is_waited_for_until_its_group_can_have_been_put_back() -> None:
    address = DatabaseServer(host="localhost", port=1, region="us-east-1", secret_arn="arn:x", ca_bundle="s3://evidence/ca.pem")
    outcomes = iter(["in", TimeoutError("no answer"), TimeoutError("no answer"), "in again", ConnectionError("cut off")])

    def attempt() -> str:
        outcome = next(outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    patience = Patience(address, replace(SHORT_WAITS, connected_within_seconds=0.0, put_back_within_seconds=5.0))
    met = {TimeoutError: (SILENT, "no answer"), ConnectionError: (CUT_OFF, "cut off")}

    assert patience.until_connected(attempt, lambda error: met[type(error)]) == "in"
    assert patience.until_connected(attempt, lambda error: met[type(error)]) == "in again"
    with pytest.raises(ServerUnreachable, match="cut off"):
        patience.until_connected(attempt, lambda error: met[type(error)])


def test_after_a_wait_in_vain_the_next_connection_has_one_try(
    refusing: Callable[[str], Refusing], authority: certificates.Authority
) -> None:
    server = refusing("the database system is starting up")
    target = to(server.port, authority.bundle)
    with pytest.raises(ServerUnreachable):
        target.connect_master()
    before = server.logins

    with pytest.raises(ServerUnreachable, match="tried once"):
        target.connect_master("another")

    assert server.logins == before + 1
