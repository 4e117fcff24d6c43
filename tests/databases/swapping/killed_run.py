"""The worker's program, which kills itself before the n-th line of what exchanges names: `python -m ... JOB_URI N`.

0 kills it never, and prints how many lines there were.
"""

import sys
from pathlib import Path
from types import FrameType

from dbrestore.worker.postgresql import swapping
from tests.databases import killed_lines

FOLDER = str(Path(swapping.__file__).parent)


def is_ours(frame: FrameType) -> bool:
    """Whether it is of the room that exchanges names."""
    return frame.f_code.co_filename.startswith(FOLDER)


if __name__ == "__main__":
    killed_lines.run(sys.argv[1], int(sys.argv[2]), is_ours)
