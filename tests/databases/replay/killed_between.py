"""The worker's program, which kills itself before the n-th line of what runs one job after the other: `python -m ... JOB_URI N`.

0 kills it never, and prints how many lines there were.
"""

import sys
from types import FrameType

from dbrestore.worker import run_job
from tests.databases import killed_lines


def is_around_jobs(frame: FrameType) -> bool:
    """Whether it is one of the functions that no single job's work lies in."""
    return frame.f_code in {function.__code__ for function in (run_job.run, run_job._do, run_job._following)}


if __name__ == "__main__":
    killed_lines.run(sys.argv[1], int(sys.argv[2]), is_around_jobs)
