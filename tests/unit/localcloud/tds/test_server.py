"""The wire of the simulated SQL Server in clear text, as two independent drivers see it: python-tds and FreeTDS (pymssql)."""

import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from decimal import Decimal
from typing import Any

import pymssql
import pytds
import pytest

from localcloud.tds import server as tds_server
from tests.unit.localcloud.tds.echo_engine import MOMENT, NEWER, PASSWORD, TYPES, USER, EchoEngine, serving


@pytest.fixture
def engine() -> EchoEngine:
    return EchoEngine()


@pytest.fixture
def server(engine: EchoEngine) -> Iterator[tds_server.TdsServer]:
    with serving(engine) as running:
        yield running


@pytest.fixture
def connection(server: tds_server.TdsServer) -> Iterator[Any]:
    with closing(by_pytds(server)) as opened:
        yield opened


def by_pytds(server: tds_server.TdsServer, **keywords: Any) -> Any:
    keywords = {"user": USER, "password": PASSWORD, "autocommit": True, "login_timeout": 5, **keywords}
    return pytds.connect("127.0.0.1", port=server.port, as_dict=True, disable_connect_retry=True, timeout=10, **keywords)


def by_pymssql(server: tds_server.TdsServer, **keywords: Any) -> Any:
    keywords = {"user": USER, "password": PASSWORD, "database": "master", "autocommit": True, **keywords}
    return pymssql.connect(
        server="127.0.0.1",
        port=str(server.port),
        as_dict=True,
        login_timeout=5,
        timeout=10,
        encryption="off",
        **keywords,
    )


def rows(connection: Any, text: str, parameters: tuple[Any, ...] = ()) -> list[dict[str, Any]]:
    with closing(connection.cursor()) as cursor:
        cursor.execute(text, parameters)
        return list(cursor.fetchall()) if cursor.description else []


@pytest.mark.parametrize("connect", [by_pytds, by_pymssql])
def test_every_column_type_arrives_and_so_does_null(connect: Any, server: tds_server.TdsServer) -> None:
    with closing(connect(server)) as connection:
        full, empty = rows(connection, "types")

    assert {**full, "datetime": None} == {**TYPES, "datetime": None}
    # datetime has three hundredths of a second: drivers show the ticks in their own way.
    assert abs((full["datetime"] - MOMENT).total_seconds()) < 0.004
    assert empty == dict.fromkeys(TYPES)


def test_newer_column_types_arrive_and_so_does_null(connection: Any) -> None:
    full, empty = rows(connection, "newer")

    assert full == NEWER
    assert full["datetimeoffset"].utcoffset() == NEWER["datetimeoffset"].utcoffset()
    assert empty == dict.fromkeys(NEWER)


def test_the_other_driver_reads_the_newer_types_alike(server: tds_server.TdsServer) -> None:
    with closing(by_pymssql(server)) as connection:
        full, _ = rows(connection, "newer")

    of_both = ("numeric", "decimal", "money", "date", "uniqueidentifier")
    assert {name: full[name] for name in of_both} == {name: NEWER[name] for name in of_both}


def test_a_request_in_a_transaction_names_it_and_its_end_undoes_it(engine: EchoEngine, server: tds_server.TdsServer) -> None:
    with closing(by_pytds(server)) as connection:
        rows(connection, "begin")
        assert rows(connection, "where") == [{"database": "master", "in_transaction": True}]
        rows(connection, "end")
        rows(connection, "begin")
    with closing(by_pytds(server)) as another:
        rows(another, "begin")
        # The driver forgets what the server told it.
        another._tds_socket.tds72_transaction = 0
        with pytest.raises(pytds.DatabaseError, match="should come with valid transaction descriptor"):
            rows(another, "where")
    server.stop()

    assert engine.executed.count("rollback") == 2


