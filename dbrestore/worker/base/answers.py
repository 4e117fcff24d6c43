"""Is an answer of the database the one that was expected? Pure: what the server said comes in, a judgement goes out."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from hashlib import sha256
from typing import Final

from dbrestore.contract.checks.asked import AnswerStatus, AskedCheck, CheckAnswer, Expectation
from dbrestore.worker.base import limits

_BOOLEANS: Final = {"true": True, "false": False}


@dataclass(frozen=True)
class Answer:
    """What came back: how many rows (2 stands for more than one where a value was asked for), and the first value's text and type as the
    server calls it; `text` None is NULL. `moment` is that of a value whose type is a moment in time, with a zone."""

    rows: int
    text: str | None = None
    kind: str = ""
    moment: datetime | None = None


def judged(check: AskedCheck, answer: Answer, point_made_at: datetime) -> CheckAnswer:
    """The answer as the result keeps it. `point_made_at` is what ages are counted back from."""
    expect = check.expect
    if isinstance(expect, Expectation) and expect.rows is not None:
        return _kept(check, str(answer.rows), "" if answer.rows == expect.rows else "another number of rows came back")
    if answer.rows != 1:
        return not_had(check, "no row came back, and one value was expected" if answer.rows == 0 else "more than one row came back")
    if answer.text is not None and len(answer.text) >= limits.ANSWER_CHARACTERS:
        return not_had(check, f"the value is longer than {limits.ANSWER_CHARACTERS:,} characters: compare its length or its digest")
    return _kept(check, answer.text, _difference(check, answer, point_made_at))


def not_had(check: AskedCheck, why: str) -> CheckAnswer:
    """There is no answer that could be compared."""
    return CheckAnswer(name=check.name, expected=check.told, status="not checked", why=why)


def _kept(check: AskedCheck, text: str | None, why: str) -> CheckAnswer:
    status: AnswerStatus = "failed" if why else "ok"
    shown = ("NULL" if text is None else text) if check.show else None
    digest = "" if text is None else sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return CheckAnswer(name=check.name, expected=check.told, status=status, sha256=digest, value=shown, why=why)


def _difference(check: AskedCheck, answer: Answer, point_made_at: datetime) -> str:
    """Empty if there is none; never says the value."""
    expect = check.expect
    if answer.text is None or expect is None:
        return "" if answer.text is None and expect is None else f"{'NULL' if answer.text is None else 'a value'} came back"
    if isinstance(expect, Expectation):
        return _age(expect, answer, point_made_at) if expect.max_age_seconds is not None else _bounds(expect, answer)
    return "" if _is(expect, answer) else "another value came back"


def _is(expect: bool | float | str, answer: Answer) -> bool:
    if isinstance(expect, bool):
        return _BOOLEANS.get(answer.text or "") is expect
    if isinstance(expect, int | float):
        return _number(answer) == Decimal(str(expect))
    return answer.text == expect


def _bounds(expect: Expectation, answer: Answer) -> str:
    number = _number(answer)
    if number is None or number.is_nan():
        return f"a value of type {answer.kind} came back, which is no number"
    if expect.min is not None and number < Decimal(str(expect.min)):
        return "a smaller number came back"
    return "a greater number came back" if expect.max is not None and number > Decimal(str(expect.max)) else ""


def _age(expect: Expectation, answer: Answer, point_made_at: datetime) -> str:
    if answer.moment is None:
        return f"a value of type {answer.kind} came back, which is no moment in time"
    age = (point_made_at - answer.moment).total_seconds()
    return "" if age <= (expect.max_age_seconds or 0) else "an older moment came back"


def _number(answer: Answer) -> Decimal | None:
    try:
        return Decimal(answer.text or "")
    except InvalidOperation:
        return None
