"""The worker's program, which kills itself before the n-th line around a transaction that the journal tells of: `... JOB_URI N`.

0 kills it never, and prints how many lines there were.
"""

import os
import signal
import sys
import threading
from types import FrameType
from typing import Any

from dbrestore.worker import run_job
from dbrestore.worker.base.bounds import Bounds
from dbrestore.worker.postgresql.resuming import journal


class Lines:
    """Counts them in all threads, and ends the process at one."""

    def __init__(self, last: int) -> None:
        self.last, self.passed = last, 0

    def trace(self, frame: FrameType, event: str, argument: object) -> Any:
        """For sys.settrace: looks into the transactions alone."""
        if frame.f_code.co_filename != journal.__file__ or frame.f_code.co_name != journal.begun.__name__:
            return None
        if event == "line":
            self.passed += 1
            if self.passed == self.last:
                os.kill(os.getpid(), signal.SIGKILL)
        return self.trace


def main(job_uri: str, last: str) -> None:
    """Run the job so far, with all but the smallest tables shared between sessions."""
    lines = Lines(int(last))
    threading.settrace(lines.trace)
    sys.settrace(lines.trace)
    run_job.run(job_uri, Bounds(shared_member=100, defined_together=1))
    sys.settrace(None)
    print(lines.passed)


if __name__ == "__main__":
    main(*sys.argv[1:])
