"""Checks of one's own: each question is put to the restored database, and its answer compared with what was expected.

Invariants: the question is the query of a derived table, asked as a user of the database that has no login and may read, and nothing else;
its session can't become anybody else again, and what it may use ends at the database (Microsoft Learn, "EXECUTE AS"; TRUSTWORTHY is off
before anything is asked). That user lives in a transaction that is always rolled back, so the database is left as it was. No code of the
backup runs with the rights of the login that restores.
"""

import contextlib
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from dbrestore.contract.checks import tsql_question
from dbrestore.contract.checks.asked import AskedCheck, CheckAnswer, Expectation
from dbrestore.contract.checks.tsql_question import NotOneQuestion, Question
from dbrestore.contract.errors import CheckRefused, VerificationFailed
from dbrestore.worker.base import answers, limits
from dbrestore.worker.base.answers import Answer
from dbrestore.worker.sqlserver import answered_values, database_triggers
from dbrestore.worker.sqlserver.database_names import bracketed
from dbrestore.worker.sqlserver.session import ConnectionLost, EngineError, NativeConnection, SqlServer
from dbrestore.worker.sqlserver.standing_connection import TEMPORARY, StandingConnection

# What the grammar of a question depends on; the language decides how dates are read.
_SETTINGS: Final = (
    "SET QUOTED_IDENTIFIER, ANSI_NULLS, ANSI_PADDING, ANSI_WARNINGS, ARITHABORT, CONCAT_NULL_YIELDS_NULL ON",
    "SET LANGUAGE us_english",
    f"SET LOCK_TIMEOUT {limits.CHECK_LOCK_SECONDS * 1000}",
    # Bytes; two for each character that the longest answer may have.
    f"SET TEXTSIZE {limits.ANSWER_CHARACTERS * 2}",
)
# What making and removing the user that asks may fire.
_EVENTS: Final = ("CREATE_USER", "DROP_USER", "GRANT_DATABASE")
_POLICIES: Final = "SELECT name FROM sys.security_policies WHERE is_enabled = 1 ORDER BY name"
_DESCRIBED: Final = (
    "SELECT column_ordinal, system_type_name, error_number, error_message "
    "FROM sys.dm_exec_describe_first_result_set(%s, NULL, 0) ORDER BY column_ordinal"
)


class _Unanswered(Exception):
    """There is no answer that could be compared; the message says why."""


@dataclass(frozen=True)
class Asking:
    """About the database `name`. `user` is what the user is called that asks, `point_made_at` the time of the restore point."""

    server: SqlServer
    name: str
    user: str
    point_made_at: datetime


def require_questions(server: SqlServer, connection: StandingConnection, checks: Iterable[AskedCheck]) -> None:
    """Refuse what isn't one statement that reads, before anything is restored. The server parses it and runs nothing, so tables that it
    doesn't know are no reason. Raises CheckRefused, ServerUnreachable."""
    for check in checks:
        try:
            question = tsql_question.read(check.sql)
        except NotOneQuestion as problem:
            raise _refused(check, str(problem)) from problem
        # Which columns it has, no parser knows.
        text = question.count(1) if _counts(check) else question.value
        if said := connection.ask(lambda _, text=text: _complaint(server, text)):  # type: ignore[misc]
            raise _refused(check, f"not one statement that reads ({said})")


def _refused(check: AskedCheck, why: str) -> CheckRefused:
    return CheckRefused(f"the check {check.name!r} is {why}: {tsql_question.ADVICE}")


def _complaint(server: SqlServer, text: str) -> str:
    with server.connect() as parser:
        parser.run(_SETTINGS[0])
        parser.run("SET PARSEONLY ON")
        try:
            parser.run(_plain(text))
        except EngineError as error:
            return str(error)
    return ""


def ask(connection: StandingConnection, asking: Asking, checks: Iterable[AskedCheck]) -> tuple[CheckAnswer, ...]:
    """The answers in the order of the questions. One that can't be had is told, and stops no other. Raises ServerUnreachable,
    VerificationFailed if the user that asked is still there."""
    told = tuple(connection.ask(lambda _, check=check: _answer(asking, check)) for check in checks)  # type: ignore[misc]
    if told:
        connection.ask(lambda _: _require_gone(asking))
    return told


