"""How long each state is expected to take. Every rate stands here once, with what it rests on; none was measured on AWS.

Invariant: a number never goes without its basis, so that a reader can tell a figure of S3's own from an assumption of ours.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from dbrestore.contract.manifest import Engine
from dbrestore.contract.plan import DurationItem, Plan, PlannedArchive, PlannedDatabase, PlannedNative
from lambdas.runtime.looks import PAUSES

MEGABYTE = 10**6


@dataclass(frozen=True)
class Rate:
    """Bytes per second, and what the number rests on."""

    bytes_per_second: float
    basis: str

    def seconds(self, size: float) -> float:
        """How long so many bytes take."""
        return size / self.bytes_per_second


@dataclass(frozen=True)
class Span:
    """A time that does not depend on the amount of data, in seconds, and what the number rests on."""

    seconds: float
    basis: str


BOOT = Span(90, "assumed: boot, installation of the program, registration with SSM")
PAIRING = Span(60, "assumed: RDS takes the new group into its list within a minute")
TERMINATION = Span(60, "assumed: EC2 terminates within a minute")
UNPAIRING = Span(90, "assumed: groups can be deleted when the worker's network interface is gone")
EMPTYING = Span(5, "assumed: objects and bucket are deleted in one go")
CLOSING = Span(5, "assumed: one function writes the report")

# 50 GB into Aurora: 3 h with one job, 53 min with several (published); with two streams on one machine without a network: 45 MB/s.
REPLAY_BYTES_PER_STREAM = 4.6 * MEGABYTE
MOST_REPLAY_BYTES = 15.7 * MEGABYTE

STAGING = Rate(250 * MEGABYTE, "assumed 250 MB/s, S3 copies by itself; published: 445 MB/s with 40 parts at once")
STAGING_ABROAD = Rate(100 * MEGABYTE, "assumed 100 MB/s, S3 copies by itself from Region to Region")
NATIVE_RESTORE = Rate(50 * MEGABYTE, "assumed 50 MB/s of backup files for the instance; RDS gives no figure")
# SQL Server writes a new log file full of zeros before it restores anything; data files are only reserved (instant file initialisation,
# which a log can't have: Microsoft Learn, "Database instant file initialization"). That RDS has it switched on is assumed.
ZEROING = Rate(100 * MEGABYTE, "assumed 100 MB/s to fill the log files with zeros")
# RDS brings the state of its tasks up to date about every two minutes, and works on two at a time.
NATIVE_TASK = Span(120, "2 min for the start and the end of each two databases")
TASKS_AT_ONCE = 2
READING_AGAIN = Rate(100 * MEGABYTE, "assumed 100 MB/s to read the data again")
LOOKING = Span(30, "assumed: 30 s to compare what is there with the manifest")


def expected(plan: Plan) -> tuple[DurationItem, ...]:
    """Every state that takes time, in the order of the flow."""
    archive = to_retrieve(plan)
    items = (_retrieval(archive) if archive else (), _until_paired(), _of_engine(plan), _removal(plan))
    return tuple(item for part in items for item in part)


def reading_hours(size: int, engine: Engine) -> float:
    """Hours from when the data lies ready in S3 until its last byte was read. `size` is what the restore reads by: bytes of COPY text for
    PostgreSQL, whose worker reads while it replays; bytes of the backup files for SQL Server, which is read when it is staged."""
    reading = {"postgres": replay(streams=2), "sqlserver": STAGING_ABROAD}[engine]
    return (BOOT.seconds + PAIRING.seconds + reading.seconds(size)) / 3600


def replay(streams: int) -> Rate:
    """Bytes of COPY text with so many streams."""
    rate = min(streams * REPLAY_BYTES_PER_STREAM, MOST_REPLAY_BYTES)
    told = f"{rate / MEGABYTE:.1f} MB/s of COPY text"
    return Rate(rate, f"{told}: published for 50 GB into Aurora are 4.6 with one stream, 15.7 with several")


def to_retrieve(plan: Plan) -> PlannedArchive | None:
    """The archive's part of the plan if anything lies in an archive."""
    return plan.archive if plan.archive and plan.archive.classes else None


