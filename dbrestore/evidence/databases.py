"""What was expected of each database, found and not checked, out of the worker's results: counted whole, listed as far as people read."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final, TypeVar

from dbrestore.contract import left_out_lists
from dbrestore.contract.checks.asked import AskedCheck
from dbrestore.contract.evidence import DatabaseEvidence, Question
from dbrestore.contract.job import Check, DatabaseResult, FixUp, LeftOut, Result
from dbrestore.contract.sections import DatabaseOutcome
from dbrestore.evidence import methods

# What a document of all databases lists, and what one database may list at least. A page of so many rows opens in a browser at once.
LISTED: Final = 2_000
LEAST_LISTED: Final = 25
# A person reads the beginning of a text; its whole is in the worker's result.
LONGEST_TEXT: Final = 400
LONGEST_SQL: Final = 2_000
_WORST_FIRST: Final = {"failed": 0, "not checked": 1, "ok": 2}

Listed = TypeVar("Listed", FixUp, LeftOut)


def gathered(
    outcomes: Sequence[DatabaseOutcome], results: Iterable[Result], asked: Iterable[AskedCheck] = ()
) -> tuple[DatabaseEvidence, ...]:
    """One per database of the report. `results` in the order in which the jobs were begun, by kind; `asked` are the plan's own checks."""
    told = list(results)
    left_out = left_out_lists.by_database(told)
    most = max(LEAST_LISTED, LISTED // max(1, len(outcomes)))
    questions = _questions(asked)
    found = (_database(outcome, told, left_out.get(outcome.asked_name, ()), most) for outcome in outcomes)
    return tuple(database.model_copy(update={"questions": questions.get(database.name, ())}) for database in found)


def _questions(asked: Iterable[AskedCheck]) -> dict[str | None, tuple[Question, ...]]:
    """By the database's name in the restore point. Whole: they are bounded as no text of a dump is."""
    found: dict[str | None, tuple[Question, ...]] = {}
    for check in asked:
        question = Question(name=check.name, sql=check.sql, expected=check.told)
        found[check.database] = (*found.get(check.database, ()), question)
    return found


def _database(outcome: DatabaseOutcome, results: list[Result], left_out: Sequence[LeftOut], most: int) -> DatabaseEvidence:
    parts = [(result.kind, part) for result in results for part in result.databases if part.asked_name == outcome.asked_name]
    verified = next((part for kind, part in reversed(parts) if kind == "verify"), None)
    adapted = list(dict.fromkeys(one for _, part in parts for one in part.fix_ups))
    checks = verified.checks if verified else ()
    answers = verified.answers if verified else ()
    return DatabaseEvidence(
        name=outcome.name,
        asked_name=outcome.asked_name,
        status=outcome.status,
        proven=verified is not None and _is_proven(verified),
        error=outcome.error,
        rows=outcome.rows,
        bytes=outcome.bytes,
        seconds=outcome.seconds,
        sorts=methods.sorts(checks),
        checks=tuple(map(_short_check, _worst_first(checks, most))),
        checks_unlisted=max(0, len(checks) - most),
        answers=answers[:most],
        answers_unlisted=max(0, len(answers) - most),
        adapted=tuple(map(_short_fix_up, adapted[:most])),
        adapted_unlisted=max(0, len(adapted) - most),
        left_out=tuple(map(_short_left_out, left_out[:most])),
        left_out_unlisted=max(0, len(left_out) - most),
    )


def _is_proven(verified: DatabaseResult) -> bool:
    failed = any(check.result == "failed" for check in verified.checks)
    return verified.status == "PROMOTED" and not failed and all(answer.status == "ok" for answer in verified.answers)


def _worst_first(checks: Sequence[Check], most: int) -> list[Check]:
    """Without sorting some hundred thousand rows for the sake of some hundred."""
    found: dict[str, list[Check]] = {result: [] for result in _WORST_FIRST}
    for check in checks:
        if len(found[check.result]) < most:
            found[check.result].append(check)
    return [check for result in _WORST_FIRST for check in found[result]][:most]


def _short_check(check: Check) -> Check:
    name, expected, actual = (_cut(text, LONGEST_TEXT) for text in (check.check, check.expected, check.actual))
    return replace(check, check=name, expected=expected, actual=actual)


def _short_fix_up(one: FixUp) -> FixUp:
    return _shortened(one, entry=LONGEST_TEXT, what=LONGEST_TEXT)


def _short_left_out(one: LeftOut) -> LeftOut:
    return _shortened(one, entry=LONGEST_TEXT, why=LONGEST_TEXT, sql=LONGEST_SQL)


def _shortened(document: Listed, **longest: int) -> Listed:
    texts: Mapping[str, str] = {name: getattr(document, name) for name in longest}
    return document.model_copy(update={name: _cut(text, longest[name]) for name, text in texts.items()})


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest]}... (cut, {len(text):,} characters)"
