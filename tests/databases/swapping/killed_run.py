"""The worker's program, which kills itself before the n-th line of what exchanges names: `python -m ... JOB_URI N`.

0 kills it never, and prints how many lines there were.
"""

import sys
from pathlib import Path
from types import FrameType

from dbrestore.worker import run_job
from dbrestore.worker.postgresql import swapping
from tests.databases.killed_lines import Lines

FOLDER = str(Path(swapping.__file__).parent)


def is_ours(frame: FrameType) -> bool:
    """Whether it is of the room that exchanges names."""
    return frame.f_code.co_filename.startswith(FOLDER)


def main(job_uri: str, last: str) -> None:
    """Run the job so far."""
    lines = Lines(int(last), is_ours)
    sys.settrace(lines.trace)
    run_job.run(job_uri)
    sys.settrace(None)
    print(lines.passed)


if __name__ == "__main__":
    main(*sys.argv[1:])
