"""Logins, statements and lost connections of the worker's SQL Server session, over the real wire."""

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from dbrestore.contract.errors import CertificateBundleMissing
from dbrestore.contract.sqlserver_errors import CertificateRefused, LoginRefused, ServerUnreachable
from dbrestore.worker.base import limits
from dbrestore.worker.base.bounds import Bounds
from dbrestore.worker.base.secrets import Login
from dbrestore.worker.sqlserver.session import ConnectionLost, EngineError, NativeConnection, SqlServer
from dbrestore.worker.sqlserver.standing_connection import StandingConnection
from localcloud.base import certificates
from localcloud.rds.way_in import WayIn
from localcloud.tds.engine import Column, DropConnection, Message, ResultSet, Session, SqlError
from localcloud.tds.server import TdsServer
from tests.unit.worker.sqlserver.scripted_server import SHORT_WAITS, Answer, Script, sql_server, start


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> certificates.Authority:
    return certificates.create(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def server(script: Script, authority: certificates.Authority) -> Iterator[TdsServer]:
    running = start(script, authority)
    yield running
    running.stop()


@pytest.fixture
def target(server: TdsServer, authority: certificates.Authority) -> SqlServer:
    return sql_server(server.port, authority.bundle)


def test_rows_are_those_of_the_last_result_set_by_names_without_case_and_spaces(script: Script, target: SqlServer) -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5)
    script.answer = lambda text: (
        ResultSet((Column("other", "int"),), [(7,)]),
        Message("what PRINT says"),
        ResultSet(
            (Column("Task ID", "int"), Column("% Complete", "int"), Column("Duration (mins)", "datetime")),
            [(1, None, moment), (2, 100, moment)],
        ),
        Message("more"),
    )

    with target.connect() as connection:
        rows = connection.rows("exec anything")

    assert rows == [
        {"taskid": 1, "%complete": None, "duration(mins)": moment},
        {"taskid": 2, "%complete": 100, "duration(mins)": moment},
    ]


def test_a_statement_without_rows_does_not_show_those_of_the_one_before(script: Script, target: SqlServer) -> None:
    script.answer = lambda text: (ResultSet((Column("a", "int"),), [(1,)]),) if "SELECT" in text else ()

    with target.connect() as connection:
        answers = [connection.rows("SELECT 1"), connection.rows("exec nothing"), connection.rows("SELECT 1")]

    assert answers == [[{"a": 1}], [], [{"a": 1}]]


def test_a_count_of_changed_rows_after_the_rows_does_not_hide_them() -> None:
    with NativeConnection(CountingDriver()) as connection:
        assert connection.rows("exec p") == [{"a": 1}]


def test_values_travel_as_parameters_and_no_transaction_is_opened(script: Script, target: SqlServer) -> None:
    with target.connect() as connection:
        connection.run("exec p @a=%s, @b=%s, @c='100%%'", ["O'Brien ü", 5])

    assert [(text, dict(values)) for text, values in script.statements] == [
        ("exec p @a=@P1, @b=@P2, @c='100%'", {"@P1": "O'Brien ü", "@P2": 5})
    ]


def test_an_error_of_the_engine_has_its_number_and_leaves_the_connection_usable(script: Script, target: SqlServer) -> None:
    script.answer = raising(SqlError(229, "The EXECUTE permission was denied."))
    with target.connect() as connection:
        with pytest.raises(EngineError) as caught:
            connection.rows("exec p")
        script.answer = lambda text: ()
        assert connection.rows("exec q") == []

    assert (caught.value.number, caught.value.message) == (229, "The EXECUTE permission was denied.")


@pytest.mark.parametrize("end", [DropConnection(), SqlError(6005, "SHUTDOWN is in progress."), SqlError(596, "killed", severity=21)])
def test_a_connection_that_ends_under_a_statement_is_lost(script: Script, target: SqlServer, end: Exception) -> None:
    script.answer = raising(end)

    with target.connect() as connection:
        with pytest.raises(ConnectionLost):
            connection.rows("exec p")
        with pytest.raises(ConnectionLost):
            connection.rows("exec q")

    assert len(script.statements) == 1


