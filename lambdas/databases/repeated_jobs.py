"""Jobs whose worker reads from the repository, and that are done again for those databases whose files were archived meanwhile.

The first job bears the plain name (`replay`), the others a number (`replay-2`). Invariant: what an earlier job did for the other databases
stays; the last word about a database is that of the last job that had it.
"""

from collections.abc import Callable

from dbrestore.contract.errors import BackupArchived, NotReady, RetrievalTimedOut
from dbrestore.contract.job import Job, Result
from dbrestore.contract.plan import Plan, PlannedDatabase
from dbrestore.ledger.reading import jobs_of, numbered
from lambdas.archive import retrieve_archive as archive
from lambdas.databases.job_rows import job_row
from lambdas.databases.jobs import ensure_job, result
from lambdas.runtime.state import Restore


def results(
    restore: Restore,
    plan: Plan,
    instance_id: str,
    name: str,
    databases: tuple[PlannedDatabase, ...],
    work: Callable[[tuple[PlannedDatabase, ...]], Job],
) -> list[Result]:
    """The jobs' results, oldest first. Raises what `ensure_job` raises, and BackupArchived when S3 must retrieve files (longer),
    RetrievalTimedOut."""
    told: list[Result] = []
    # A job without databases is done too: verification settles what there is.
    while databases or not told:
        number = len(told) + 1
        try:
            told.append(
                ensure_job(
                    restore,
                    plan,
                    instance_id,
                    numbered(name, number),
                    work(databases),
                    minutes=plan.worker.max_run_minutes,
                )
            )
        except NotReady:
            archive.require_readable(restore)
            raise
        databases = _cold(told[-1], databases)
        if databases and job_row(restore.ledger, numbered(name, number + 1)) is None:
            archive.require_retrieved(restore, plan)
            _require_worth_repeating(number, databases, restore.bounds.archive_rounds)
    return told


def _require_worth_repeating(number: int, databases: tuple[PlannedDatabase, ...], most: int) -> None:
    """S3 shows every file as readable and still refuses the worker: for a while it may be just about to change."""
    if number > most:
        names = ", ".join(database.asked_name for database in databases)
        raise RetrievalTimedOut(
            f"{number} jobs of the worker found files of {names} archived, and S3 says that all can be read: look at the files' state and "
            "at the lifecycle rules of the repository's bucket, then start the restore again"
        )


def _cold(told: Result, databases: tuple[PlannedDatabase, ...]) -> tuple[PlannedDatabase, ...]:
    cold = {d.asked_name for d in told.databases if d.error and d.error.name == BackupArchived.__name__}
    return tuple(database for database in databases if database.asked_name in cold)


def told_so_far(restore: Restore, name: str) -> Result | None:
    """What the jobs of this kind have told, as one; None if none of them has."""
    found = all_results(restore, name)
    return together(found) if found else None


def all_results(restore: Restore, name: str) -> list[Result]:
    """The results of all jobs of this kind that have one, oldest first."""
    return [one for each in jobs_of(restore.ledger.table, restore.ledger.restore_id, name) if (one := result(restore, each))]


def together(told: list[Result]) -> Result:
    """As one result: each database as the last job left it."""
    last = {database.asked_name: database for one in told for database in one.databases}
    absences = {(absence.kind, absence.name): absence for one in told for absence in one.absences}
    return told[-1].model_copy(update={"databases": tuple(last.values()), "absences": tuple(absences.values())})
