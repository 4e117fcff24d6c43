"""EventBridge Scheduler: schedules start their targets on the local cloud's clock, in their time zones.

| moto 5.2.5 | fixed to |
|---|---|
| schedules never start anything | `cron`, `rate` and `at` do, within their window, between their start and end dates |
| no attempts, no dead letters | both, in the cloud's own time |
| any expression and time zone is stored | what Scheduler can't read is a ValidationException |
| always delivered once and in time | not while `localcloud.base.consistency` says so: twice or late, as "at least once" allows |

The cloud's clock runs ahead of the real one by the scale, so a weekly schedule starts something every few hours. What was started, failed
and given up stands in a file beside the cloud's log, one JSON object per line, and `dbrestore local schedules` shows it.
"""

import itertools
import json
import logging
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from pathlib import Path
from typing import Any, Final

from moto.scheduler.exceptions import ValidationException
from moto.scheduler.models import Schedule, scheduler_backends

from dbrestore.contract.schedules import expressions
from dbrestore.contract.schedules.expressions import At
from localcloud.base import clock, consistency
from localcloud.base.clients import Clients
from localcloud.base.corrections import fix
from localcloud.flow import scheduled_delivery
from localcloud.flow.scheduled_delivery import Delivery

RECORD: Final = "scheduler.jsonl"
# AWS's seconds by which a delivery is late, or comes a second time, while the cloud is inconsistent.
LATEST: Final = 900.0
# A clock that was put on by years must not start a minute's schedule a million times.
_MOST_AT_ONCE: Final = 1000

_log = logging.getLogger(__name__)


def install() -> None:
    """Fix moto's Scheduler."""
    fix(Schedule, "__init__", _checked)


def _checked(original: Any, schedule: Any, *arguments: Any, **given: Any) -> None:
    # The codes are in the API reference, the wording is assumed.
    try:
        expressions.parse(given["schedule_expression"])
    except ValueError:
        raise ValidationException(f"Invalid Schedule Expression {given['schedule_expression']}.") from None
    try:
        expressions.zone(given["schedule_expression_timezone"] or "UTC")
    except ValueError:
        raise ValidationException(f"Invalid Schedule Expression Timezone {given['schedule_expression_timezone']}.") from None
    original(schedule, *arguments, **given)