@pytest.mark.parametrize(
    "value",
    [
        True,
        False,
        0,
        -5,
        2**31 - 1,
        -(2**62),
        1.25,
        "",
        "O'Brien ü 🦊 --",
        "y" * 5000,
        "ü" * 300_000,
        pytds.Binary(b""),
        pytds.Binary(b"\0\xff"),
        pytds.Binary(b"z" * 7000),
        datetime(2026, 2, 28, 23, 59, 59, 990000),
        datetime(1753, 1, 1),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_a_parameter_comes_back_as_it_was_sent(connection: Any, value: Any) -> None:
    assert rows(connection, "echo %s", (value,)) == [{"@P1": value}]


def test_parameters_are_told_apart_by_name(connection: Any, engine: EchoEngine) -> None:
    assert rows(connection, "echo %s, %s, %s", ("a", 1, None)) == [{"@P1": "a", "@P2": 1}]
    assert engine.executed[-1] == "echo @P1, @P2, NULL"


@pytest.mark.parametrize("connect", [by_pytds, by_pymssql])
def test_a_procedure_call_reaches_the_engine_as_exec(connect: Any, server: tds_server.TdsServer, engine: EchoEngine) -> None:
    with closing(connect(server)) as connection, closing(connection.cursor()) as cursor:
        cursor.callproc("msdb.dbo.rds_task_status", ("shop", 3))
        answer = cursor.fetchall()

    assert engine.executed[-1] == "exec msdb.dbo.rds_task_status @p0, @p1"
    assert [list(row.values()) for row in answer] == [["shop", 3]]


def test_a_procedures_parameters_keep_their_names(connection: Any, engine: EchoEngine) -> None:
    with closing(connection.cursor()) as cursor:
        cursor.callproc("rds_restore_database", {"@restore_db_name": "shop ü", "@type": "FULL"})
        answer = cursor.fetchall()

    assert engine.executed[-1] == "exec rds_restore_database @restore_db_name=@restore_db_name, @type=@type"
    assert answer == [{"@restore_db_name": "shop ü", "@type": "FULL"}]


def test_null_is_a_parameter_too(connection: Any) -> None:
    with closing(connection.cursor()) as cursor:
        cursor.callproc("rds_restore_log", {"@stopat": None, "@with_norecovery": 1})

        assert cursor.fetchall() == [{"@stopat": None, "@with_norecovery": 1}]


def test_a_statement_is_prepared_once_and_executed_until_it_is_unprepared(connection: Any) -> None:
    with closing(connection.cursor()) as cursor:
        handle = cursor.callproc("sp_prepare", (pytds.output(param_type=int), "@a int, @b nvarchar(9)", "echo @a, @b", 1))[0]
        cursor.callproc("sp_execute", (handle, 1, "x"))
        assert cursor.fetchall() == [{"@a": 1, "@b": "x"}]
        other = cursor.callproc("sp_prepexec", (pytds.output(param_type=int), "@a int", "echo @a", 7))
        assert cursor.fetchall() == [{"@a": 7}]
        cursor.callproc("sp_unprepare", (handle,))

        with pytest.raises(pytds.Error, match=f"prepared statement with handle {handle}"):
            cursor.callproc("sp_execute", (handle, 1, "x"))
        assert other[0] != handle


@pytest.mark.parametrize("connect", [by_pytds, by_pymssql])
def test_a_long_text_and_a_long_result_take_several_packets(connect: Any, server: tds_server.TdsServer) -> None:
    text = "text '" + "ü" * 50_000 + "'"

    with closing(connect(server)) as connection:
        assert rows(connection, text) == [{"text": text}]
        many = rows(connection, "rows 20000")

    assert (len(many), many[-1]) == (20000, {"n": 19999, "name": "row 19999"})


def test_a_driver_may_not_talk_utf_16_only_to_be_understood(server: tds_server.TdsServer, engine: EchoEngine) -> None:
    with closing(by_pymssql(server)) as connection:
        rows(connection, "text %s", ("O'Brien ü",))

    assert engine.executed[-1] == "text N'O''Brien ü'"


def test_messages_and_several_result_sets_come_in_their_order(connection: Any) -> None:
    with closing(connection.cursor()) as cursor:
        cursor.execute("several")
        first = cursor.fetchall()
        assert cursor.nextset()
        second = cursor.fetchall()

        assert (first, second, bool(cursor.nextset())) == ([{"a": 1}], [{"b": 2}], False)
        assert [message[1].text for message in cursor.messages] == ["first"]


@pytest.mark.parametrize("text", ["error 50000 16", "error 50000 16 %s"])
def test_an_error_has_number_and_text_and_leaves_the_connection_usable(connection: Any, text: str) -> None:
    with pytest.raises(pytds.Error, match="error ü of severity 16") as caught:
        rows(connection, text, ("parameter",) if "%s" in text else ())

    refused = caught.value
    assert (refused.number, refused.severity, refused.state) == (50000, 16, 7)
    assert rows(connection, "where") == [{"database": "master", "in_transaction": False}]


def test_another_driver_sees_the_same_error(server: tds_server.TdsServer) -> None:
    with closing(by_pymssql(server)) as connection:
        with pytest.raises(pymssql.Error) as caught:
            rows(connection, "error 3241 16")
        usable = rows(connection, "where")

    assert caught.value.args[0] == 3241
    assert "error ü of severity 16" in caught.value.args[1].decode()
    assert usable == [{"database": "master", "in_transaction": False}]


def test_a_severe_error_ends_the_connection_after_the_answer(connection: Any) -> None:
    with pytest.raises(pytds.Error, match="error ü of severity 20"):
        rows(connection, "error 596 20")

    with pytest.raises((pytds.Error, OSError)):
        rows(connection, "where")


def test_a_type_that_is_not_simulated_is_told(connection: Any) -> None:
    with pytest.raises(pytds.Error, match="0x6A, which the simulated server does not know"):
        rows(connection, "echo %s", (Decimal("1.5"),))


def test_a_bug_of_the_engine_is_told(connection: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.CRITICAL), pytest.raises(pytds.Error, match="no such key"):
        rows(connection, "bug")


@pytest.mark.parametrize("connect", [by_pytds, by_pymssql])
def test_a_dropped_connection_gives_no_answer_but_the_work_is_done(connect: Any, server: tds_server.TdsServer, engine: EchoEngine) -> None:
    with closing(connect(server)) as connection, pytest.raises((pytds.Error, pymssql.Error, OSError)):
        rows(connection, "drop")

    assert engine.executed[-1] == "drop"
    with closing(connect(server)) as again:
        assert rows(again, "where")


@pytest.mark.parametrize(("wrong", "text"), [({"password": "guess"}, "Login failed"), ({"database": "nowhere"}, "nowhere")])
def test_a_refused_login_says_why(server: tds_server.TdsServer, wrong: dict[str, str], text: str) -> None:
    with pytest.raises(pytds.OperationalError, match=text):
        by_pytds(server, **wrong)
    with pytest.raises(pymssql.OperationalError, match="18456"):
        by_pymssql(server, **wrong)


def test_the_current_database_is_that_of_the_login_until_use(connection: Any, server: tds_server.TdsServer) -> None:
    rows(connection, "use [shop]")
    assert rows(connection, "where")[0]["database"] == "shop"

    with closing(by_pytds(server, database="tempdb")) as other:
        assert rows(other, "where")[0]["database"] == "tempdb"


def test_the_engine_knows_whether_a_transaction_is_open(server: tds_server.TdsServer) -> None:
    with closing(by_pytds(server, autocommit=False)) as connection:
        assert rows(connection, "where")[0]["in_transaction"] is True
        connection.commit()
        assert rows(connection, "where")[0]["in_transaction"] is True
        connection.rollback()
        connection.autocommit = True
        assert rows(connection, "where")[0]["in_transaction"] is False


def test_a_query_can_be_cancelled_and_the_connection_goes_on(connection: Any) -> None:
    with closing(connection.cursor()) as cursor:
        cursor.execute("rows 20000")
        assert cursor.fetchone() == {"n": 0, "name": "row 0"}
        cursor.cancel()

    assert rows(connection, "rows 1") == [{"n": 0, "name": "row 0"}]


def test_many_clients_are_served_at_once(server: tds_server.TdsServer) -> None:
    found: list[int] = []

    def ask() -> None:
        with closing(by_pytds(server)) as connection:
            found.append(len(rows(connection, "rows 2000")))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == [2000] * 8


def test_garbage_ends_its_own_connection_only(server: tds_server.TdsServer, connection: Any) -> None:
    for garbage in (b"GET / HTTP/1.1\r\n\r\n", b"\x12\x01\x00\x08\0\0\0\0", b"\x12\x01\x00\x03\0\0\0\0"):
        with socket.create_connection(("127.0.0.1", server.port), 5) as intruder:
            intruder.sendall(garbage)
            intruder.shutdown(socket.SHUT_WR)
            assert intruder.recv(100) == b""

    assert rows(connection, "rows 1")


def test_a_stopped_server_lets_nobody_in_and_its_port_can_be_taken_again(engine: EchoEngine) -> None:
    with serving(engine) as first:
        open_connection = by_pytds(first)
        port = first.port
    with pytest.raises((pytds.Error, OSError)):
        rows(open_connection, "where")
    open_connection.close()
    with pytest.raises((pytds.Error, OSError)):
        by_pytds(first, login_timeout=1)

    second = tds_server.start(engine, certificate=None, key=None, port=port)
    with closing(by_pytds(second)) as connection:
        assert rows(connection, "rows 1")
    second.stop()
