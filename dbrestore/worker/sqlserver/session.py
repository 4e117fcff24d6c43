"""Logins and connections to SQL Server.

Invariants: TLS is verified, host name included. Every statement is its own transaction (the procedures of RDS refuse to run inside one).
Values travel as parameters. Passwords appear in no argument, log or message.
"""

import contextlib
import re
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytds

from dbrestore.contract.errors import CertificateBundleMissing
from dbrestore.contract.job import DatabaseServer
from dbrestore.contract.sqlserver_errors import CertificateRefused, LoginRefused, ServerUnreachable
from dbrestore.worker.base import limits
from dbrestore.worker.base.bounds import Bounds
from dbrestore.worker.base.obstacles import CLOSED, CUT_OFF, FULL, NAME_UNKNOWN, NOT_NOW, RECOVERING, SILENT, Obstacle
from dbrestore.worker.base.secrets import Credentials, Login
from dbrestore.worker.sqlserver import tds_tls

Value = None | int | float | bool | str | bytes | datetime
Row = dict[str, Any]

_LOGIN_FAILED = 18456
# Of a database that can't be opened the server says this first, and then that the login failed.
_DATABASE_FAILED, _DATABASE_WORDS = 4060, "Cannot open database"
# The most user connections are open; no thread could be had for another.
_FULL = (17809, 17189)
# Paused, not ready for clients, a script upgrade, administrators alone, SHUTDOWN.
_RECOVERING = (17142, 17187, 18401, 18451, 6005)
# SHUTDOWN is in progress; the session is in the kill state. The statement's own error is lost with the connection.
_ENDED = (6005, 596)

tds_tls.install()


def _attempt_once(work: Callable[[float], Any], *, max_time_sec: float, **_: Any) -> Any:
    return work(max_time_sec)


# python-tds would sleep out the rest of its time limit after a refusal and then say no more than TimeoutError.
pytds.utils.exponential_backoff = _attempt_once


class EngineError(Exception):
    """SQL Server refused a statement. `number` as in sys.messages; the message holds every message of the statement."""

    def __init__(self, number: int, message: str) -> None:
        super().__init__(f"{message} ({number})")
        self.number, self.message = number, message


class ConnectionLost(Exception):
    """The connection ended, or no answer came in time: whether the statement was carried out is unknown."""


