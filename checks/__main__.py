"""`python -m checks`: run the scanners; exit code 1 if one of them finds what nobody acknowledged.

They read the templates in cdk.out/ and build/, which must be there. cdk-nag is not here: it looks while the stacks are made
(`python app.py examine`).
"""

import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from checks import scanners
from checks.outcome import Outcome, ScannerFailed

ROOT = Path(__file__).resolve().parent.parent


def main(scans: Sequence[Callable[[Path], Outcome]] = scanners.ALL) -> int:
    """0 if everything that was found is acknowledged."""
    try:
        with ThreadPoolExecutor(2) as pool:
            outcomes = list(pool.map(lambda scan: scan(ROOT), scans))
    except ScannerFailed as problem:
        print(problem, file=sys.stderr)
        return 1
    for outcome in outcomes:
        print(outcome)
    return 1 if any(outcome.findings for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
