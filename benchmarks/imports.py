"""What a cold start pays before a function's first line: the processor time of importing each handler, as Lambda does it."""

import statistics
import subprocess
import sys

from infrastructure.functions import FUNCTIONS

_SCRIPT = "import time; began = time.process_time(); import {module}; print(time.process_time() - began)"


def report(rounds: int) -> list[str]:
    """A table: handler, median seconds of one core. The interpreter's own start is not in it."""
    modules = sorted({row.handler.rpartition(".")[0] for row in FUNCTIONS})
    measured = {module: statistics.median(_seconds(module) for _ in range(rounds)) for module in modules}
    lines = ["| module | import, seconds of one core |", "|---|---|"]
    slowest_first = sorted(measured.items(), key=lambda item: item[1], reverse=True)
    return [*lines, *(f"| `{module}` | {seconds:.2f} |" for module, seconds in slowest_first)]


def _seconds(module: str) -> float:
    command = [sys.executable, "-c", _SCRIPT.format(module=module)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
