"""Generated databases by their numbers, judged; or one of them made small.

python -m tests.generated FIRST LAST      the verdicts and what they add up to
python -m tests.generated shrink NUMBER   the fewest statements with which the verdict stays as it is
"""

import logging
import sys
import time

from tests.generated import campaign, servers
from tests.generated.servers import Pool


def main(arguments: list[str]) -> None:
    """Print as it goes."""
    logging.disable(logging.INFO)
    with servers.started() as started:
        if arguments[0] == "shrink":
            verdict = campaign.shrink(started, int(arguments[1]))
            print(verdict, verdict.script.text(), sep="\n")
        else:
            _judge(started, range(int(arguments[0]), int(arguments[1])))


def _judge(started: Pool, numbers: range) -> None:
    verdicts = []
    for number in numbers:
        began = time.monotonic()
        verdicts.append(campaign.judge(started, number))
        print(f"{time.monotonic() - began:.1f} s", verdicts[-1], flush=True)
    print(campaign.counts(verdicts))


main(sys.argv[1:])
