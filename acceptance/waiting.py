"""Waiting for AWS: looked at again after pauses that grow, until it is so or was waited for too long."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

from botocore.exceptions import ClientError

from dbrestore.contract.refusals import error_code

Found = TypeVar("Found")
# Minutes. EC2 knows within them everywhere what it made (Amazon EC2 API Reference, "Eventual consistency").
KNOWN_WITHIN = 5.0
# Seconds.
FIRST, GROWTH, LONGEST = 0.2, 1.3, 5.0


class TookTooLong(Exception):
    """The message says what was waited for."""


def until(look: Callable[[], Found | None], minutes: float, what: str, sleep: Callable[[float], None] = time.sleep) -> Found:
    """What `look` answers once that is something. Raises TookTooLong."""
    end, pause = time.monotonic() + minutes * 60, FIRST
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > end:
            raise TookTooLong(f"{what}: not so after {minutes:g} minutes")
        sleep(pause)
        pause = min(pause * GROWTH, LONGEST)


def known(call: Callable[..., Any], **asked: Any) -> Any:
    """The answer of a call about something that was just made, which AWS may not know everywhere yet. Raises TookTooLong."""

    def look() -> tuple[Any] | None:
        try:
            return (call(**asked),)
        except ClientError as error:
            if not error_code(error).endswith("NotFound"):
                raise
            return None

    return until(look, KNOWN_WITHIN, "AWS knows what it made")[0]
