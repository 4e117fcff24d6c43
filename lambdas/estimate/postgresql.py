"""PostgreSQL in the estimate: the worker reads every byte of the dumps, and of the databases to prove them."""

import math
from collections.abc import Iterator, Mapping

from dbrestore.contract.plan import DurationItem, Plan
from lambdas.estimate.rates import LOOKING, MEGABYTE, READING_AGAIN, Rate, looked_for
from lambdas.estimate.requests import S3Requests

# 50 GB into Aurora: 3 h with one job, 53 min with several (published); with two streams on one machine without a network: 45 MB/s.
REPLAY_BYTES_PER_STREAM = 4.6 * MEGABYTE
MOST_REPLAY_BYTES = 15.7 * MEGABYTE
# While it replays, the worker notes its progress ever more rarely (dbrestore.worker.base.progress).
SHORTEST_PROGRESS_SECONDS, PROGRESS_SHARE, LONGEST_PROGRESS_SECONDS = 1.0, 0.01, 60.0
# The worker joins what it reads to pieces of at least so many bytes.
READ_BYTES = 4 << 20


def replay(streams: int) -> Rate:
    """Bytes of COPY text with so many streams."""
    rate = min(streams * REPLAY_BYTES_PER_STREAM, MOST_REPLAY_BYTES)
    told = f"{rate / MEGABYTE:.1f} MB/s of COPY text"
    return Rate(rate, f"{told}: published figures for 50 GB into Aurora are 4.6 with one stream, 15.7 with several")


READING = replay(streams=2)


def durations(plan: Plan) -> Iterator[DurationItem]:
    """Of the states in which the databases come into being."""
    size = sum(database.bytes for database in plan.databases)
    rate = replay(plan.worker.streams)
    yield looked_for("ReplayDumps", rate.seconds(size), rate.basis)
    seconds = LOOKING.seconds + READING_AGAIN.seconds(size)
    yield looked_for("VerifyDatabases", seconds, f"{READING_AGAIN.basis}, to count it and for the statistics")


def removal(plan: Plan) -> Iterator[DurationItem]:
    """Of what only this engine has to remove: nothing."""
    yield from ()


def stored_bytes(plan: Plan) -> int:
    """Of what is read in the repository."""
    return sum(database.stored_bytes for database in plan.databases)


def requests(plan: Plan, seconds: Mapping[str, float]) -> S3Requests:
    """Of the worker, with the expected seconds by state."""
    read = sum(database.stored_bytes // READ_BYTES + database.tables for database in plan.databases)
    return S3Requests(progress_notes(seconds.get("ReplayDumps", 0.0)), read)


def progress_notes(seconds: float) -> int:
    """One a second at first, then one per hundredth of the time, then one a minute."""
    shortest, longest = SHORTEST_PROGRESS_SECONDS, LONGEST_PROGRESS_SECONDS
    grows_from, grows_to = shortest / PROGRESS_SHARE, longest / PROGRESS_SHARE
    growing = math.log(max(1.0, min(seconds, grows_to) / grows_from)) / PROGRESS_SHARE
    return round(min(seconds, grows_from) / shortest + growing + max(0.0, seconds - grows_to) / longest)
