"""How much the control plane itself does for a restore that goes as planned: transitions, invocations, requests to the ledger and to S3.

What a state costs is mostly how often it looks again, so all of it follows from the expected durations.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from dbrestore.contract import limits
from dbrestore.contract.pauses import ARCHIVE_LOOK_SECONDS
from dbrestore.contract.plan import Plan, PlannedArchive
from lambdas.estimate.durations import to_retrieve
from lambdas.estimate.engines import ENGINES
from lambdas.estimate.requests import S3Requests
from lambdas.runtime.looks import PAUSES

# What a restore does however long it takes: states that are passed, those without a function included, and units of the ledger; a write in
# a transaction takes two. Tests count them.
TRANSITIONS = 24
INVOCATIONS = 12
WRITES, READS = 240, 400
# A look notes its beginning and what is still waited for, and reads the plan.
WRITES_PER_LOOK, READS_PER_LOOK = 4, 12
# Of memory times seconds: a look takes about a second, with what the start of the function takes in it.
FUNCTION_GB = 0.5
LOOK_SECONDS = 1.0
# PlanRestore has more, for orders of a hundred thousand files; CloseRestore too, for the evidence, and takes longer. Each is called once.
PLANNING_GB = 1.0
CLOSING_GB, CLOSING_SECONDS = 1.0, 3.0

TRANSITIONS_PER_BATCH = 3
# A batch of files: asked for by many threads, and listed a thousand with one request.
BATCH_SECONDS = 8.0
LISTING_SECONDS = 0.2 * limits.ARCHIVE_BATCH / 1000
# S3 tells of each file's arrival; all but a few of them wake nobody, after one read, of half a unit, by a smaller function.
ARRIVAL_GB_SECONDS = 0.125 * 0.02
ARRIVAL_READS = 0.5


@dataclass(frozen=True)
class Effort:
    """Of Step Functions, Lambda and DynamoDB; `writes` and `reads` are units."""

    transitions: int = 0
    invocations: int = 0
    gb_seconds: float = 0.0
    writes: int = 0
    reads: int = 0

    def __add__(self, other: "Effort") -> "Effort":
        return Effort(
            self.transitions + other.transitions,
            self.invocations + other.invocations,
            self.gb_seconds + other.gb_seconds,
            self.writes + other.writes,
            self.reads + other.reads,
        )


def effort(plan: Plan, seconds: Mapping[str, float]) -> Effort:
    """What the flow does; `seconds` are the expected ones by state."""
    looks = sum(PAUSES[state].looks(took) for state, took in seconds.items() if state in PAUSES)
    gb_seconds = LOOK_SECONDS * (PLANNING_GB + (INVOCATIONS - 2) * FUNCTION_GB) + CLOSING_SECONDS * CLOSING_GB
    once = Effort(TRANSITIONS, INVOCATIONS, gb_seconds, WRITES, READS)
    archive = to_retrieve(plan)
    retrieving = _retrieving(archive, seconds["RetrieveArchive"]) if archive else Effort()
    return once + _looking(looks, LOOK_SECONDS) + _staging(seconds.get("StageNativeBackups", 0.0)) + retrieving


def _looking(times: int, seconds: float) -> Effort:
    """So many invocations of so many seconds each, one after the other."""
    return Effort(times, times, times * seconds * FUNCTION_GB, times * WRITES_PER_LOOK, times * READS_PER_LOOK)


def s3_requests(plan: Plan, seconds: Mapping[str, float]) -> S3Requests:
    """What is asked of S3, the requests for the retrieval itself left out."""
    archive = to_retrieve(plan)
    puts, gets = _looks_at_archive(archive, seconds["RetrieveArchive"]) if archive else (0, 0)
    return S3Requests(puts, gets) + ENGINES[plan.engine].requests(plan, seconds)


def _staging(seconds: float) -> Effort:
    """Each invocation copies as long as it may, and the next one begins a second later."""
    again = int(seconds // (limits.STAGING_SECONDS + 1))
    return _looking(again, limits.STAGING_SECONDS) + Effort(gb_seconds=seconds % limits.STAGING_SECONDS * FUNCTION_GB)


def _retrieving(archive: PlannedArchive, seconds: float) -> Effort:
    batches = len(archive.batches)
    asking = _looking(batches, BATCH_SECONDS) + Effort(transitions=batches * (TRANSITIONS_PER_BATCH - 1))
    # Without an arrival one file is looked at; after one, all.
    slow, woken = int(seconds // ARCHIVE_LOOK_SECONDS), _woken_looks(archive)
    looking = _looking(slow, LOOK_SECONDS) + _looking(woken, LOOK_SECONDS + batches * LISTING_SECONDS)
    arrivals = archive.objects
    return asking + looking + Effort(0, arrivals, arrivals * ARRIVAL_GB_SECONDS, reads=round(arrivals * ARRIVAL_READS))


def _looks_at_archive(archive: PlannedArchive, seconds: float) -> tuple[int, int]:
    """Lists a thousand files at a time; those of Intelligent-Tiering are asked one by one."""
    woken = _woken_looks(archive)
    one_by_one = sum(one.objects for one in archive.classes if one.storage_class.endswith("_ACCESS"))
    return woken * len(archive.batches) * (limits.ARCHIVE_BATCH // 1000), int(seconds // ARCHIVE_LOOK_SECONDS) + woken * (one_by_one + 1)


def _woken_looks(archive: PlannedArchive) -> int:
    """One file at a time is waited for, so they are as many as halvings of the files."""
    return archive.objects.bit_length() + 1
