"""The worker's program, which kills itself before the n-th line around a transaction that the journal tells of: `... JOB_URI N`.

0 kills it never, and prints how many lines there were.
"""

import sys
import threading
from types import FrameType

from dbrestore.worker import run_job
from dbrestore.worker.base.bounds import Bounds
from dbrestore.worker.postgresql import statements
from dbrestore.worker.postgresql.resuming import journal
from tests.databases.killed_lines import Lines


def is_around_a_transaction(frame: FrameType) -> bool:
    """Whether it is one of the functions that begin and end those which the journal tells of."""
    code = frame.f_code
    is_begun = code.co_filename == journal.__file__ and code.co_name == journal.begun.__name__
    return is_begun or code is statements.Executor._run_alone.__code__


def main(job_uri: str, last: str) -> None:
    """Run the job so far, with all but the smallest tables shared between sessions."""
    lines = Lines(int(last), is_around_a_transaction)
    threading.settrace(lines.trace)
    sys.settrace(lines.trace)
    run_job.run(job_uri, Bounds(shared_member=100, defined_together=1))
    sys.settrace(None)
    print(lines.passed)


if __name__ == "__main__":
    main(*sys.argv[1:])