class NativeConnection:
    """One login. Not to be shared between threads."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._cursor = connection.cursor()

    def rows(self, text: str, parameters: Sequence[Value] = ()) -> list[Row]:
        """All rows of the last result set; keys are the column names in lower case without spaces (`%complete`). `%s` stands for a
        parameter, `%%` for a per cent sign. Raises EngineError, ConnectionLost."""
        with self._explained():
            self._cursor.execute(text, tuple(parameters))
            seen, found = None, []
            while True:
                # A statement that returns no rows leaves the description of the one before.
                if self._cursor.description is not seen:
                    seen = self._cursor.description
                    names = [re.sub(r"\s", "", column[0]).lower() for column in seen]
                    found = [dict(zip(names, row, strict=True)) for row in self._cursor.fetchall()]
                if not self._cursor.nextset():
                    return found

    def run(self, text: str, parameters: Sequence[Value] = ()) -> None:
        """The same for what answers nothing."""
        self.rows(text, parameters)

    def close(self) -> None:
        """End it; never raises."""
        with contextlib.suppress(OSError, pytds.Error):
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except pytds.DatabaseError as error:
            if error.number not in _ENDED:
                raise EngineError(error.number, _words(error)) from error
            self.close()
            raise ConnectionLost(_words(error)) from error
        except (pytds.Error, OSError) as error:
            self.close()
            raise ConnectionLost(_words(error)) from error


@dataclass
class SqlServer:
    """The target server: opens connections as the user that restores, its master user as a rule. `note_login` is called once, before
    anything is done in the first session; `has_logged_in` from then on."""

    address: DatabaseServer
    ca_file: Path
    credentials: Credentials
    note_login: Callable[[], None] = lambda: None
    has_logged_in: bool = False

    @property
    def bounds(self) -> Bounds:
        """Of all that is done with this server."""
        return self.credentials.bounds

    def connect(self, database: str = "master", answer_within: float | None = limits.NATIVE_ANSWER_SECONDS) -> NativeConnection:
        """Log in as that user; a refusal may mean that the password is being rotated: then it is read again.

        `answer_within` are the seconds that a statement may take, None for any time. Raises CredentialsNotUsable, ServerUnreachable,
        CertificateRefused, LoginRefused; EngineError 4060 if the database can't be opened."""
        connection = self._logged_in(database, answer_within)
        if not self.has_logged_in:
            self.note_login()
            self.has_logged_in = True
        return connection

    def _logged_in(self, database: str, answer_within: float | None) -> NativeConnection:
        refused: LoginRefused | None = None
        for login in self.credentials.attempts():
            try:
                return self._connect(login, database, answer_within)
            except LoginRefused as error:
                refused = error
        raise refused or LoginRefused(f"{self.address.host}: there is nothing to log in with")

    def _connect(self, login: Login, database: str, answer_within: float | None) -> NativeConnection:
        raw = self._open()
        try:
            return NativeConnection(
                pytds.connect(
                    self.address.host,
                    database=database,
                    user=login.user,
                    password=login.password,
                    port=self.address.port,
                    sock=raw,
                    cafile=str(self.ca_file),
                    validate_host=True,
                    autocommit=True,
                    appname="dbrestore",
                    login_timeout=self.bounds.connect_timeout_seconds,
                    timeout=answer_within,
                )
            )
        except (pytds.Error, OSError) as error:
            raw.close()
            raise self._refusal(error, login) from error

    def _open(self) -> socket.socket:
        """With probes of our own, so that a silent end is noticed while a long statement runs."""
        host, port = self.address.host, self.address.port
        try:
            raw = socket.create_connection((host, port), self.bounds.connect_timeout_seconds)
        except OSError as error:
            raise self._unreachable(error) from error
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, limits.KEEPALIVE_IDLE_SECONDS)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, limits.KEEPALIVE_INTERVAL_SECONDS)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, limits.KEEPALIVE_COUNT)
        return raw

    def _refusal(self, error: Exception, login: Login) -> Exception:
        where, words = f"{self.address.host}:{self.address.port}", _words(error)
        if isinstance(error, ssl.SSLCertVerificationError):
            return CertificateRefused(
                f"{where}: {error.verify_message}: no CA in {self.address.ca_bundle} vouches for this server under this name; renew the "
                "bundle if RDS has a newer CA, and find out who answers there if not"
            )
        if isinstance(error, ssl.SSLError) and error.reason == "NO_CERTIFICATE_OR_CRL_FOUND":
            return CertificateBundleMissing(f"{self.address.ca_bundle} holds no certificate in PEM format: put RDS's bundle there")
        if not isinstance(error, pytds.DatabaseError):
            no_tls = "encrypt" in words.lower()
            return CertificateRefused(f"{where} offers no TLS: {words}") if no_tls else self._unreachable(error)
        if error.number == _DATABASE_FAILED or (error.number == _LOGIN_FAILED and _DATABASE_WORDS in words):
            return EngineError(_DATABASE_FAILED, words)
        if error.number == _LOGIN_FAILED:
            return LoginRefused(
                f"{where}: {self.credentials.told} was refused for {login.user!r} ({words}): {self.credentials.advice}, and restore again"
            )
        return self._unreachable(error)

    def _unreachable(self, error: BaseException) -> ServerUnreachable:
        obstacle = _obstacle(error)
        return ServerUnreachable(
            f"{self.address.host}:{self.address.port} can't be reached: {obstacle.what} ({_words(error)}): {obstacle.fix}"
        )


def _obstacle(error: BaseException) -> Obstacle:
    if isinstance(error, pytds.DatabaseError) and error.number:
        return FULL if error.number in _FULL else RECOVERING if error.number in _RECOVERING else NOT_NOW
    if isinstance(error, socket.gaierror):
        return NAME_UNKNOWN
    if isinstance(error, ConnectionRefusedError):
        return CLOSED
    return CUT_OFF if isinstance(error, (ConnectionError, pytds.ClosedConnectionError)) else SILENT


def _words(error: BaseException) -> str:
    """What the server or the system said, without the driver's frame."""
    if isinstance(error, pytds.DatabaseError):
        return str(error.args[0]).strip()
    if isinstance(error, TimeoutError):
        return str(error) or "timed out"
    return str(error).strip() or type(error).__name__
