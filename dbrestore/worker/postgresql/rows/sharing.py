"""The rows of one large table, loaded by several sessions at once: whoever is free takes the next piece, cut at the end of a row.

Invariants: the bytes are read once and in order, so length and digest are judged as for one session; every session holds its transaction
open until the whole member was found right, and then all commit, the one that leads last; otherwise none does.

    leads   opens -> takes pieces -> waits until the others have no more -> counts what all took -> lets them commit -> commits
    helps   joins -> takes pieces -> tells what it took -> waits for the word -> commits or rolls back
"""

import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

import psycopg

from dbrestore.worker.postgresql.resuming.journal import begun
from dbrestore.worker.postgresql.session import Connection

# Bytes that one session sent, rows that the server took from it.
Taken = tuple[int, int]
# Loads the pieces with one COPY in the session's open transaction.
Load = Callable[["psycopg.Cursor[tuple[object, ...]]", Iterator[bytes]], Taken]


@dataclass(frozen=True)
class Opened:
    """What the leader lends to those who help: how they load, the rows, which are read by one session at a time, and what their
    transactions begin with."""

    load: Load
    rows: Iterator[bytes]
    first: bytes


class Sharing:
    """One member that is being loaded. All methods may be called from any thread; `lead` by one, `help` by any
    number of sessions."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._turn = threading.Lock()
        self._opened: Opened | None = None
        self._is_closed = False
        self._rest = b""
        self._reading = self._committing = 0
        self._others: Taken = (0, 0)
        self._may_commit: bool | None = None
        self._failure: BaseException | None = None

    @contextmanager
    def lead(self, load: Load, rows: Iterator[bytes], first: bytes = b"") -> Iterator[None]:
        """While this lasts others may join; if it ends with an error, none of them commits. When it is repeated, nobody joins."""
        with self._changed:
            self._rest, self._others, self._reading, self._committing = b"", (0, 0), 0, 0
            self._may_commit, self._failure = None, None
            self._opened = Opened(load, rows, first)
            self._changed.notify_all()
        try:
            yield
        except BaseException as error:
            self._fail(error)
            raise
        finally:
            self._close()

    def end(self) -> None:
        """Whoever was to lead has ended, or never began to: nobody waits to join, or joins, any more."""
        self._close()

    def taken_by_others(self) -> Taken:
        """What the others took, when they have no more; from now on nobody joins. Raises what one of them met with."""
        self._close()
        with self._changed:
            self._changed.wait_for(lambda: not self._reading or self._failure is not None)
            self._require_no_failure()
            return self._others

    def let_commit(self) -> None:
        """The member was found right: returns when all others have committed. Raises what one of them met with."""
        with self._changed:
            self._may_commit = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._committing or self._failure is not None)
            self._require_no_failure()

    def help(self, connection: Connection) -> None:
        """Load a share of the rows, if there still are any. An error is the leader's, who raises it."""
        opened = self._join()
        if opened is None:
            return
        try:
            self._load(connection, opened)
        except Exception as error:  # whatever it was, the leader raises it
            self._fail(error)

    def pieces(self, rows: Iterator[bytes]) -> Generator[bytes, None, None]:
        """Whole rows for one session, until there are no more. Raises what the reading, or another session, met with."""
        goes_on = True
        while goes_on:
            with self._turn:
                begun, end = self._rest, 0
                while (piece := self._next(rows)) is not None and not (end := end_of_row(piece)):
                    # A row longer than a piece: nobody else's turn comes before its end, and it isn't gathered in memory.
                    yield begun
                    begun = piece
                goes_on = piece is not None
                whole, self._rest = (piece[:end], piece[end:]) if piece else (b"", b"")
            yield begun
            yield whole

    def _next(self, rows: Iterator[bytes]) -> bytes | None:
        self._require_no_failure()
        try:
            return next(rows, None)
        except BaseException as error:
            self._fail(error)
            raise

    def _load(self, connection: Connection, opened: Opened) -> None:
        with begun(connection, opened.first), connection.cursor() as cursor, closing(self.pieces(opened.rows)) as pieces:
            taken = opened.load(cursor, pieces)
            if not self._has_word_to_commit(taken):
                raise psycopg.Rollback
        with self._changed:
            self._committing -= 1
            self._changed.notify_all()

    def _join(self) -> Opened | None:
        with self._changed:
            self._changed.wait_for(lambda: self._opened is not None or self._is_closed)
            if self._is_closed:
                return None
            self._reading += 1
            self._committing += 1
            return self._opened

    def _has_word_to_commit(self, taken: Taken) -> bool:
        with self._changed:
            self._others = (self._others[0] + taken[0], self._others[1] + taken[1])
            self._reading -= 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._may_commit is not None or self._failure is not None)
            return self._failure is None

    def _fail(self, error: BaseException) -> None:
        with self._changed:
            self._failure = self._failure or error
            self._changed.notify_all()

    def _close(self) -> None:
        with self._changed:
            self._is_closed, self._opened = True, None
            self._changed.notify_all()

    def _require_no_failure(self) -> None:
        if self._failure is not None:
            raise self._failure


def end_of_row(piece: bytes) -> int:
    """Where its last whole row ends; 0 if that can't be told from the piece alone.

    A line end is no byte of a longer character in any encoding that a client of PostgreSQL may use. COPY writes one inside a value as
    `\\n`, but would also read a backslash before a real one; that byte may as well end a character, so there is no cut behind it."""
    end = piece.rfind(b"\n")
    while end > 0 and piece[end - 1 : end] == b"\\":
        end = piece.rfind(b"\n", 0, end)
    return end + 1 if end > 0 else 0
