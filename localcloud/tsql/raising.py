"""PRINT, RAISERROR and THROW: the messages and errors that a script sends by itself."""

import re
from collections.abc import Sequence
from typing import Final

from localcloud.sqlserver.texts import text
from localcloud.tds.engine import Message, SqlError, Value
from localcloud.tsql.data_types import DataType

# What a text without a number of its own is raised with.
RAISED: Final = 50000
_MOST_INFORMATION: Final = 10
_MOST_FREE: Final = 18
_LONGEST: Final = 4000
_FORMAT: Final = re.compile(r"%%|%[-+0 #]*\d*(?:\.\d+)?(?:I64)?[diosuxX]")


def printed(given: Value) -> Message:
    """PRINT: NULL is nothing, and of a long text the first 4,000 characters are left."""
    return Message(str(DataType("nvarchar", _LONGEST).converted(given) or ""))


def raised(arguments: Sequence[Value]) -> Message:
    """RAISERROR with a severity up to 10. Raises SqlError for a higher one, which is what was asked for."""
    given, severity, state = arguments[:3]
    severity, state = int(severity or 0), int(state or 0)  # type: ignore[arg-type]  # anything else is no RAISERROR
    if severity > _MOST_FREE:
        raise text("severity-forbidden").error()
    number = given if isinstance(given, int) else RAISED
    said = _formatted(str(given or ""), arguments[3:])
    if severity > _MOST_INFORMATION:
        raise SqlError(number, said, severity=severity, state=state)
    return Message(said, number, severity=severity, state=state)


def throw(arguments: Sequence[Value], caught: SqlError | None) -> None:
    """Always raises: the error that is named, or the one that was caught; both end the batch."""
    if not arguments:
        if caught is None:
            raise text("nothing-caught").error()
        raise SqlError(caught.number, str(caught), severity=caught.severity, state=caught.state, ends_batch=True)
    number, said, state = arguments
    if not isinstance(number, int) or number < RAISED:
        raise text("throw-number").error(number=number)
    raise SqlError(number, str(said or ""), state=int(state or 0), ends_batch=True)  # type: ignore[arg-type]


def _formatted(said: str, values: Sequence[Value]) -> str:
    left = list(values)

    def one(found: re.Match[str]) -> str:
        if found.group() == "%%":
            return "%"
        value = left.pop(0) if left else None
        if value is None:
            return "(null)"
        return found.group().replace("I64", "").replace("u", "d") % value

    return _FORMAT.sub(one, said)
