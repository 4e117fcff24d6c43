"""`cron(minutes hours day-of-month month day-of-week year)`: what may stand in the six fields, and the times that they mean.

Values and wildcards are those of AWS's tables (EventBridge Scheduler User Guide, "Schedule types"; EventBridge User Guide, "Cron
expressions reference"). What no table shows (`LW`, `L-3`, `FRI-MON`, lower case) is refused: Scheduler may refuse it too, and then only at
the deployment.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from dbrestore.contract.schedules.days import (
    CountedWeekday,
    DayRule,
    DaysOfMonth,
    DaysOfWeek,
    LastDay,
    NearestWorkday,
)

MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
DAYS: Final = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
LAST_YEAR: Final = 2199
EXAMPLE: Final = "cron(0 2 ? * SUN *)"


@dataclass(frozen=True)
class _Field:
    name: str
    lowest: int
    highest: int
    names: tuple[str, ...] = ()
    has_steps: bool = True

    @property
    def named(self) -> Mapping[str, int]:
        return {name: self.lowest + n for n, name in enumerate(self.names)}

    @property
    def told(self) -> str:
        return f"{self.lowest}-{self.highest}" + (f" or {self.names[0]}-{self.names[-1]}" if self.names else "")


_MINUTE = _Field("minutes", 0, 59)
_HOUR = _Field("hours", 0, 23)
_DAY = _Field("day-of-month", 1, 31)
_MONTH = _Field("month", 1, 12, MONTHS)
_WEEKDAY = _Field("day-of-week", 1, 7, DAYS, has_steps=False)
_YEAR = _Field("year", 1970, LAST_YEAR)
FIELDS: Final = (_MINUTE, _HOUR, _DAY, _MONTH, _WEEKDAY, _YEAR)
_PART = re.compile(r"(?P<first>\*|[A-Z]+|[0-9]+)(?:-(?P<last>[A-Z]+|[0-9]+))?(?:/(?P<step>[0-9]+))?")


@dataclass(frozen=True)
class Cron:
    """Times on the clock of a time zone that isn't said here."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: DayRule
    months: tuple[int, ...]
    years: tuple[int, ...]

    def times(self, since: datetime) -> Iterator[datetime]:
        """All at or after `since`, oldest first, as the clock on the wall shows them, without a zone."""
        for year in (year for year in self.years if year >= since.year):
            for month in self.months:
                if (year, month) >= (since.year, since.month):
                    yield from (time for time in self._of_month(year, month) if time >= since)

    def _of_month(self, year: int, month: int) -> Iterator[datetime]:
        for day in self.days.days(year, month):
            for hour in self.hours:
                for minute in self.minutes:
                    yield datetime(year, month, day, hour, minute)


def parse(text: str) -> Cron:
    """What stands between the parentheses. Raises ValueError with all that is wrong, as one sentence."""
    parts = text.split()
    if len(parts) != len(FIELDS):
        names = " ".join(field.name for field in FIELDS)
        raise ValueError(f"has {len(parts)} fields instead of 6 ({names}): write it like {EXAMPLE}")
    problems: list[str] = []
    minute, hour, day, month, weekday, year = parts
    minutes, hours = _tried(_MINUTE, minute, problems), _tried(_HOUR, hour, problems)
    months, years = _tried(_MONTH, month, problems), _tried(_YEAR, year, problems)
    rule = _tried_days(day, weekday, problems)
    if problems or rule is None:
        raise ValueError("; ".join(problems))
    return Cron(minutes, hours, rule, months, years)


def _tried(field: _Field, part: str, problems: list[str]) -> tuple[int, ...]:
    try:
        return _values(field, part)
    except ValueError as error:
        problems.append(str(error))
        return ()


def _tried_days(day: str, weekday: str, problems: list[str]) -> DayRule | None:
    if (day == "?") is (weekday == "?"):
        told = "?" if day == "?" else "set"
        problems.append(f"day-of-month and day-of-week are both {told}: write ? in exactly one of them, as in {EXAMPLE}")
        return None
    try:
        return _days_of_month(day) if weekday == "?" else _days_of_week(weekday)
    except ValueError as error:
        problems.append(str(error))
        return None


def _days_of_month(text: str) -> DayRule:
    if text == "L":
        return LastDay()
    if match := re.fullmatch(r"([0-9]+)W", text):
        return NearestWorkday(_number(_DAY, match[1], text))
    if re.search("[LW]", text):
        raise ValueError(f"{_DAY.name} {text!r} isn't possible: L stands alone, and W behind one day, like 15W")
    return DaysOfMonth(frozenset(_values(_DAY, text)))


def _days_of_week(text: str) -> DayRule:
    if text == "L":
        return DaysOfWeek(frozenset({_WEEKDAY.highest}))
    if match := re.fullmatch(r"([0-9]+)L", text):
        return CountedWeekday(_number(_WEEKDAY, match[1], text), -1)
    if match := re.fullmatch(r"([0-9]+)#([1-5])", text):
        return CountedWeekday(_number(_WEEKDAY, match[1], text), int(match[2]))
    if "#" in text or "L" in text:
        raise ValueError(f"{_WEEKDAY.name} {text!r} isn't possible: write 6L for the last Friday of a month, 3#2 for its second Tuesday")
    return DaysOfWeek(frozenset(_values(_WEEKDAY, text)))


def _values(field: _Field, text: str) -> tuple[int, ...]:
    return tuple(sorted({value for part in text.split(",") for value in _of_part(field, part, text)}))


def _of_part(field: _Field, part: str, text: str) -> range:
    match = _PART.fullmatch(part)
    if match is None or (match["step"] and not field.has_steps) or (match["first"] == "*" and match["last"]):
        raise ValueError(_unreadable(field, text))
    step = int(match["step"] or 1)
    if not 1 <= step <= field.highest:
        raise ValueError(f"{field.name} {text!r} has a step of {step}: write one from 1 to {field.highest}")
    if match["first"] == "*":
        return range(field.lowest, field.highest + 1, step)
    first = _number(field, match["first"], text)
    # `5/10` goes on to the end of the field, `5` is 5 alone.
    alone = field.highest if match["step"] else first
    last = _number(field, match["last"], text) if match["last"] else alone
    if first > last:
        raise ValueError(f"{field.name} {text!r} runs backwards: write two ranges with a comma between them")
    return range(first, last + 1, step)


def _number(field: _Field, text: str, whole: str) -> int:
    number = field.named.get(text, int(text) if text.isdecimal() else -1)
    if not field.lowest <= number <= field.highest:
        raise ValueError(_unreadable(field, whole))
    return number


def _unreadable(field: _Field, text: str) -> str:
    steps = ", steps like 0/15" if field.has_steps else ""
    return f"{field.name} {text!r} isn't possible: write values of {field.told}, ranges with -{steps}, several with commas, or *"
