"""Which days a cron expression means. Each rule answers for one month."""

import calendar
from dataclasses import dataclass
from datetime import date
from typing import Protocol

# As in cron(): Sunday is 1.
WEEKDAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_SATURDAY, _SUNDAY = 7, 1


class DayRule(Protocol):
    """The days of a month, in their order; none if the month has no such day."""

    def days(self, year: int, month: int) -> list[int]:
        """Days from 1."""
        ...


def _weekday(year: int, month: int, day: int) -> int:
    return date(year, month, day).isoweekday() % 7 + 1


def _length(year: int, month: int) -> int:
    return calendar.monthrange(year, month)[1]


@dataclass(frozen=True)
class DaysOfMonth:
    """`1,15`; `*` is all 31."""

    numbers: frozenset[int]

    def days(self, year: int, month: int) -> list[int]:
        """A month that is shorter has fewer."""
        return sorted(day for day in self.numbers if day <= _length(year, month))


@dataclass(frozen=True)
class LastDay:
    """`L` as a day of the month."""

    def days(self, year: int, month: int) -> list[int]:
        """One."""
        return [_length(year, month)]


@dataclass(frozen=True)
class NearestWorkday:
    """`15W`: the day from Monday to Friday that is nearest to the 15th, inside the same month."""

    number: int

    def days(self, year: int, month: int) -> list[int]:
        """One, or none in a month without that day."""
        if self.number > _length(year, month):
            return []
        weekday = _weekday(year, month, self.number)
        if weekday == _SATURDAY:
            return [self.number - 1 if self.number > 1 else self.number + 2]
        if weekday == _SUNDAY:
            return [self.number + 1 if self.number < _length(year, month) else self.number - 2]
        return [self.number]


@dataclass(frozen=True)
class DaysOfWeek:
    """`MON-FRI`; `L` alone is Saturday, the last day of a week."""

    numbers: frozenset[int]

    def days(self, year: int, month: int) -> list[int]:
        """All of the month."""
        return [day for day in range(1, _length(year, month) + 1) if _weekday(year, month, day) in self.numbers]


@dataclass(frozen=True)
class CountedWeekday:
    """`3#2`: the second Tuesday of the month; `nth` -1 is `3L`, the last one."""

    number: int
    nth: int

    def days(self, year: int, month: int) -> list[int]:
        """One, or none in a month without a fifth."""
        found = DaysOfWeek(frozenset({self.number})).days(year, month)
        if self.nth < 0:
            return found[-1:]
        return found[self.nth - 1 : self.nth]
