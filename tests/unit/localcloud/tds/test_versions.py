"""Older versions of TDS: what three independent drivers make of the answers, and what the bytes are."""

import socket
import struct
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pymssql
import pytds
import pytest
from pytds import tds_base

from localcloud.tds import answers as tds_answers
from localcloud.tds import requests as tds_requests
from localcloud.tds import server as tds_server
from localcloud.tds import versions as tds_versions
from localcloud.tds.engine import Column, Message, ResultSet, SqlError
from localcloud.tds.fields import WireError
from localcloud.tds.packets import BATCH
from localcloud.tds.requests import Batch
from localcloud.tds.versions import NEWEST, Version
from tests.unit.localcloud.tds import tedious_client
from tests.unit.localcloud.tds.echo_engine import MOMENT, PASSWORD, TYPES, USER, EchoEngine, serving

TDS_7_1 = Version(0x71000001)
LONG = "ü" * 9000


@pytest.fixture
def server() -> Iterator[tds_server.TdsServer]:
    with serving(EchoEngine()) as running:
        yield running


@pytest.mark.parametrize("version", ["7_1", "7_2", "7_3_A", "7_3_B", "7_4"])
def test_tedious_understands_every_version(server: tds_server.TdsServer, version: str) -> None:
    batches: list[str | dict[str, Any]] = [
        "types",
        "several",
        {"text": "echo @a, @b", "parameters": {"a": LONG, "b": 5}},
        "error 50000 16",
        "where",
    ]

    answer = tedious_client.asked(server.port, USER, PASSWORD, version, batches)

    full, empty = [one["row"] for one in answer if "int" in one.get("row", {})]
    expected = {**TYPES, "bigint": str(TYPES["bigint"]), "datetime": f"{MOMENT.isoformat(timespec='milliseconds')}Z"}
    assert {**full, "varbinary": bytes(full["varbinary"]["data"])} == expected
    assert empty == dict.fromkeys(TYPES)
    rest = answer[answer.index({"row": empty}) + 1 :]
    assert rest == [
        {"count": 2},
        {"message": "first"},
        {"row": {"a": "1"}},
        {"row": {"b": "2"}},
        {"count": 2},
        {"row": {"@a": LONG, "@b": "5"}},
        {"count": 1},
        {"error": [50000, "error ü of severity 16"]},
        {"row": {"database": "master", "in_transaction": False}},
        {"count": 1},
    ]


@pytest.mark.parametrize("version", ["7.1", "7.2", "7.3", "7.4"])
def test_freetds_understands_every_version(server: tds_server.TdsServer, version: str) -> None:
    address: dict[str, Any] = {
        "server": "127.0.0.1",
        "port": str(server.port),
        "user": USER,
        "password": PASSWORD,
        "database": "master",
    }
    with closing(pymssql.connect(**address, tds_version=version, login_timeout=5, timeout=10, encryption="off", as_dict=True)) as opened:
        _check(opened, pymssql.Error)


@pytest.mark.parametrize("version", [tds_base.TDS71, tds_base.TDS72, tds_base.TDS73, tds_base.TDS74])
def test_python_tds_understands_every_version(server: tds_server.TdsServer, version: int) -> None:
    address: dict[str, Any] = {"dsn": "127.0.0.1", "port": server.port, "user": USER, "password": PASSWORD}
    with closing(pytds.connect(**address, tds_version=version, login_timeout=5, timeout=10, as_dict=True, autocommit=True)) as opened:
        _check(opened, pytds.Error)


def _check(connection: Any, problem: type[Exception]) -> None:
    with closing(connection.cursor()) as cursor:
        cursor.execute("types")
        full, empty = cursor.fetchall()
        assert {**full, "datetime": None} == {**TYPES, "datetime": None}
        assert empty == dict.fromkeys(TYPES)
        with pytest.raises(problem):
            cursor.execute("error 50000 16")
        cursor.execute("rows 3")
        assert [row["name"] for row in cursor.fetchall()] == ["row 0", "row 1", "row 2"]


def test_the_bytes_of_a_result_set_in_7_1() -> None:
    answer = tds_answers.of_batch(TDS_7_1, [ResultSet((Column("n", "int"),), [(7,)])])

    # COLMETADATA: one column, user type (2 bytes), flags, INTN of 4, its name; ROW; DONE: count, no command, rows (4 bytes).
    metadata = b"\x81\x01\x00\x00\x00\x01\x00\x26\x04\x01n\x00"
    assert answer == metadata + b"\xd1\x04\x07\x00\x00\x00" + b"\xfd\x10\x00\x00\x00\x01\x00\x00\x00"


def test_the_bytes_of_a_result_set_from_7_2_on() -> None:
    answer = tds_answers.of_batch(NEWEST, [ResultSet((Column("n", "int"),), [(7,)])])

    metadata = b"\x81\x01\x00\x00\x00\x00\x00\x01\x00\x26\x04\x01n\x00"
    assert answer == metadata + b"\xd1\x04\x07\x00\x00\x00" + b"\xfd\x10\x00\x00\x00\x01" + b"\x00" * 7


@pytest.mark.parametrize(("version", "line"), [(TDS_7_1, b"\x01\x00"), (NEWEST, b"\x01\x00\x00\x00")])
def test_the_line_number_of_a_message_is_as_long_as_the_version_says(version: Version, line: bytes) -> None:
    answer = tds_answers.of_batch(version, [Message("hi")])

    size = struct.unpack_from("<H", answer, 1)[0]
    assert answer[0] == 0xAB
    assert answer[3 : 3 + size].endswith(b"c\0l\0o\0u\0d\0" + b"\0" + line)


def test_an_error_between_results_is_told_in_its_place() -> None:
    rows = ResultSet((Column("n", "int"),), [(7,)])

    answer = tds_answers.of_batch(NEWEST, [SqlError(50000, "no"), rows])

    # ERROR, DONE with "more" and "error", then the rows.
    assert answer[0] == 0xAA
    assert b"\xfd\x03\x00" in answer
    assert answer.endswith(tds_answers.of_batch(NEWEST, [rows]))


def test_a_request_has_headers_from_7_2_on_only() -> None:
    text = "SELECT 1".encode("utf-16-le")
    headers = struct.pack("<IIHQI", 22, 18, 2, 0, 1)

    assert tds_requests.read(TDS_7_1, BATCH, text) == Batch("SELECT 1")
    assert tds_requests.read(NEWEST, BATCH, headers + text) == Batch("SELECT 1")


@pytest.mark.parametrize(("asked", "answered"), [(0x71000000, 0x71000000), (0x730B0003, 0x730B0003), (0x75000000, 0x74000004)])
def test_the_server_speaks_what_the_client_wants_up_to_7_4(asked: int, answered: int) -> None:
    assert tds_versions.agreed(asked).number == answered


def test_7_0_is_not_spoken(server: tds_server.TdsServer) -> None:
    with pytest.raises(WireError, match="0x70000000"):
        tds_versions.agreed(0x70000000)
    with socket.create_connection(("127.0.0.1", server.port), 5) as client:
        prelogin = b"\x01\x00\x06\x00\x01\xff\x02"
        client.sendall(struct.pack(">BBHHBB", 0x12, 1, 8 + len(prelogin), 0, 1, 0) + prelogin)
        assert client.recv(4096)
        login = struct.pack("<II", 86, 0x70000000) + bytes(78)
        client.sendall(struct.pack(">BBHHBB", 0x10, 1, 8 + len(login), 0, 1, 0) + login)

        assert client.recv(100) == b""
