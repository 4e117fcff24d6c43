"""What a job's result says of its databases: each one's outcome in short, and the error when there is nothing left to go on with."""

from collections.abc import Iterable

from dbrestore.contract.error_names import by_name
from dbrestore.contract.errors import RestoreError, RestoreFailed
from dbrestore.contract.job import DatabaseResult, ErrorNote, Result
from dbrestore.contract.sections import DatabaseOutcome


def raise_if_all_failed(result: Result) -> None:
    """Raise the job's error, or the first database's if no database succeeded."""
    if result.error:
        raise error_of(result.error)
    failed = [d for d in result.databases if d.status == "FAILED"]
    if len(failed) == len(result.databases):
        raise error_of(failed[0].error) if failed else RestoreFailed("The worker's result names no database")


def raise_if_any_failed(result: Result) -> None:
    """Raise the job's error, or that of the first database that failed."""
    if result.error:
        raise error_of(result.error)
    for database in result.databases:
        if database.status == "FAILED":
            raise error_of(database.error)


def error_of(note: ErrorNote | None) -> RestoreError:
    """The error that a note tells of."""
    return by_name(note.name)(note.message) if note else RestoreFailed("The worker gave no reason")


def outcomes(result: Result) -> tuple[DatabaseOutcome, ...]:
    """The short form of each database's result."""
    return tuple(_outcome(database) for database in result.databases)


def together(*jobs: Iterable[DatabaseOutcome]) -> tuple[DatabaseOutcome, ...]:
    """Each database as the last of the jobs left it, with the seconds that all of them took."""
    last: dict[str, DatabaseOutcome] = {}
    for outcome in (outcome for job in jobs for outcome in job):
        before = last.get(outcome.asked_name)
        seconds = outcome.seconds + (before.seconds if before else 0.0)
        last[outcome.asked_name] = outcome.model_copy(update={"seconds": seconds})
    return tuple(last.values())


def _outcome(database: DatabaseResult) -> DatabaseOutcome:
    return DatabaseOutcome(
        name=database.backup_name,
        asked_name=database.asked_name,
        status=database.status,
        rows=database.rows,
        bytes=database.bytes,
        seconds=database.seconds,
        left_out=len(database.left_out),
        error=database.error,
    )
