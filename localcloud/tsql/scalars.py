"""T-SQL's functions that need nothing but their arguments. NULL in, NULL out, unless said otherwise."""

import calendar
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from localcloud.sqlserver.texts import text
from localcloud.tds.engine import Value
from localcloud.tsql.data_types import DataType
from localcloud.tsql.values import Stored, loaded, stored

_SECONDS: Final = {
    "second": 1,
    "ss": 1,
    "s": 1,
    "minute": 60,
    "mi": 60,
    "n": 60,
    "hour": 3600,
    "hh": 3600,
    "day": 86400,
    "dd": 86400,
    "d": 86400,
}
_MONTHS: Final = {"month": 1, "mm": 1, "m": 1, "year": 12, "yy": 12, "yyyy": 12}
_PARTS: Final = {
    "second": "second",
    "ss": "second",
    "s": "second",
    "minute": "minute",
    "mi": "minute",
    "n": "minute",
    "hour": "hour",
    "hh": "hour",
    "day": "day",
    "dd": "day",
    "d": "day",
    "month": "month",
    "mm": "month",
    "m": "month",
    "year": "year",
    "yy": "year",
    "yyyy": "year",
}
# .NET's custom formats, as FORMAT takes them.
_FORMATS: Final = {"yyyy": "%Y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S"}
_LONGEST_QUOTED: Final = 128


def added(one: Stored, other: Stored) -> Stored:
    """`+`: texts are joined, days go on top of a moment, and a text beside a number is a number. Raises SqlError 245."""
    if one is None or other is None:
        return None
    first, second = loaded(one), loaded(other)
    if isinstance(first, str) and isinstance(second, str):
        return first + second
    if isinstance(first, datetime) and isinstance(second, int | float):
        return stored(first + timedelta(days=second))
    return _number(first, second) + _number(second, first)


def taken_away(one: Stored, other: Stored) -> Stored:
    """`-`, of numbers, and of days from a moment. Raises SqlError 245."""
    if one is None or other is None:
        return None
    first, second = loaded(one), loaded(other)
    if isinstance(first, datetime) and isinstance(second, int | float):
        return stored(first - timedelta(days=second))
    return _number(first, second) - _number(second, first)


def converted(given: Stored, type_: str, length: int | None, style: int) -> Stored:
    """CAST and CONVERT. Raises SqlError 245, 241, 8115."""
    return stored(DataType(type_, length).converted(loaded(given), style))


def difference(unit: str, begin: Stored, end: Stored) -> int | None:
    """Boundaries crossed, as SQL Server counts: 10:59:59 and 11:00:00 are an hour apart."""
    first, last = loaded(begin), loaded(end)
    if not isinstance(first, datetime) or not isinstance(last, datetime):
        return None
    if unit in _MONTHS:
        months = 12 * (last.year - first.year) + last.month - first.month
        return last.year - first.year if _MONTHS[unit] == 12 else months
    start, step = datetime(1900, 1, 1), timedelta(seconds=_SECONDS[unit])
    return (last - start) // step - (first - start) // step


def date_added(unit: str, count: int | None, given: Stored) -> Stored:
    """DATEADD."""
    moment = DataType("datetime").converted(loaded(given))
    if not isinstance(moment, datetime) or count is None:
        return None
    if unit not in _MONTHS:
        return stored(moment + timedelta(seconds=_SECONDS[unit] * int(count)))
    year, month = divmod(moment.year * 12 + moment.month - 1 + _MONTHS[unit] * int(count), 12)
    # The 31st of a month that has none is its last day.
    return stored(moment.replace(year=year, month=month + 1, day=min(moment.day, calendar.monthrange(year, month + 1)[1])))


def date_part(unit: str, given: Stored) -> int | None:
    """DATEPART."""
    moment = DataType("datetime").converted(loaded(given))
    return None if moment is None else int(getattr(moment, _PARTS[unit]))


def formatted(given: Stored, pattern: str) -> str | None:
    """FORMAT of a moment; letters that aren't known are refused."""
    moment = loaded(given)
    if not isinstance(moment, datetime):
        return None
    # Each letter's run is a specifier: yyyyMMdd are three.
    specifiers = [found.group() for found in re.finditer(r"([A-Za-z])\1*|[^A-Za-z]", pattern)]
    if any(one[0].isalpha() and one not in _FORMATS for one in specifiers):
        raise text("not-convertible").error(type=pattern)
    return "".join(moment.strftime(_FORMATS[one]) if one in _FORMATS else one for one in specifiers)


def joined(*given: Stored) -> str:
    """CONCAT: NULL is nothing."""
    return "".join(str(DataType("nvarchar").converted(loaded(one)) or "") for one in given)


def quoted_name(name: str | None, quote: str = "[") -> str | None:
    """QUOTENAME; NULL for a name of more than 128 characters."""
    if name is None or len(name) > _LONGEST_QUOTED:
        return None
    begin, end = ("[", "]") if quote in "[]" else (quote, quote)
    return begin + name.replace(end, end * 2) + end


def place_of(wanted: str | None, given: str | None, start: int = 1) -> int | None:
    """CHARINDEX, from 1; 0 for nowhere."""
    return None if wanted is None or given is None else given.casefold().find(wanted.casefold(), max(0, start - 1)) + 1


def replaced(given: str | None, wanted: str | None, by: str | None) -> str | None:
    """REPLACE, without case."""
    if given is None or wanted is None or by is None:
        return None
    return re.sub(re.escape(wanted), lambda _: by, given, flags=re.IGNORECASE) if wanted else given


def length(given: Stored) -> int | None:
    """LEN: blanks at the end don't count."""
    return None if given is None else len(str(DataType("nvarchar").converted(loaded(given))).rstrip(" "))


def substring(given: str | None, start: int, count: int) -> str | None:
    """SUBSTRING: what lies before the first character counts but isn't there."""
    return None if given is None else given[max(0, start - 1) : max(0, start - 1 + count)]


def _number(given: Value, beside: Value) -> float:
    kind = "float" if isinstance(beside, float) or isinstance(given, float) else "bigint"
    return DataType(kind).converted(given)  # type: ignore[return-value]  # no NULL went in


# SQLite's name and how many arguments it takes.
SCALARS: Final[dict[str, tuple[Callable[..., Stored], tuple[int, ...]]]] = {
    "added": (added, (2,)),
    "taken_away": (taken_away, (2,)),
    "converted": (converted, (4,)),
    "datediff": (difference, (3,)),
    "dateadd": (date_added, (3,)),
    "datepart": (date_part, (2,)),
    "format": (formatted, (2,)),
    "concat": (joined, (-1,)),
    "quotename": (quoted_name, (1, 2)),
    "charindex": (place_of, (2, 3)),
    "replaced": (replaced, (3,)),
    "len": (length, (1,)),
    "substring": (substring, (3,)),
    "left_of": (lambda given, count: None if given is None else str(given)[:count], (2,)),
    "right_of": (lambda given, count: None if given is None else str(given)[-count:] if count else "", (2,)),
}
