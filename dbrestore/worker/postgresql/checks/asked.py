"""Checks of one's own: each question is put to the restored database, and its answer compared with what was expected.

Invariants: the server itself sees to it that a question is one statement that reads, because it becomes the query of a cursor in a
transaction that is READ ONLY (PostgreSQL refuses to end that mode once the transaction has read). It is asked as the temporary login, which
may enter no other database and owns nothing elsewhere, and is bounded in time. What code of the dump made of the answer, the answer says.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import psycopg
from psycopg import pq, sql

from dbrestore.contract.checks.asked import AskedCheck, CheckAnswer, Expectation
from dbrestore.contract.errors import CheckRefused, ReplayFailed
from dbrestore.worker.base import answers, limits
from dbrestore.worker.base.answers import Answer
from dbrestore.worker.base.bounds import Bounds
from dbrestore.worker.postgresql import sql_tokens, termination
from dbrestore.worker.postgresql.checks.moments import moment
from dbrestore.worker.postgresql.session import Connection, explained
from dbrestore.worker.postgresql.sql_tokens import NotUnderstood, Token

_CURSOR: Final = "DECLARE asked NO SCROLL CURSOR FOR "
# Only so much of a value leaves the server, whatever it holds; its type comes with it, because texts don't tell.
_VALUE: Final = "SELECT pg_catalog.left(answer.value::pg_catalog.text, {}), pg_catalog.pg_typeof(answer.value)::pg_catalog.text FROM ("
_END: Final = "\n) AS answer (value)"
# syntax_error, invalid_cursor_definition, invalid_column_reference (there is no column, or ORDER BY names one too many),
# feature_not_supported (WITH ... DELETE, where the server knows the table).
_REFUSED: Final = ("42601", "42P11", "42P10", "0A000")


@dataclass(frozen=True)
class Asking:
    """`connect` opens a session of the temporary login in the restored database, `end_sessions` ends all of these. `point_made_at`: the
    time of the restore point."""

    connect: Callable[[], Connection]
    end_sessions: Callable[[], None]
    point_made_at: datetime
    bounds: Bounds


def require_questions(master: Connection, checks: Iterable[AskedCheck]) -> None:
    """Refuse what isn't one statement that reads, before anything is restored. The server parses it and runs nothing; tables that it
    doesn't know yet are no reason. Raises CheckRefused."""
    for check in checks:
        if said := "it writes inside WITH" if _writes(check.sql) else _complaint(master, check):
            raise CheckRefused(f"the check {check.name!r} is not one statement that reads ({said}): write it as a single SELECT")


def _complaint(master: Connection, check: AskedCheck) -> str:
    parsed = master.pgconn.prepare(b"", (_CURSOR + _question(check)).encode())
    state = parsed.error_field(pq.DiagnosticField.SQLSTATE)
    if state is None or state.decode() not in _REFUSED:
        return ""
    return (parsed.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) or b"").decode("utf-8", "replace")


def _writes(question: str) -> bool:
    """Where the tables of a question aren't there yet, the server misses them before it sees what WITH does to them. A text that the lexer
    doesn't know is left to the server, which refuses it when it is asked."""
    try:
        words = sql_tokens.tokens(question)
    except NotUnderstood:
        return False
    opened = (n for n, token in enumerate(words) if token == Token("symbol", "(") and n and words[n - 1].is_word("as", "materialized"))
    return any(words[n + 1].is_word("insert", "update", "delete", "merge") for n in opened if n + 1 < len(words))


def ask(asking: Asking, checks: Iterable[AskedCheck]) -> list[CheckAnswer]:
    """The answers in the order of the questions. One that can't be had is told, and stops no other."""
    return [_answer(asking, check) for check in checks]


def _answer(asking: Asking, check: AskedCheck) -> CheckAnswer:
    began = time.monotonic()
    try:
        found = _found(asking, check)
        answer = answers.judged(check, found, asking.point_made_at)
    except psycopg.Error as error:
        answer = answers.not_had(check, explained(error))
    except ReplayFailed as error:
        answer = answers.not_had(check, str(error))
    return answer.model_copy(update={"seconds": round(time.monotonic() - began, 3)})


def _found(asking: Asking, check: AskedCheck) -> Answer:
    seconds = asking.bounds.check_seconds
    why = f"it did not end within {seconds} s, and could not be cancelled"
    with (
        termination.bounded(asking.end_sessions, seconds + asking.bounds.cancel_seconds, why),
        asking.connect() as connection,
        connection.transaction(force_rollback=True),
    ):
        connection.execute("SET TRANSACTION READ ONLY")
        connection.execute(sql.SQL("SET LOCAL statement_timeout = {}").format(sql.Literal(f"{seconds}s")))
        # Asked for in binary, a statement goes by the extended protocol, which takes no second one.
        connection.execute(_CURSOR.encode() + _question(check).encode(), binary=True)
        if _counts(check):
            return Answer(rows=_moved(connection))
        if (columns := _columns(connection, check)) != 1:
            raise ReplayFailed(f"its rows have {columns} columns, and one value was expected")
        rows = connection.execute("FETCH FORWARD 2 FROM asked").fetchall()
        text, kind = rows[0] if rows else (None, "")
        return Answer(len(rows), text, kind, moment(text, kind))


def _columns(connection: Connection, check: AskedCheck) -> int:
    connection.pgconn.prepare(b"", check.sql.encode())
    return connection.pgconn.describe_prepared(b"").nfields


def _moved(connection: Connection) -> int:
    """So the rows are counted where they are."""
    return connection.execute("MOVE FORWARD ALL IN asked").rowcount


def _question(check: AskedCheck) -> str:
    text = check.sql.rstrip().removesuffix(";")
    return text if _counts(check) else _VALUE.format(limits.ANSWER_CHARACTERS) + text + _END


def _counts(check: AskedCheck) -> bool:
    return isinstance(check.expect, Expectation) and check.expect.rows is not None