def test_an_answer_that_does_not_come_is_a_lost_connection(script: Script, target: SqlServer) -> None:
    hold = threading.Event()

    def late(_: str) -> Answer:
        hold.wait(5)
        return ()

    script.answer = late

    with target.connect(answer_within=0.2) as connection, pytest.raises(ConnectionLost, match="timed out"):
        connection.rows("exec p")

    hold.set()


def test_the_secret_is_read_again_once_when_the_login_is_refused(script: Script, server: TdsServer, authority) -> None:
    script.passwords = {"new"}
    logins = iter([Login("master", "old"), Login("master", "new")])

    sql_server(server.port, authority.bundle, lambda: next(logins)).connect().close()

    assert next(logins, None) is None


def test_a_login_that_stays_refused_is_told_without_the_password(
    script: Script, server: TdsServer, authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    script.passwords = set()
    read: list[Login] = []

    def stale() -> Login:
        read.append(Login("master", "pass-word-1"))
        return read[-1]

    with pytest.raises(LoginRefused, match="the password in arn:aws:secretsmanager:rds!x was refused for 'master'") as caught:
        sql_server(server.port, authority.bundle, stale, bounds=Bounds(rotation_seconds=0.0)).connect()

    assert len(read) == 2
    assert "pass-word-1" not in repr(caught.value)


def test_a_database_that_cannot_be_opened_is_an_error_of_the_engine_at_once(script: Script, target: SqlServer) -> None:
    script.closed = {"shop"}
    begun = time.monotonic()

    with pytest.raises(EngineError, match='Cannot open database "shop"') as caught:
        target.connect("shop")

    assert caught.value.number == 4060
    assert time.monotonic() - begun < limits.CONNECT_TIMEOUT_SECONDS / 2


@pytest.mark.parametrize(
    ("host", "message"),
    [("127.0.0.1", "127.0.0.1:.*mismatch"), ("localhost", "localhost:.*unable to get local issuer")],
)
def test_a_certificate_of_another_host_or_authority_is_refused_before_the_password_is_sent(
    script: Script, server: TdsServer, authority: certificates.Authority, tmp_path: Path, host: str, message: str
) -> None:
    trusted = authority if host == "127.0.0.1" else certificates.create(tmp_path)
    script.login = raising(AssertionError("a password arrived"))  # type: ignore[method-assign]

    with pytest.raises(CertificateRefused, match=message):
        sql_server(server.port, trusted.bundle, host=host).connect()


def test_a_server_without_tls_is_refused(script: Script, authority: certificates.Authority) -> None:
    server = start(script, authority, has_certificate=False)

    with pytest.raises(CertificateRefused, match="offers no TLS"):
        sql_server(server.port, authority.bundle).connect()

    server.stop()


def test_a_bundle_without_certificates_is_told_as_missing(target: SqlServer, tmp_path: Path) -> None:
    target.ca_file = tmp_path / "ca.pem"
    target.ca_file.write_text("<html>404</html>")

    with pytest.raises(CertificateBundleMissing, match="s3://evidence/ca\\.pem holds no certificate"):
        target.connect()


@pytest.mark.parametrize(
    ("host", "port", "words"),
    [("localhost", 1, "nobody listens on the port .*refused.*security groups"), ("no-such-host.invalid", 1433, "DNS does not know")],
)
def test_a_server_that_is_not_there_is_told_with_host_and_port(authority: certificates.Authority, host: str, port: int, words: str) -> None:
    with pytest.raises(ServerUnreachable, match=f"{host}:{port} can't be reached: .*{words}"):
        sql_server(port, authority.bundle, host=host).connect()


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (17809, "all connections are taken .*raise max_connections"),
        (18401, "the server is starting, recovering or shutting down"),
        (17187, "the server is starting, recovering or shutting down"),
        (17197, "the server takes no login at this moment .*its error log"),
    ],
)
def test_the_first_connection_is_tried_until_the_bound_and_the_cause_named(
    script: Script, target: SqlServer, number: int, words: str
) -> None:
    target.credentials.bounds = replace(SHORT_WAITS, native_reconnect_seconds=1)
    tries: list[str] = []

    def refuse(user: str, _: str, __: str) -> Session:
        tries.append(user)
        raise SqlError(number, "not now")

    script.login = refuse  # type: ignore[method-assign]

    gone = pytest.raises(ServerUnreachable, match=f"it gave no answer for .* minutes: .*can't be reached: {words}")
    with StandingConnection(target) as connection, gone:
        connection.ask(lambda asked: asked.rows("SELECT 1"))

    assert len(tries) > 3


