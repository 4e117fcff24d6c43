"""Where a worker's program kills itself: before the n-th line of the code that is looked into."""

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from dbrestore.worker import run_job


class Lines:
    """Counts them in all threads that trace with it, and ends the process at `last`; at 0 never."""

    def __init__(self, last: int, looks_into: Callable[[FrameType], bool]) -> None:
        self.last, self.looks_into, self.passed = last, looks_into, 0

    def trace(self, frame: FrameType, event: str, argument: object) -> Any:
        """For sys.settrace."""
        if not self.looks_into(frame):
            return None
        if event == "line":
            self.passed += 1
            if self.passed == self.last:
                os.kill(os.getpid(), signal.SIGKILL)
        return self.trace


def run(job_uri: str, last: int, looks_into: Callable[[FrameType], bool]) -> None:
    """Run the worker's program so far, and print how many lines were passed if it comes to its end."""
    lines = Lines(last, looks_into)
    sys.settrace(lines.trace)
    run_job.run(job_uri)
    sys.settrace(None)
    print(lines.passed)
