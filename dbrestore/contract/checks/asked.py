"""Checks of one's own: a question to a restored database in SQL, and the answer that is expected.

They stand in a request and in the declaration of a drill, and travel with the plan and the job to the worker, whose answers come back in
its result. Invariant: an answer that didn't match, or a question that couldn't be asked, is never green.
"""

import re
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, ValidationError

from dbrestore.contract.document import Document
from dbrestore.contract.texts import Text

AnswerStatus = Literal["ok", "failed", "not checked"]

LONGEST_QUESTION: Final = 4000
# Of all checks of a restore together: they travel through the state, which holds 256 KiB.
ALL_QUESTIONS: Final = 40_000
MOST_CHECKS: Final = 50

FORMS: Final = '{"min": 1, "max": 9} (one of the two is enough), {"maxAgeSeconds": 3600} or {"rows": 0}'
_RULE: Final = f"must be the value itself (a number, a text, true, false or null), or {FORMS}"
EXPECTED: Final = {"sql": f"must be one statement that reads, in at most {LONGEST_QUESTION:,} characters", "show": "must be true or false"}
# Statements that only read. What reads and writes at once (`WITH ... DELETE`) begins the same, and is refused by the server.
_READS: Final = ("select", "with", "values", "table")
_BEFORE_THE_FIRST_WORD: Final = re.compile(r"(?:[\s(]|--[^\n]*(?:\n|$)|/\*.*?\*/)*", re.DOTALL)
_WORD: Final = re.compile(r"[A-Za-z]+")
# Quoting that only a server of the right engine and settings reads for certain: escapes, dollar quotes, brackets, nested comments.
_UNSURE: Final = re.compile(r"[\\$\[]|/\*")
_QUOTED_OR_COMMENT: Final = re.compile(r"'[^']*'|\"[^\"]*\"|--[^\n]*")


class Expectation(Document):
    """What an answer must be besides a value: `min` and `max` bound a number, both included; `max_age_seconds` a moment, counted back from
    the time of the restore point (not from now: an old backup is not a stale one); `rows` is the number of rows of the answer."""

    min: float | None = None
    max: float | None = None
    max_age_seconds: float | None = Field(default=None, ge=0)
    rows: int | None = Field(default=None, ge=0)


def _form(value: Any) -> Any:
    if not isinstance(value, dict):
        if isinstance(value, bool | int | float | str) or value is None:
            return value
        raise ValueError(_RULE)
    try:
        expectation = Expectation.model_validate(value, strict=True)
    except ValidationError as error:
        raise ValueError(_RULE) from error
    # A document of ours writes what is not set as null.
    given = {key for key in expectation.model_fields_set if getattr(expectation, key) is not None}
    if len(given) == 1 or given == {"min", "max"}:
        if expectation.min is not None and expectation.max is not None and expectation.min > expectation.max:
            raise ValueError("has a min that is greater than its max: exchange the two")
        return expectation
    raise ValueError(_RULE)


def _one_question(text: str) -> str:
    """What can be seen without a server. Whether it is one statement and reads only, the server decides, before anything is restored: two
    are refused here only where no quoting could make them one."""
    if "\x00" in text:
        raise ValueError("holds a zero byte, which no statement can: leave it out")
    start = _BEFORE_THE_FIRST_WORD.match(text)
    word = _WORD.match(text, start.end() if start else 0)
    if word is None or word[0].lower() not in _READS:
        raise ValueError("must be one statement that reads: SELECT, WITH ... SELECT, VALUES or TABLE")
    if not _UNSURE.search(text) and re.search(r";\s*[^\s;]", _QUOTED_OR_COMMENT.sub(" ", text)):
        raise ValueError("holds more than one statement: make a check of each")
    return text


Expected = Annotated[Expectation | bool | int | float | str | None, BeforeValidator(_form)]


class AskedCheck(Document):
    """One question. `database` is its name in the restore point; it may be left out if only one database is restored. `sql` is one
    statement that reads, without parameters; names without a schema are looked for in `public`, on SQL Server in `dbo`. `expect` is a
    value, or an Expectation. The value that came back is kept as its SHA-256 alone; `show` true keeps and shows the value itself."""

    name: str = Field(min_length=1, max_length=100)
    database: str | None = Field(default=None, min_length=1)
    sql: Annotated[str, BeforeValidator(lambda value: _one_question(value) if isinstance(value, str) else value)] = Field(
        min_length=1, max_length=LONGEST_QUESTION
    )
    expect: Expected
    show: bool = False

    @property
    def told(self) -> str:
        """What is expected, in words."""
        if not isinstance(self.expect, Expectation):
            return "NULL" if self.expect is None else str(self.expect).lower() if isinstance(self.expect, bool) else str(self.expect)
        expected = self.expect
        if expected.rows is not None:
            return f"{expected.rows:,} rows"
        if expected.max_age_seconds is not None:
            return f"at most {expected.max_age_seconds:,.0f} s before the restore point"
        bounds = (f"{word} {bound:,.15g}" for word, bound in (("at least", expected.min), ("at most", expected.max)) if bound is not None)
        return " and ".join(bounds)


class CheckAnswer(Document):
    """What became of one check in one database. `expected` in words; `sha256` of the value's text in UTF-8 (of the number of rows for
    `rows`), in hexadecimal digits, empty if there was none; `value` only if the check says `show`; `why` says what was wrong, without any
    value."""

    name: str
    expected: Text
    status: AnswerStatus
    sha256: str = ""
    value: Text | None = None
    why: Text = ""
    seconds: float = 0.0