def test_a_server_whose_group_is_not_in_force_yet_is_waited_for(
    script: Script, server: TdsServer, authority: certificates.Authority
) -> None:
    way = WayIn(server.port)
    way.close_for(1.0)
    bounds = replace(SHORT_WAITS, connect_timeout_seconds=0.2, native_reconnect_seconds=30)

    with StandingConnection(sql_server(way.port, authority.bundle, bounds=bounds)) as connection:
        assert connection.ask(lambda asked: asked.rows("SELECT 1")) == []
    way.stop()


def test_a_server_that_accepts_and_says_nothing_is_given_up(authority: certificates.Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(ServerUnreachable, match="timed out"):
        sql_server(silent.getsockname()[1], authority.bundle, bounds=Bounds(connect_timeout_seconds=0.3)).connect()


def test_a_server_that_let_us_in_and_is_silent_is_waited_for_until_its_group_can_have_been_put_back(
    server: TdsServer, authority: certificates.Authority
) -> None:
    way = WayIn(server.port)
    bounds = replace(SHORT_WAITS, connect_timeout_seconds=0.2, native_reconnect_seconds=0.0, put_back_within_seconds=30)
    target = sql_server(way.port, authority.bundle, bounds=bounds)
    with StandingConnection(target) as connection:
        connection.ask(lambda asked: asked.rows("SELECT 1"))
    way.close_for(1.0)

    with StandingConnection(target) as connection:
        assert connection.ask(lambda asked: asked.rows("SELECT 1")) == []
    way.stop()


def test_a_question_is_asked_again_after_the_connection_was_lost(script: Script, target: SqlServer) -> None:
    script.answer = in_turn(DropConnection(), SqlError(922, "Database 'msdb' is being recovered."), ())

    with StandingConnection(target) as connection:
        connection.ask(lambda asked: asked.rows("SELECT 1"))

    assert len(script.statements) == 3


@pytest.mark.parametrize("number", [921, 922, 976, 983, 1205])
def test_what_passes_by_itself_is_asked_again(script: Script, target: SqlServer, number: int) -> None:
    script.answer = in_turn(SqlError(number, "not now"), SqlError(number, "not now"), ())

    with StandingConnection(target) as connection:
        assert connection.ask(lambda asked: asked.rows("SELECT 1")) == []

    assert len(script.statements) == 3


def test_what_passes_by_itself_is_ordered_once(script: Script, target: SqlServer) -> None:
    script.answer = raising(SqlError(1205, "Transaction was deadlocked."))

    with StandingConnection(target) as connection, pytest.raises(EngineError):
        connection.send(lambda sent: sent.run("exec p"))

    assert len(script.statements) == 1


def test_master_that_can_not_be_opened_yet_after_a_fail_over_is_waited_for(
    script: Script, target: SqlServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    target.credentials.bounds = replace(SHORT_WAITS, native_reconnect_seconds=30)
    script.answer = in_turn(DropConnection(), ())
    refusals = Refusals(script, times=3)

    with StandingConnection(target) as connection:
        refusals.begin()
        connection.ask(lambda asked: asked.rows("SELECT 1"))

    assert refusals.left == 0
    assert len(script.statements) == 2


def test_a_database_that_can_not_be_opened_within_a_question_is_not_asked_again(script: Script, target: SqlServer) -> None:
    script.closed = {"shop"}
    asked: list[str] = []

    def question(_: NativeConnection) -> None:
        asked.append("shop")
        target.connect("shop")

    with StandingConnection(target) as connection, pytest.raises(EngineError, match="4060"):
        connection.ask(question)

    assert asked == ["shop"]


def test_a_long_question_that_is_lost_twice_has_the_whole_time_each_time(script: Script, target: SqlServer) -> None:
    work = in_turn(DropConnection(), DropConnection(), DropConnection(), ())

    def long(text: str) -> Answer:
        time.sleep(0.4)
        return work(text)

    script.answer = long

    with StandingConnection(target) as connection:
        connection.ask(lambda asked: asked.rows("DBCC CHECKDB"))

    assert len(script.statements) == 4


def test_a_long_question_that_is_lost_each_time_is_given_up(script: Script, target: SqlServer, monkeypatch: pytest.MonkeyPatch) -> None:
    target.credentials.bounds = replace(SHORT_WAITS, native_interruptions=2)

    def long(_: str) -> Answer:
        time.sleep(0.05)
        raise DropConnection

    script.answer = long

    lost = pytest.raises(ServerUnreachable, match="one question was interrupted 2 times")
    with StandingConnection(target) as connection, lost:
        connection.ask(lambda asked: asked.rows("DBCC CHECKDB"))

    assert len(script.statements) == 2


def test_an_order_is_given_once(script: Script, target: SqlServer) -> None:
    script.answer = in_turn(DropConnection(), ())

    with StandingConnection(target) as connection:
        with pytest.raises(ConnectionLost):
            connection.send(lambda sent: sent.run("exec p"))
        connection.send(lambda sent: sent.run("exec q"))

    assert [text for text, _ in script.statements] == ["exec p", "exec q"]


def test_a_server_that_takes_logins_and_ends_them_is_unreachable(
    script: Script, target: SqlServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    target.credentials.bounds = Bounds(native_reconnect_pause_seconds=0.1, native_reconnect_seconds=3)
    script.answer = raising(DropConnection())

    lost = pytest.raises(ServerUnreachable, match=r"it gave no answer for 0\.05 minutes")
    with StandingConnection(target) as connection, lost:
        connection.ask(lambda asked: asked.rows("SELECT 1"))

    assert len(script.statements) > 3


def test_no_refusal_is_asked_again(script: Script, target: SqlServer) -> None:
    script.answer = raising(SqlError(229, "denied"))

    with StandingConnection(target) as connection, pytest.raises(EngineError):
        connection.ask(lambda asked: asked.rows("SELECT 1"))

    assert len(script.statements) == 1


class CountingDriver:
    """python-tds where a procedure selects and then changes rows: for the second it keeps the description and has no rows."""

    description = (("a",),)

    def __init__(self) -> None:
        self._rows = [(1,)]
        self._more = True

    def cursor(self) -> "CountingDriver":
        return self

    def execute(self, text: str, parameters: tuple[object, ...]) -> None:
        """Nothing is sent."""

    def fetchall(self) -> list[tuple[int, ...]]:
        return self._rows

    def nextset(self) -> bool:
        self._rows, more, self._more = [], self._more, False
        return more

    def close(self) -> None:
        """Nothing is open."""


class Refusals:
    """From `begin` on, so many logins are refused because their database can't be opened."""

    def __init__(self, script: Script, times: int) -> None:
        self.left = 0
        self._script, self._times, self._login = script, times, script.login
        script.login = self._answer  # type: ignore[method-assign]

    def begin(self) -> None:
        self.left = self._times

    def _answer(self, user: str, password: str, database: str) -> Session:
        if not self.left:
            return self._login(user, password, database)
        self.left -= 1
        raise SqlError(4060, f'Cannot open database "{database}" requested by the login. The login failed.', severity=11)


def raising(error: Exception):
    def answer(*_: object) -> Answer:
        raise error

    return answer


def in_turn(*answers: Answer | Exception):
    left = list(answers)

    def answer(_: str) -> Answer:
        one = left.pop(0)
        if isinstance(one, Exception):
            raise one
        return one

    return answer
