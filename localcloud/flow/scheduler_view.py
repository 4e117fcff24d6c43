"""What the local cloud's Scheduler says of itself, for `dbrestore local schedules`: its clock, what comes next, and what it did.

Another process runs the cloud. What it did stands in its record, what it will do follows from its own API and its clock.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from dbrestore.contract.schedules import expressions, words
from dbrestore.contract.schedules.expressions import Rate
from localcloud.base.clients import Clients
from localcloud.flow.scheduler import RECORD

# So many of what it did are shown to people.
SHOWN: Final = 20


@dataclass(frozen=True)
class View:
    """`now` is the cloud's time of day; `schedules` and `done` (oldest first) are JSON-ready."""

    now: datetime
    scale: float
    schedules: tuple[dict[str, Any], ...]
    done: tuple[dict[str, Any], ...]


def look(directory: Path, endpoint: str) -> View:
    """The cloud of that folder, which answers at the endpoint."""
    record = [json.loads(line) for line in _whole_lines(directory / RECORD)]
    clock = next((line for line in record if line["kind"] == "clock"), None)
    now, scale = _now(clock), float(clock["scale"]) if clock else 1.0
    done = tuple(line for line in record if line["kind"] != "clock")
    return View(now, scale, tuple(_schedules(endpoint, now, done)), done)


def _whole_lines(record: Path) -> list[str]:
    text = record.read_text() if record.exists() else ""
    # The last one may be under way.
    return text.splitlines()[: text.count("\n")]


def _now(clock: Mapping[str, Any] | None) -> datetime:
    now = datetime.now(UTC)
    if clock is None:
        return now
    begun, real = (datetime.fromisoformat(clock[key]) for key in ("at", "real"))
    return begun + (now - real) * float(clock["scale"])


def _schedules(endpoint: str, now: datetime, done: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    api = Clients(endpoint).client("scheduler")
    for page in api.get_paginator("list_schedules").paginate():
        for listed in page["Schedules"]:
            schedule = api.get_schedule(Name=listed["Name"], GroupName=listed["GroupName"])
            clock = expressions.zone(schedule["ScheduleExpressionTimezone"])
            start = _next(schedule, now, done) if schedule["State"] == "ENABLED" else None
            yield {
                "schedule": schedule["Arn"],
                "name": schedule["Name"],
                "state": schedule["State"],
                "expression": schedule["ScheduleExpression"],
                "inWords": words.told(expressions.parse(schedule["ScheduleExpression"])),
                "timeZone": clock.key,
                "nextStart": start.astimezone(clock).isoformat() if start else None,
            }


def _next(schedule: Mapping[str, Any], now: datetime, done: Sequence[Mapping[str, Any]]) -> datetime | None:
    expression, clock = expressions.parse(schedule["ScheduleExpression"]), expressions.zone(schedule["ScheduleExpressionTimezone"])
    last = next((line["scheduledTime"] for line in reversed(done) if line["schedule"] == schedule["Arn"]), None)
    if isinstance(expression, Rate) and last is None:
        return None
    return next(expressions.starts(expression, clock, now, datetime.fromisoformat(last) if last else None), None)


def lines(view: View) -> Iterator[str]:
    """For people."""
    yield f"The cloud's clock shows {view.now:%Y-%m-%d %H:%M:%S} UTC and runs {view.scale:g} times as fast as yours."
    if not view.schedules:
        yield "Nothing is scheduled: configuration/drills.json declares drills."
        return
    yield ""
    yield from _columns(("schedule", "starts", "next start", "time zone"), [_schedule_cells(one) for one in view.schedules])
    if view.done:
        yield ""
        yield from _columns(("at", "schedule", "meant for", "attempt", "what"), [_done_cells(one) for one in view.done[-SHOWN:]])


def _schedule_cells(one: Mapping[str, Any]) -> tuple[str, ...]:
    silent = "disabled" if one["state"] != "ENABLED" else "none"
    start = f"{datetime.fromisoformat(one['nextStart']):%Y-%m-%d %H:%M}" if one["nextStart"] else silent
    return (one["name"], one["inWords"], start, one["timeZone"])


def _done_cells(one: Mapping[str, Any]) -> tuple[str, ...]:
    what = {
        "started": f"started {one.get('started', '')}",
        "failed": f"failed: {one.get('error')}: {one.get('message')}",
        "given up": f"given up, kept in {one['queue']}" if one.get("queue") else "given up, and lost: it has no dead-letter queue",
    }
    return (one["at"], one["schedule"].rpartition("/")[2], one["scheduledTime"], str(one["attempt"]), what[one["kind"]])


def _columns(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(len(row[n]) for row in (head, *rows)) for n in range(len(head))]
    for row in (head, *rows):
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
