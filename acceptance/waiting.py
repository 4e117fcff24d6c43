"""Waiting for AWS: looked at again after pauses that grow, until it is so or was waited for too long."""

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")
# Seconds.
FIRST, GROWTH, LONGEST = 0.2, 1.3, 5.0


class TookTooLong(Exception):
    """The message says what was waited for."""


def until(look: Callable[[], Found | None], minutes: float, what: str) -> Found:
    """What `look` answers once that is something. Raises TookTooLong."""
    end, pause = time.monotonic() + minutes * 60, FIRST
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > end:
            raise TookTooLong(f"{what}: not so after {minutes:g} minutes")
        time.sleep(pause)
        pause = min(pause * GROWTH, LONGEST)
