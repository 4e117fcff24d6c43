"""`python -m tests.judge FILE...`: one paragraph per file; the exit code is the number of files that are not in order."""

import sys
from pathlib import Path

from tests.judge.hearing import judged


def main(paths: list[str]) -> int:
    wrong = 0
    for path in paths:
        verdict = judged(Path(path))
        sys.stdout.write(f"{path}: {verdict}\n\n")
        wrong += not verdict.in_order
    return min(wrong, 255)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
