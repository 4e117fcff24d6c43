"""A connection to SQL Server that is made again when it was lost, as by a fail-over.

Invariant: only questions are asked twice; what changes something is sent once, and whoever sent it must look what became of it.
"""

import time
from collections.abc import Callable
from typing import Final, Self, TypeVar

from dbrestore.contract.sqlserver_errors import ServerUnreachable
from dbrestore.worker.base.bounds import Bounds
from dbrestore.worker.sqlserver.session import ConnectionLost, EngineError, NativeConnection, SqlServer

T = TypeVar("T")

# Errors that pass by themselves, by their numbers in sys.messages ("Database Engine events and errors" in SQL Server's documentation).
# 921, 922: the database is being recovered, or not yet: the server is up, msdb is not. 976, 983: its availability replica takes no
# queries yet, as in the middle of a fail-over. 1205: chosen as the victim of a deadlock.
TEMPORARY: Final = frozenset({921, 922, 976, 983, 1205})


class StandingConnection:
    """To `master`. Opened by the first question, which waits for the server like any other: its group may not be in force yet, or its
    name not known."""

    def __init__(self, server: SqlServer) -> None:
        self._server = server
        self._connection: NativeConnection | None = None

    def __enter__(self) -> Self:
        return self

    @property
    def bounds(self) -> Bounds:
        return self._server.bounds

    def __exit__(self, *_: object) -> None:
        self._drop()

    def ask(self, question: Callable[[NativeConnection], T]) -> T:
        """The answer, from a new connection if need be: a Multi-AZ instance takes a minute or two to fail over. Raises ServerUnreachable
        when that takes too long or comes too often."""
        patience = _Patience(self._server.bounds, was_there=self._server.has_logged_in)
        while True:
            try:
                connection = self._connected()
                patience.begin()
                return question(connection)
            except (ConnectionLost, ServerUnreachable, EngineError) as problem:
                if isinstance(problem, EngineError) and problem.number not in TEMPORARY:
                    raise
                self._drop()
                if end := patience.end(problem):
                    raise self._gone(end, problem) from problem
            time.sleep(self._server.bounds.native_reconnect_pause_seconds)

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
            try:
                self._connection = self._server.connect()
            except EngineError as error:
                # 4060: right after a fail-over logins are taken before master can be opened.
                raise ServerUnreachable(str(error)) from error
        return self._connection

    def _drop(self) -> None:
        if self._connection:
            self._connection.close()
        self._connection = None

    def _gone(self, end: str, problem: Exception) -> ServerUnreachable:
        address = self._server.address
        return ServerUnreachable(
            f"{address.host}:{address.port}: {end}: {problem}; check that the instance is available, then restore again"
        )


class _Patience:
    """With one question: how long the server may be away, anew each time that it was back, and how often. `was_there`: it let us in
    before."""

    def __init__(self, bounds: Bounds, *, was_there: bool) -> None:
        self._bounds, self._was_there = bounds, was_there
        self._began = self._away_since = 0.0
        self._interruptions = 0

    def begin(self) -> None:
        """The connection is there, the question is put."""
        self._began = time.monotonic()

    def end(self, problem: Exception) -> str | None:
        """After a failure: None, or why the question is given up."""
        now = time.monotonic()
        # What failed at once doesn't show that the server was back: one that fails over may take logins and end them.
        lasted = now - self._began > self._bounds.native_reconnect_pause_seconds
        if not self._interruptions or (lasted and not isinstance(problem, ServerUnreachable)):
            self._interruptions += 1
            self._away_since = now
        if self._interruptions >= self._bounds.native_interruptions:
            return f"one question was interrupted {self._interruptions} times"
        longest = self._longest(problem)
        return f"it gave no answer for {longest / 60:g} minutes" if now >= self._away_since + longest else None

    def _longest(self, problem: Exception) -> float:
        # Silence: our group may have been taken off the instance's list, and is put back when the control plane looks again.
        is_silent = isinstance(problem, ServerUnreachable) and isinstance(problem.__cause__, TimeoutError)
        return self._bounds.put_back_within_seconds if is_silent and self._was_there else self._bounds.native_reconnect_seconds
