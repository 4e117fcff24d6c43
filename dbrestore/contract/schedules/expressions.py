"""A schedule's expression: `cron(...)`, `rate(...)` or `at(...)`, and the moments at which it starts something.

A time that the clock leaves out in spring starts nothing, one that it shows twice in autumn starts once, a day of `rate` is 24 hours, and a
rate without a start date starts at once (EventBridge Scheduler User Guide, "Schedule types"; AWS re:Post, "How can I adjust my Amazon
EventBridge schedule for daylight saving?"). That it is the first of the two times in autumn is assumed: "runs only once".
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from itertools import islice, pairwise
from zoneinfo import ZoneInfo, available_timezones

from dbrestore.contract.schedules import cron
from dbrestore.contract.schedules.cron import Cron

FORMS = "must be cron(0 2 ? * SUN *), rate(7 days) or at(2027-01-31T02:00:00)"
_SECONDS = {"minute": 60, "hour": 3600, "day": 86400}
# No zone's clock is further from UTC, and none jumps by more than a day.
_FURTHEST = timedelta(days=2)
# Pairs of starts that are looked at: two lie nearest to each other within the first few, or the expression is a very odd one.
_LOOKED_AT = 200


@dataclass(frozen=True)
class Rate:
    """Every `seconds`; `told` is `7 days`."""

    seconds: int
    told: str


@dataclass(frozen=True)
class At:
    """Once. `time` is what the clock on the wall shows, without a zone."""

    time: datetime


Expression = Cron | Rate | At


@lru_cache(maxsize=1000)
def parse(text: str) -> Expression:
    """Raises ValueError: what is wrong and what to write instead."""
    match = re.fullmatch(r"(cron|rate|at)\((.*)\)", text)
    if match is None:
        raise ValueError(f"{FORMS}, not {text[:80]!r}")
    kind, inner = match.groups()
    if kind == "cron":
        return cron.parse(inner)
    return _rate(inner) if kind == "rate" else _at(inner)


def _rate(text: str) -> Rate:
    match = re.fullmatch(r"([0-9]{1,9}) (minute|hour|day)(s?)", text)
    if match is None or int(match[1]) == 0:
        raise ValueError(f"rate({text}) isn't possible: write a whole number from 1 and minutes, hours or days, like rate(7 days)")
    number, unit = int(match[1]), match[2]
    # EventBridge User Guide, "Rate expressions reference": of 1 the singular, of more the plural.
    told = f"{number} {unit}" if number == 1 else f"{number} {unit}s"
    if (number > 1) is not bool(match[3]):
        raise ValueError(f"rate({text}) isn't possible: write {told}")
    return Rate(number * _SECONDS[unit], told)


def _at(text: str) -> At:
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", text, re.ASCII):
            return At(datetime.fromisoformat(text))
    except ValueError:
        pass
    raise ValueError(f"at({text}) isn't a moment: write at(2027-01-31T02:00:00), without a zone, which timeZone names")


@cache
def _zones() -> frozenset[str]:
    # Looks through all folders of the database.
    return frozenset(available_timezones())


def zone(name: str) -> ZoneInfo:
    """The clock of that name in the tz database. Raises ValueError if there is none, or no database."""
    if not _zones():
        raise ValueError("can't be looked up: this computer has no tz database. Install the Python package tzdata, or the system's")
    if name not in _zones():
        raise ValueError(f"must be a time zone of the tz database, like Europe/Berlin or UTC, not {name[:80]!r}")
    return ZoneInfo(name)


def starts(expression: Expression, clock: ZoneInfo, after: datetime, first: datetime | None = None) -> Iterator[datetime]:
    """The moments after `after` at which it starts something, in UTC, oldest first. `first` is the first start of a rate, which counts from
    there; without it from `after`."""
    if isinstance(expression, Rate):
        return _at_a_rate(expression.seconds, after, first or after)
    since = after.astimezone(clock).replace(tzinfo=None) - _FURTHEST
    times = iter((expression.time,)) if isinstance(expression, At) else expression.times(since)
    moments = (moment for time in times if (moment := _moment(time, clock)) is not None)
    return (moment for moment in moments if moment > after)


def is_left_out(time: datetime, clock: ZoneInfo) -> bool:
    """Whether the clock of the zone never shows this time."""
    return _moment(time, clock) is None


def nearest(expression: Expression, clock: ZoneInfo, after: datetime) -> tuple[datetime, datetime] | None:
    """The two starts that lie nearest to each other, of the next few hundred; None if there is no second one."""
    return min(pairwise(islice(starts(expression, clock, after), _LOOKED_AT)), key=lambda pair: pair[1] - pair[0], default=None)


def _at_a_rate(seconds: int, after: datetime, first: datetime) -> Iterator[datetime]:
    gone = max(0, -(-int((after - first).total_seconds() * 1_000_000) // (seconds * 1_000_000)))
    moment = first + timedelta(seconds=gone * seconds)
    while True:
        if moment > after:
            yield moment.astimezone(UTC)
        moment += timedelta(seconds=seconds)


def _moment(time: datetime, clock: ZoneInfo) -> datetime | None:
    """None for a time that the clock leaves out; of one that it shows twice the first."""
    moment = time.replace(tzinfo=clock, fold=0).astimezone(UTC)
    return moment if moment.astimezone(clock).replace(tzinfo=None, fold=0) == time else None
