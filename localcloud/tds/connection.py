"""One client: handshake, login, then one answer per request until either side ends the connection.

Invariant: the engine sees each request once and in order, and nothing before a login that it accepted.
"""

import logging
import socket
import ssl

from localcloud.tds import answers as tds_answers
from localcloud.tds import handshake as tds_handshake
from localcloud.tds import login as tds_login
from localcloud.tds import requests as tds_requests
from localcloud.tds import tokens
from localcloud.tds.engine import DropConnection, Engine, Session, SqlError
from localcloud.tds.fields import WireError
from localcloud.tds.packets import ATTENTION, LOGIN, PROCEDURE, RESPONSE, ConnectionEnded, Packets
from localcloud.tds.prepared import Prepared
from localcloud.tds.requests import Batch, Call, TransactionChange
from localcloud.tds.versions import NEWEST

# From this severity on the server ends the connection after the error.
FATAL = 20

_BAD_STREAM, _RAISED, _NOT_ITS_TRANSACTION = 4002, 50000, 3989

_log = logging.getLogger(__name__)


class Connection:
    """A client behind a connected socket."""

    def __init__(self, engine: Engine, client: socket.socket, tls: ssl.SSLContext | None) -> None:
        self._engine, self._client, self._tls = engine, client, tls
        self._packets = Packets(client)
        self._prepared = Prepared()
        self._transaction = 0
        self._version = NEWEST

    def serve(self) -> None:
        """Serve the client until the end, then close the socket."""
        with self._client:
            session = None
            try:
                session = self._logged_in()
                while session and self._is_open_after_request(session):
                    pass
            except (ConnectionEnded, DropConnection, ConnectionError):
                pass  # nobody is left who could be told
            except (WireError, OSError) as error:
                _log.warning("a client's connection ends: %s", error)
            finally:
                if session:
                    self._engine.end_transaction(session, is_committed=False)

    def _logged_in(self) -> Session | None:
        clear = self._packets.transport
        encryption = tds_handshake.shake_hands(self._packets, self._tls)
        kind, content = self._packets.receive()
        if encryption == "login":
            self._packets.transport = clear
        if kind != LOGIN:
            raise WireError(f"a packet of type {kind} came where LOGIN7 was expected")
        login = tds_login.read(content)
        self._version = login.version
        try:
            session = self._engine.login(login.user, login.password, login.database)
        except SqlError as error:
            self._packets.send(RESPONSE, tds_login.refused(self._version, error, login.user))
            return None
        self._packets.send(RESPONSE, tds_login.accepted(self._version, session.database))
        return session

    def _is_open_after_request(self, session: Session) -> bool:
        kind, content = self._packets.receive()
        if kind == ATTENTION:
            self._packets.send(RESPONSE, tokens.done(self._version, tokens.DONE, tokens.ATTENTION))
            return True
        try:
            self._require_transaction(session, content)
            answer, is_open = self._answer(session, tds_requests.read(self._version, kind, content)), True
        except SqlError as error:
            answer, is_open = (
                tds_answers.of_error(self._version, error, in_procedure=kind == PROCEDURE),
                error.severity < FATAL,
            )
        except (DropConnection, ConnectionEnded):
            raise
        except Exception as error:
            # Told to the client too, or a bug of the engine would look like a lost connection.
            problem = _told(error)
            answer, is_open = tds_answers.of_error(self._version, problem, in_procedure=kind == PROCEDURE), False
        self._packets.send(RESPONSE, answer)
        return is_open

    def _answer(self, session: Session, request: Batch | Call | TransactionChange) -> bytes:
        if isinstance(request, TransactionChange):
            return self._changed_transaction(session, request)
        before, had_transaction = session.database, session.in_transaction
        if isinstance(request, Batch):
            answer = tds_answers.of_batch(self._version, self._engine.execute(session, request.text, {}))
        else:
            work = self._prepared.resolve(request)
            statement = work.statement
            results = self._engine.execute(session, statement.text, statement.parameters) if statement else ()
            answer = tds_answers.of_call(self._version, results, work.handle)
        answer = self._told_transaction(session, had_transaction) + answer
        return answer if session.database == before else tokens.database_changed(self._version, session.database, before) + answer

    def _require_transaction(self, session: Session, content: bytes) -> None:
        """A request within a transaction names it ([MS-TDS] 2.2.5.3.2). Raises SqlError 3989."""
        if session.in_transaction and self._version.is_7_2 and tds_requests.transaction(content) != self._transaction:
            raise SqlError(
                _NOT_ITS_TRANSACTION, "New request is not allowed to start because it should come with valid transaction descriptor."
            )

    def _told_transaction(self, session: Session, before: bool) -> bytes:
        """That a statement began or ended one."""
        if session.in_transaction == before:
            return b""
        if before:
            return tokens.ended(self._transaction, is_committed=False)
        self._transaction += 1
        return tokens.begun(self._transaction)

    def _changed_transaction(self, session: Session, change: TransactionChange) -> bytes:
        answer = b""
        if change.kind != "begin":
            if not session.in_transaction:
                number = 3902 if change.kind == "commit" else 3903
                raise SqlError(number, f"The {change.kind} request has no corresponding BEGIN TRANSACTION.")
            self._engine.end_transaction(session, is_committed=change.kind == "commit")
            session.in_transaction = False
            answer = tokens.ended(self._transaction, is_committed=change.kind == "commit")
        if change.kind == "begin" or change.begins_another:
            self._transaction += 1
            session.in_transaction = True
            answer += tokens.begun(self._transaction)
        return answer + tokens.done(self._version, tokens.DONE)


def _told(error: Exception) -> SqlError:
    if isinstance(error, WireError):
        text = f"The incoming tabular data stream (TDS) protocol stream is incorrect: {error}."
        return SqlError(_BAD_STREAM, text, severity=FATAL)
    _log.exception("the simulated server failed")
    return SqlError(_RAISED, f"The simulated server failed: {error!r}", severity=FATAL)
