"""SQL Server in the estimate: S3 copies the backups by itself, and RDS restores them."""

from collections.abc import Iterator, Mapping

from dbrestore.contract import limits
from dbrestore.contract.plan import DurationItem, Plan, PlannedDatabase
from lambdas.estimate.rates import LOOKING, MEGABYTE, READING_AGAIN, Rate, Span, is_abroad, item, looked_for
from lambdas.estimate.requests import S3Requests

STAGING = Rate(250 * MEGABYTE, "assumed 250 MB/s, S3 copies on its own; published: 445 MB/s with 40 parts at once")
STAGING_ABROAD = Rate(100 * MEGABYTE, "assumed 100 MB/s, S3 copies on its own from Region to Region")
NATIVE_RESTORE = Rate(50 * MEGABYTE, "assumed 50 MB/s of backup files for the instance; RDS gives no figure")
# SQL Server writes a new log file full of zeros before it restores anything; data files are only reserved (instant file initialisation,
# which a log can't have: Microsoft Learn, "Database instant file initialization"). That RDS has it switched on is assumed.
ZEROING = Rate(100 * MEGABYTE, "assumed 100 MB/s to fill the log files with zeros")
# RDS brings the state of its tasks up to date about every two minutes, and works on two at a time.
NATIVE_TASK = Span(120, "2 min for the start and the end of every two databases")
TASKS_AT_ONCE = 2
EMPTYING = Span(5, "assumed: objects and bucket are deleted in one go")
# It is read when it is staged.
READING = STAGING_ABROAD

PART_BYTES = limits.STAGING_PART_BYTES
REQUESTS_PER_STAGED_FILE = 6
# While RDS restores, the worker notes its progress when it asks RDS.
NATIVE_PROGRESS_SECONDS = 60.0


def durations(plan: Plan) -> Iterator[DurationItem]:
    """Of the states in which the databases come into being."""
    copying = STAGING_ABROAD if is_abroad(plan) else STAGING
    yield item("StageNativeBackups", copying.seconds(stored_bytes(plan)) + 1, copying.basis)
    yield _restoring(plan)
    yield _verifying(plan)


def _restoring(plan: Plan) -> DurationItem:
    turns = -(-len(plan.databases) // TASKS_AT_ONCE)
    # Backed up are the pages in use alone, so what is read tells what is written, but for compressed backups, whose pages nobody counted.
    seconds = NATIVE_RESTORE.seconds(stored_bytes(plan)) + NATIVE_TASK.seconds * turns
    logs = sum(database.log_bytes for database in plan.databases)
    basis = (NATIVE_RESTORE.basis, NATIVE_TASK.basis, *([ZEROING.basis] if logs else []))
    return looked_for("RestoreNativeBackups", seconds + ZEROING.seconds(logs), "; ".join(basis))


def _verifying(plan: Plan) -> DurationItem:
    if not (plan.native and plan.native.check_database):
        return looked_for("VerifyDatabases", LOOKING.seconds, LOOKING.basis)
    checking = READING_AGAIN.seconds(sum(map(_checked_bytes, plan.databases)))
    counted = all(database.page_bytes is not None for database in plan.databases)
    told = "pages in use" if counted else "whole files where the point doesn't know the pages in use"
    return looked_for("VerifyDatabases", LOOKING.seconds + checking, f"DBCC CHECKDB, {READING_AGAIN.basis}; {told}")


def _checked_bytes(database: PlannedDatabase) -> int:
    """DBCC CHECKDB reads pages in use, neither free ones nor the log."""
    return database.bytes - database.log_bytes if database.page_bytes is None else database.page_bytes


def removal(plan: Plan) -> Iterator[DurationItem]:
    """Of what only this engine has to remove: the temporary bucket."""
    yield looked_for("RemoveStagingBucket", EMPTYING.seconds, EMPTYING.basis)


def stored_bytes(plan: Plan) -> int:
    """Of what is copied out of the repository."""
    return plan.native.staged_bytes if plan.native else 0


def requests(plan: Plan, seconds: Mapping[str, float]) -> S3Requests:
    """Of the copying and the worker, with the expected seconds by state."""
    puts = round(seconds.get("RestoreNativeBackups", 0.0) / NATIVE_PROGRESS_SECONDS)
    parts = -(-stored_bytes(plan) // PART_BYTES)
    return S3Requests(puts + parts + REQUESTS_PER_STAGED_FILE * len(plan.databases), parts)