def repository_region(plan: Plan) -> str:
    """The Region of the state machine, in which the repository lies too."""
    return plan.execution_arn.split(":")[3]


def is_abroad(plan: Plan) -> bool:
    """Whether the data must go to another Region."""
    return repository_region(plan) != plan.target.region


def _retrieval(archive: PlannedArchive) -> Iterator[DurationItem]:
    slowest = max(archive.classes, key=lambda one: one.wait_hours)
    told = f"the longest that S3 says for {archive.tier} of {slowest.storage_class}"
    yield _item("RetrieveArchive", slowest.wait_hours * 3600, f"{told}; half an hour more if its event is lost")


def _until_paired() -> Iterator[DurationItem]:
    yield _looked_for("DeployWorker", BOOT.seconds, BOOT.basis)
    yield _looked_for("PairSecurityGroups", PAIRING.seconds, PAIRING.basis)


def _of_engine(plan: Plan) -> Iterator[DurationItem]:
    if plan.native:
        yield from _native(plan, plan.native)
        return
    size = sum(database.bytes for database in plan.databases)
    rate = replay(plan.worker.streams)
    yield _looked_for("ReplayDumps", rate.seconds(size), rate.basis)
    seconds = LOOKING.seconds + READING_AGAIN.seconds(size)
    yield _looked_for("VerifyDatabases", seconds, f"{READING_AGAIN.basis}, to count it and for the statistics")


def _native(plan: Plan, native: PlannedNative) -> Iterator[DurationItem]:
    copying = STAGING_ABROAD if is_abroad(plan) else STAGING
    yield _item("StageNativeBackups", copying.seconds(native.staged_bytes) + 1, copying.basis)
    turns = -(-len(plan.databases) // TASKS_AT_ONCE)
    # Backed up are the pages in use alone, so what is read tells what is written, but for compressed backups, whose pages nobody counted.
    seconds = NATIVE_RESTORE.seconds(native.staged_bytes) + NATIVE_TASK.seconds * turns
    logs = sum(database.log_bytes for database in plan.databases)
    basis = (NATIVE_RESTORE.basis, NATIVE_TASK.basis, *([ZEROING.basis] if logs else []))
    yield _looked_for("RestoreNativeBackups", seconds + ZEROING.seconds(logs), "; ".join(basis))
    if native.check_database:
        checking = READING_AGAIN.seconds(sum(map(_checked_bytes, plan.databases)))
        counted = all(database.page_bytes is not None for database in plan.databases)
        told = "pages in use" if counted else "whole files where the point doesn't know the pages in use"
        yield _looked_for("VerifyDatabases", LOOKING.seconds + checking, f"DBCC CHECKDB, {READING_AGAIN.basis}; {told}")
    else:
        yield _looked_for("VerifyDatabases", LOOKING.seconds, LOOKING.basis)


def _checked_bytes(database: PlannedDatabase) -> int:
    """DBCC CHECKDB reads pages in use, neither free ones nor the log."""
    return database.bytes - database.log_bytes if database.page_bytes is None else database.page_bytes


def _removal(plan: Plan) -> Iterator[DurationItem]:
    yield _looked_for("RemoveWorker", TERMINATION.seconds, TERMINATION.basis)
    yield _looked_for("UnpairSecurityGroups", UNPAIRING.seconds, UNPAIRING.basis)
    if plan.native:
        yield _looked_for("RemoveStagingBucket", EMPTYING.seconds, EMPTYING.basis)
    yield _item("CloseRestore", CLOSING.seconds, CLOSING.basis)


def _looked_for(state: str, seconds: float, basis: str) -> DurationItem:
    """Of a state whose end is seen by looking at growing pauses."""
    return _item(state, PAUSES[state].seen(seconds), basis)


def _item(state: str, seconds: float, basis: str) -> DurationItem:
    return DurationItem(state=state, seconds=round(seconds, 1), basis=basis)
