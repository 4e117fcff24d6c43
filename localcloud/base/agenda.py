"""What is to happen at its moment, however much of it there is: one thread for all, no timer for each."""

import itertools
import math
import threading
import time
from collections.abc import Callable
from heapq import heappop, heappush

# Real seconds that an action under way is waited for.
_END_WITHIN = 5.0


class Agenda:
    """Actions by moment, in seconds since 1970. They're done one after the other, in a thread that never keeps the process alive."""

    def __init__(self) -> None:
        self._entries: list[tuple[float, int, Callable[[], object]]] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._is_busy = False

    def at(self, moment: float, action: Callable[[], object]) -> None:
        """Do this then; a moment that never comes is taken as well, and forgotten."""
        if not math.isfinite(moment):
            return
        with self._changed:
            heappush(self._entries, (moment, next(self._numbers), action))
            self._changed.notify_all()
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, daemon=True)
                self._thread.start()

    def forget(self) -> None:
        """Nothing that is on it happens any more; what has just begun is waited for."""
        with self._changed:
            self._entries.clear()
            if threading.current_thread() is not self._thread:
                self._changed.wait_for(lambda: not self._is_busy, _END_WITHIN)

    def _run(self) -> None:
        while True:
            action = self._next()
            try:
                action()
            finally:
                with self._changed:
                    self._is_busy = False
                    self._changed.notify_all()

    def _next(self) -> Callable[[], object]:
        with self._changed:
            while not self._entries or self._entries[0][0] > time.time():
                self._changed.wait(self._entries[0][0] - time.time() if self._entries else None)
            self._is_busy = True
            return heappop(self._entries)[2]
