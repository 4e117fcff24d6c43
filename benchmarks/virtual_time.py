"""Days in minutes without a false count: whatever waits takes no time, and the clock jumps to what happens next.

Invariant: everything that waits or asks for the time in this process sees this clock, so looks are as many as in real time. Work takes
the time that it takes; only waits are jumped over.
"""

import itertools
import time
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

import pytest

from localcloud.base import clock
from localcloud.s3 import glacier, glacier_objects
from tests.moving_clock import MovingClock
from tests.statemachine.world import World

Happening = tuple[float, Callable[[], object]]


class VirtualTime:
    """`at` puts a happening on the calendar; `next_arrival` may name one more that depends on how things stand."""

    def __init__(self) -> None:
        self._clock = MovingClock()
        self.next_arrival: Callable[[], Happening | None] = lambda: None
        self._calendar: list[tuple[float, int, Callable[[], object]]] = []
        self._numbers = itertools.count()

    def install(self, patch: pytest.MonkeyPatch, account: World) -> None:
        """For the waits of executions, for the control plane and for archived objects."""
        account.clock, account.stopwatch = self._clock, self.now
        patch.setattr(clock, "wait", self.wait)
        patch.setattr(glacier, "time", _Time(self))
        patch.setattr(glacier_objects, "time", _Time(self))

    def now(self) -> float:
        """Seconds since 1970."""
        now: float = self._clock().timestamp()
        return now

    def at(self, moment: float, action: Callable[[], object]) -> None:
        """Do this when somebody's wait reaches the moment."""
        heappush(self._calendar, (moment, next(self._numbers), action))

    def wait(self, seconds: float, is_over: Callable[[], bool], _sleep: Callable[[float], object]) -> None:
        """In the place of the clock's: what happens meanwhile happens, and nobody sleeps."""
        until = self.now() + seconds
        while not is_over():
            moment, action = self._next() or (until, None)
            if action is None or moment > until:
                self._jump(until)
                return
            self._jump(moment)
            action()

    def _next(self) -> Happening | None:
        arrival = self.next_arrival()
        if self._calendar and (arrival is None or self._calendar[0][0] <= arrival[0]):
            moment, _, action = self._calendar[0]
            return moment, lambda: (heappop(self._calendar), action())
        return arrival

    def _jump(self, moment: float) -> None:
        self._clock.let_pass(seconds=max(0.0, moment - self.now()))


class _Time:
    """The module `time` with this clock."""

    def __init__(self, virtual: VirtualTime) -> None:
        self.time = virtual.now
        self.time_ns = lambda: round(virtual.now() * 1e9)

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)
