"""The worker program: `python -m dbrestore.worker s3://<bucket>/restores/<restore id>/jobs/<name>/job.json`.

Exit code 0 means that result.json was written, whatever the outcome, and that of a job which followed; anything else that one of them
could not be.
"""

import logging
import sys

from dbrestore.worker import run_job


def main(arguments: list[str]) -> int:
    """Run the job of the only argument."""
    if len(arguments) != 1:
        print("usage: python -m dbrestore.worker s3://BUCKET/restores/ID/jobs/NAME/job.json", file=sys.stderr)
        return 2
    logging.basicConfig(format="%(message)s")
    # Of our own words also those that are no warning: they are in the output of the SSM command.
    logging.getLogger("dbrestore").setLevel(logging.INFO)
    run_job.run(arguments[0])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
