"""A schedule's expression in words, for people who don't read cron."""

from collections.abc import Iterable

from dbrestore.contract.schedules.cron import Cron
from dbrestore.contract.schedules.days import WEEKDAYS, CountedWeekday, DayRule, DaysOfMonth, DaysOfWeek, NearestWorkday
from dbrestore.contract.schedules.expressions import At, Expression, Rate

_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_NTH = ("first", "second", "third", "fourth", "fifth")
# More times of day than that are told by their hours and minutes.
_MOST_TIMES = 6


def told(expression: Expression) -> str:
    """`Sunday at 02:00`; `every 7 days, from the deployment on`; `once, on 2027-01-31 at 02:00:00`."""
    if isinstance(expression, Rate):
        return f"every {expression.told.removeprefix('1 ')}, from the deployment on"
    if isinstance(expression, At):
        return f"once, on {expression.time:%Y-%m-%d at %H:%M:%S}"
    months = "" if len(expression.months) == len(_MONTHS) else f" in {_list(_MONTHS[month - 1] for month in expression.months)}"
    return f"{_days(expression.days)}{months}{_years(expression)} {_times(expression)}"


def _days(rule: DayRule) -> str:
    if isinstance(rule, DaysOfMonth):
        return "every day" if len(rule.numbers) == 31 else f"day {_list(map(str, sorted(rule.numbers)))} of the month"
    if isinstance(rule, NearestWorkday):
        return f"the working day nearest to day {rule.number} of the month"
    if isinstance(rule, DaysOfWeek):
        return "every day" if len(rule.numbers) == len(WEEKDAYS) else _list(WEEKDAYS[day - 1] for day in sorted(rule.numbers))
    if isinstance(rule, CountedWeekday):
        return f"the {'last' if rule.nth < 0 else _NTH[rule.nth - 1]} {WEEKDAYS[rule.number - 1]} of the month"
    return "the last day of the month"


def _years(cron: Cron) -> str:
    first, last = cron.years[0], cron.years[-1]
    if len(cron.years) == last - first + 1:
        return "" if len(cron.years) > 200 else f" of {first}" if first == last else f" of {first} to {last}"
    return f" of {_list(map(str, cron.years))}"


def _times(cron: Cron) -> str:
    if len(cron.hours) * len(cron.minutes) <= _MOST_TIMES:
        return f"at {_list(f'{hour:02d}:{minute:02d}' for hour in cron.hours for minute in cron.minutes)}"
    minutes = "every minute" if len(cron.minutes) == 60 else f"at minute {_list(map(str, cron.minutes))}"
    return f"{minutes} of {'every hour' if len(cron.hours) == 24 else f'hour {_list(map(str, cron.hours))}'}"


def _list(texts: Iterable[str]) -> str:
    *rest, last = texts
    return f"{', '.join(rest)} and {last}" if rest else last