def _answer(asking: Asking, check: AskedCheck) -> CheckAnswer:
    began = time.monotonic()
    try:
        answer = answers.judged(check, _found(asking, check), asking.point_made_at)
    except (_Unanswered, NotOneQuestion) as problem:
        answer = answers.not_had(check, str(problem))
    except EngineError as error:
        if error.number in TEMPORARY:
            raise
        answer = answers.not_had(check, str(error))
    return answer.model_copy(update={"seconds": round(time.monotonic() - began, 3)})


def _found(asking: Asking, check: AskedCheck) -> Answer:
    question = tsql_question.read(check.sql)
    with _as_reader(asking) as reader:
        kinds = _kinds(reader, check.sql)
        if _counts(check):
            [row] = reader.rows(_plain(question.count(len(kinds))))
            return Answer(rows=int(row["value"]))
        return _value(reader, question, kinds)


def _value(reader: NativeConnection, question: Question, kinds: list[str]) -> Answer:
    if len(kinds) != 1:
        raise _Unanswered(f"its rows have {len(kinds)} columns, and one value was expected")
    if kinds[0] not in answered_values.COMPARABLE:
        raise _Unanswered(f"a value of type {kinds[0] or 'of an assembly'} can't be compared: convert it in the question")
    rows = reader.rows(_plain(question.value))
    first: Any = rows[0]["value"] if rows else None
    return answered_values.answer(len(rows), first, kinds[0])


def _kinds(reader: NativeConnection, text: str) -> list[str]:
    """The types of its columns, without their lengths; the server finds them without running it. Types of assemblies have no name."""
    rows = reader.rows(_DESCRIBED, [text])
    for row in rows:
        if row["error_number"] is not None:
            raise EngineError(int(row["error_number"]), str(row["error_message"]))
    names = (re.match(r"\w+", str(row["system_type_name"] or "")) for row in rows)
    return [name[0].lower() if name else "" for name in names]


@contextlib.contextmanager
def _as_reader(asking: Asking) -> Iterator[NativeConnection]:
    """A session of the user that may read, in the transaction in which that user exists. Raises _Unanswered at the end of its time."""
    seconds = asking.server.bounds.check_seconds
    with asking.server.connect(asking.name, answer_within=seconds) as reader:
        try:
            _become_reader(reader, asking)
            yield reader
        except ConnectionLost as problem:
            # The driver has sent an attention, and the connection is closed: the server rolls back by itself.
            if isinstance(problem.__cause__, TimeoutError):
                raise _Unanswered(f"it did not end within {seconds} s") from problem
            raise
        finally:
            with contextlib.suppress(EngineError, ConnectionLost):
                reader.run("IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION")


def _become_reader(reader: NativeConnection, asking: Asking) -> None:
    _require_unfiltered(reader)
    user = bracketed(asking.user)
    for statement in (
        *_SETTINGS,
        "BEGIN TRANSACTION",
        f"CREATE USER {user} WITHOUT LOGIN",
        # All tables and views of the database; without UNMASK it would be shown masks instead of values.
        f"GRANT SELECT TO {user}",
        f"GRANT UNMASK TO {user}",
        # Alone and without parameters: within sp_executesql it would end with it.
        f"EXECUTE AS USER = N'{asking.user}' WITH NO REVERT",
    ):
        reader.run(statement)


def _require_unfiltered(reader: NativeConnection) -> None:
    """What can't be asked in this database at all."""
    if trigger := database_triggers.of(reader, _EVENTS):
        raise _Unanswered(
            f"the database trigger {trigger} of the backup would run with the rights of the login that restores: disable it at the source, "
            "or ask when the restore is done"
        )
    if policies := reader.rows(_POLICIES):
        raise _Unanswered(f"the security policy {policies[0]['name']} may show only some of the rows: ask when the restore is done")


def _require_gone(asking: Asking) -> None:
    with asking.server.connect(asking.name) as inside:
        found = inside.rows("SELECT name FROM sys.database_principals WHERE name = %s", [asking.user])
        if found:
            inside.run(f"DROP USER {bracketed(asking.user)}")
            raise VerificationFailed(f"{asking.name}: the user {asking.user} that asked the checks was still there, and was dropped")


def _counts(check: AskedCheck) -> bool:
    return isinstance(check.expect, Expectation) and check.expect.rows is not None


def _plain(text: str) -> str:
    """Without parameters, so a per cent sign is only that."""
    return text.replace("%", "%%")
