"""What is wrong with the schedule of a declared drill, beyond the form of its values."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from dbrestore.contract.drills import DrillSchedule
from dbrestore.contract.schedules import expressions
from dbrestore.contract.schedules.expressions import At, Expression, Rate
from lambdas.configuration.files import Place

Problem = tuple[Place, str]
_WINDOW: Final = DrillSchedule.model_fields["flexible_minutes"].default


def problems(schedule: Mapping[str, Any], now: datetime | None) -> Iterator[Problem]:
    """Places inside of the schedule. Only with `now` is it looked at whether it still starts anything: that changes by itself."""
    text, name = schedule.get("expression"), schedule.get("timeZone")
    expression, refused = _tried(expressions.parse, text) if isinstance(text, str) and text else (None, "")
    if refused:
        yield ("expression",), refused
    # Functions have no tz database: what was deployed was looked at before.
    if now is None:
        return
    clock, refused = _tried(expressions.zone, name) if isinstance(name, str) and name else (None, "")
    if refused:
        yield ("timeZone",), refused
    if expression and clock:
        yield from _together(expression, clock, schedule.get("flexibleMinutes", _WINDOW), now)


def _tried(read: Any, text: str) -> tuple[Any, str]:
    try:
        return read(text), ""
    except ValueError as error:
        return None, str(error)


def _together(expression: Expression, clock: ZoneInfo, flexible: Any, now: datetime) -> Iterator[Problem]:
    if next(expressions.starts(expression, clock, now), None) is None:
        yield ("expression",), _never(expression, clock)
        return
    window = timedelta(minutes=flexible) if isinstance(flexible, int) else timedelta(0)
    pair = expressions.nearest(expression, clock, now) if window else None
    if pair and pair[1] - pair[0] < window:
        yield ("flexibleMinutes",), f"is {flexible}, but {_between(expression, pair, clock)}: a start could come after the next one"


def _never(expression: Expression, clock: ZoneInfo) -> str:
    if isinstance(expression, At) and expressions.is_left_out(expression.time, clock):
        return f"never starts anything: the clock of {clock.key} is put forward then and doesn't show that time. Write another time"
    if isinstance(expression, At):
        return "is over, so it never starts anything again: write a time to come, or take the drill out"
    return (
        "never starts anything: there is no such day to come, or the clock doesn't show that time on it. Write days that the months have, "
        "and years to come or *"
    )


def _between(expression: Expression, pair: tuple[datetime, datetime], clock: ZoneInfo) -> str:
    minutes = int((pair[1] - pair[0]).total_seconds() // 60)
    if isinstance(expression, Rate):
        return f"it starts every {minutes} minutes"
    first, second = (moment.astimezone(clock) for moment in pair)
    return f"from {first:%Y-%m-%d %H:%M} to the next start, {second:%Y-%m-%d %H:%M}, are only {minutes} minutes"
