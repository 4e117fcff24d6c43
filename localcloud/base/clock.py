"""The one time scale of the local cloud: the seconds that AWS needs for something, shortened by a factor, and the time of day that follows
from it."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from weakref import WeakSet

from localcloud.base.agenda import Agenda

# Real seconds that an action under way is waited for.
_END_WITHIN = 5.0
# Real seconds between two looks whether a wait is over: who waits may sleep through what happens.
_LOOK = 0.5

_scale = 1.0
# When the cloud's own time of day was set: to what, and when that was in real seconds.
_set_to, _set_at = datetime.now(UTC), time.monotonic()
_timers: WeakSet[threading.Timer] = WeakSet()
_agenda = Agenda()


def set_scale(scale: float) -> None:
    """`scale` 20 means: what takes AWS 20 seconds takes 1 second here. Real work (a command, a query) is never scaled."""
    global _scale
    _scale = scale
    set_now(datetime.now(UTC))


@contextmanager
def scales() -> Iterator[Callable[[float], None]]:
    """`set_scale`, and in the end the scale that was before."""
    before = _scale
    try:
        yield set_scale
    finally:
        set_scale(before)


def shortened(seconds: float) -> float:
    """Real seconds for AWS's seconds."""
    return seconds / _scale


def moment() -> float:
    """AWS's seconds since some beginning."""
    return time.monotonic() * _scale


def set_now(now: datetime) -> None:
    """From here on the cloud's time of day goes on from this one."""
    global _set_to, _set_at
    _set_to, _set_at = now, time.monotonic()


def now() -> datetime:
    """The cloud's time of day in UTC: it began with the real one, and runs ahead of it by the scale."""
    return _set_to + timedelta(seconds=(time.monotonic() - _set_at) * _scale)


def later(seconds: float, action: Callable[[], object]) -> None:
    """Do `action` after AWS's `seconds`, in a thread that never keeps the process alive."""
    timer = threading.Timer(shortened(seconds), action)
    timer.daemon = True
    _timers.add(timer)
    timer.start()


def wait(seconds: float, is_over: Callable[[], bool], sleep: Callable[[float], object]) -> None:
    """Wait AWS's `seconds` or until it `is_over`. `sleep` takes real seconds, and may return earlier when something happens."""
    until = time.monotonic() + shortened(seconds)
    while not is_over() and (left := until - time.monotonic()) > 0:
        sleep(min(left, _LOOK))


def at(moment: float, action: Callable[[], object]) -> None:
    """Do `action` at this moment, in seconds since 1970. Of these there may be tens of thousands; each should be over in an instant."""
    _agenda.at(moment, action)


def forget() -> None:
    """Nothing that was put off happens any more; what has just begun is waited for. Else it would meet the next cloud of this process."""
    _agenda.forget()
    for timer in list(_timers):
        timer.cancel()
    for timer in list(_timers):
        if timer is not threading.current_thread():
            timer.join(_END_WITHIN)
