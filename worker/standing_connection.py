"""A connection to SQL Server that is made again when it was lost, as by a fail-over.

Invariant: only questions are asked twice; what changes something is sent once, and whoever sent it must look what became of it.
"""

import time
from collections.abc import Callable
from typing import Self, TypeVar

from repository.native_errors import ServerUnreachable
from worker import limits
from worker.native_session import ConnectionLost, EngineError, NativeConnection, SqlServer

T = TypeVar("T")

# The database is being recovered, or not yet: the server is up, msdb is not.
_RECOVERING = (921, 922)


class StandingConnection:
    """To `master`. `with` opens it, and raises what SqlServer.connect does: the first time it must succeed at once."""

    def __init__(self, server: SqlServer) -> None:
        self._server = server
        self._connection: NativeConnection | None = None

    def __enter__(self) -> Self:
        self._connection = self._server.connect()
        return self

    def __exit__(self, *_: object) -> None:
        self._drop()

    def ask(self, question: Callable[[NativeConnection], T]) -> T:
        """The answer, from a new connection if need be: a Multi-AZ instance takes a minute or two to fail over. Raises ServerUnreachable
        when that takes too long."""
        deadline: float | None = None
        while True:
            try:
                return question(self._connected())
            except (ConnectionLost, ServerUnreachable, EngineError) as problem:
                if isinstance(problem, EngineError) and problem.number not in _RECOVERING:
                    raise
                self._drop()
                deadline = deadline or time.monotonic() + limits.NATIVE_RECONNECT_SECONDS
                if time.monotonic() >= deadline:
                    raise self._gone(problem) from problem
            time.sleep(limits.NATIVE_RECONNECT_PAUSE_SECONDS)

    def send(self, order: Callable[[NativeConnection], T]) -> T:
        """Once. Raises ConnectionLost when it may or may not have been carried out, EngineError, ServerUnreachable."""
        connection = self.ask(lambda open_one: open_one)
        try:
            return order(connection)
        except ConnectionLost:
            self._drop()
            raise

    def _connected(self) -> NativeConnection:
        if self._connection is None:
            self._connection = self._server.connect()
        return self._connection

    def _drop(self) -> None:
        if self._connection:
            self._connection.close()
        self._connection = None

    def _gone(self, problem: Exception) -> ServerUnreachable:
        address, minutes = self._server.address, limits.NATIVE_RECONNECT_SECONDS / 60
        return ServerUnreachable(
            f"{address.host}:{address.port}: the connection was lost and could not be made again for {minutes:g} minutes ({problem}): see "
            "that the instance is available, then restore again"
        )
