"""A server that can't be reached at first: each of what passes by itself, in front of a real server."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from dbrestore.contract.job import DatabaseServer
from dbrestore.worker.base.bounds import Bounds
from dbrestore.worker.base.secrets import Credentials, Login
from dbrestore.worker.postgresql.session import Server
from localcloud.rds.way_in import WayIn
from tests.databases.restore_case import Cloud, Restore

SHORT_PAUSES = Bounds(connect_pause_seconds=0.05, connect_timeout_seconds=2)


@pytest.fixture
def way(cloud: Cloud) -> Iterator[WayIn]:
    made = WayIn(cloud.server.port)
    yield made
    made.stop()


def to(cloud: Cloud, port: int) -> Server:
    address = DatabaseServer(host="localhost", port=port, region="us-east-1", secret_arn="arn:x", ca_bundle="s3://evidence/ca.pem")
    credentials = Credentials(lambda: Login("master", "secret"), "the password", "put it right", bounds=SHORT_PAUSES)
    return Server(address, cloud.ca_file, credentials)


def test_a_group_that_is_not_in_force_yet_is_waited_for(cloud: Cloud, way: WayIn) -> None:
    way.close_for(2.5)
    began = time.monotonic()

    to(cloud, way.port).connect_master().close()

    assert time.monotonic() - began >= 2.5


def test_a_name_that_dns_learns_late_is_waited_for(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    late, resolve = iter(range(3)), socket.getaddrinfo

    def resolver(*arguments: Any, **keywords: Any) -> Any:
        if next(late, None) is not None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return resolve(*arguments, **keywords)

    monkeypatch.setattr(socket, "getaddrinfo", resolver)

    to(cloud, cloud.server.port).connect_master().close()

    assert next(late, None) is None


def test_a_server_without_a_free_connection_is_waited_for(cloud: Cloud) -> None:
    taken = []
    with suppress(psycopg.OperationalError):
        while True:
            taken.append(psycopg.connect(cloud.server.superuser_dsn()))
    with pytest.raises(psycopg.OperationalError, match="too many clients already"):
        psycopg.connect(cloud.server.superuser_dsn())
    threading.Timer(0.5, lambda: [one.close() for one in taken]).start()

    to(cloud, cloud.server.port).connect_master().close()

    assert all(one.closed for one in taken)


def test_a_restore_goes_on_where_nobody_listened_at_first(cloud: Cloud, small: str, monkeypatch: pytest.MonkeyPatch) -> None:
    restore = Restore(cloud, {small: cloud.dump(small)}, {small: "late_start"}, bounds=SHORT_PAUSES)
    restore.add_point()
    connect, refused = psycopg.connect, iter(range(3))

    def on_a_closed_port(conninfo: str, **keywords: Any) -> Any:
        closed = next(refused, None) is not None
        return connect(conninfo.replace(f"port={cloud.server.port}", "port=1") if closed else conninfo, **keywords)

    monkeypatch.setattr(psycopg, "connect", on_a_closed_port)

    assert restore.run("replay").databases[0].status == "REPLAYED"
    assert restore.run("verify").databases[0].status == "PROMOTED"
    assert next(refused, None) is None


def test_a_job_that_never_reaches_the_server_says_why_and_that_nothing_was_made(
    cloud: Cloud, small: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    restore = Restore(cloud, {small: cloud.dump(small)}, {small: "never"}, bounds=replace(SHORT_PAUSES, connected_within_seconds=0.2))
    restore.add_point()
    monkeypatch.setattr(psycopg, "connect", _everything_closed(psycopg.connect, cloud.server.port))

    result = restore.run("replay")

    assert result.error is not None
    assert (result.error.name, result.logged_in) == ("ServerUnreachable", False)
    assert "nobody listens on the port" in result.error.message


def _everything_closed(connect: Callable[..., Any], port: int) -> Callable[..., Any]:
    return lambda conninfo, **keywords: connect(conninfo.replace(f"port={port}", "port=1"), **keywords)