class Scheduler:
    """Looks for starts that are due; `begun` does so in a thread, a test calls `look` itself with a clock of its own."""

    # Real seconds between two looks: at a scale of 60 Scheduler is as exact as AWS's, which is exact to a minute.
    LOOK = 0.25

    def __init__(self, clients: Clients, record: Path, now: Callable[[], datetime] = clock.now) -> None:
        self._clients, self._record, self._now = clients, record, now
        # By ARN: since when it is known, and until when its starts have been looked for.
        self._known: dict[str, tuple[datetime, datetime]] = {}
        self._due: list[tuple[datetime, int, Delivery]] = []
        self._numbers = itertools.count()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._record.unlink(missing_ok=True)

    def begun(self) -> "Scheduler":
        """In a thread of its own from here on, until `stop`."""
        self._note(kind="clock", real=_told(datetime.now(UTC)), scale=1 / clock.shortened(1.0))
        self._thread.start()
        return self

    def stop(self) -> None:
        """Nothing is started after this."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(self.LOOK):
            try:
                self.look()
            except Exception:
                _log.exception("The local Scheduler could not look for what is due")

    def look(self) -> None:
        """Start everything that has become due since the last look."""
        now, known = self._now(), dict(_schedules())
        for arn in self._known.keys() - known.keys():
            del self._known[arn]
        for arn, schedule in known.items():
            self._plan(arn, schedule, now)
        while self._due and self._due[0][0] <= now:
            _, _, delivery = heappop(self._due)
            if delivery.arn in known:
                self._attempt(delivery, now)

    def _plan(self, arn: str, schedule: Any, now: datetime) -> None:
        first, until = self._known.get(arn, (now, now - timedelta(microseconds=1)))
        self._known[arn] = (first, now)
        if schedule.state != "ENABLED":
            return
        for start in itertools.islice(_between(schedule, until, now, first), _MOST_AT_ONCE):
            delivery = Delivery(arn, schedule.target, start)
            for late in _lateness():
                self._put(start + _within(schedule, arn, start) + late, delivery)

    def _put(self, due: datetime, delivery: Delivery) -> None:
        heappush(self._due, (due, next(self._numbers), delivery))

    def _attempt(self, planned: Delivery, now: datetime) -> None:
        delivery = planned.attempted(now)
        try:
            started = scheduled_delivery.invoke(self._clients, delivery)
        except Exception as error:
            self._failed(delivery, error, now)
        else:
            self._note(delivery, kind="started", started=started)

    def _failed(self, delivery: Delivery, error: Exception, now: datetime) -> None:
        code, message = scheduled_delivery.error_of(error)
        self._note(delivery, kind="failed", error=code, message=message)
        again = delivery.next_attempt(now)
        if again:
            self._put(*again)
            return
        try:
            queue = scheduled_delivery.bury(self._clients, delivery, error)
        except Exception:
            _log.exception("The dead letter of %s could not be written", delivery.arn)
            queue = ""
        self._note(delivery, kind="given up", queue=queue)

    def _note(self, delivery: Delivery | None = None, **told: Any) -> None:
        of = {}
        if delivery:
            of = {
                "schedule": delivery.arn,
                "scheduledTime": delivery.scheduled_time,
                "attempt": delivery.attempt,
                "executionId": delivery.execution_id,
            }
        # The folder goes with the cloud.
        with suppress(FileNotFoundError), self._record.open("a") as record:
            record.write(json.dumps({"at": _told(self._now()), **told, **of}) + "\n")


def _told(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _schedules() -> Iterator[tuple[str, Any]]:
    """Every schedule in every account and Region that anybody has used, by its ARN."""
    backends = [backend for account in list(scheduler_backends.values()) for backend in list(account.values())]
    for group in [group for backend in backends for group in list(backend.schedule_groups.values())]:
        for schedule in list(group.schedules.values()):
            yield schedule.arn, schedule


def _between(schedule: Any, since: datetime, until: datetime, first: datetime) -> Iterator[datetime]:
    """The starts after `since` up to `until`. Of start and end date `at` knows nothing."""
    expression, zone = expressions.parse(schedule.schedule_expression), expressions.zone(schedule.schedule_expression_timezone)
    begins, ends = _moment(schedule.start_date), _moment(schedule.end_date)
    starts = expressions.starts(expression, zone, since, begins or first)
    for start in itertools.takewhile(lambda start: start <= until, starts):
        if isinstance(expression, At) or ((begins is None or start >= begins) and (ends is None or start <= ends)):
            yield start


def _moment(date: Any) -> datetime | None:
    return datetime.fromtimestamp(float(date), UTC) if date else None


def _within(schedule: Any, arn: str, start: datetime) -> timedelta:
    """Where in the flexible window: drawn, and for one start always the same."""
    window = schedule.flexible_time_window
    minutes = window.get("MaximumWindowInMinutes", 0) if window["Mode"] == "FLEXIBLE" else 0
    return timedelta(seconds=random.Random(f"{arn}/{start}").uniform(0, minutes * 60))


def _lateness() -> list[timedelta]:
    """One entry for each delivery of a start, mostly a single one in time."""
    late = consistency.current()
    if late is None:
        return [timedelta(0)]
    found = [timedelta(seconds=late.seconds("how late a delivery is", LATEST) if late.meets("late delivery") else 0)]
    if late.meets("second delivery"):
        found.append(timedelta(seconds=late.seconds("how late a second delivery is", LATEST)))
    return found
