"""Step 5: the dumps are replayed by the worker into databases with temporary names.

A row for each temporary database and login role is written before the job is sent: DiscardUnfinishedDatabases drops what stays unfinished.
"""

from collections.abc import Iterable

from lambdas.contract import DatabaseOutcome, Plan, PlannedDatabase, RestoredSection, WorkerInput
from lambdas.ledger import Ledger
from lambdas.state import Restore, state
from lambdas.worker_jobs import ensure_job, job, uri
from repository.error_names import by_name
from repository.errors import RestoreError, RestoreFailed
from worker.job import DatabaseResult, ErrorNote, Result

DATABASE = "database"
LOGIN_ROLE = "role"
JOB_NAME = "replay"


@state("ReplayDumps", WorkerInput, makes=True)
def replay_dumps(section: WorkerInput, restore: Restore) -> RestoredSection:
    """What became of each database. Fails with a database's own error if none was replayed."""
    plan = section.plan
    for database in plan.databases:
        restore.ledger.intend(DATABASE, database.asked_name, database.temporary_name)
        restore.ledger.intend(LOGIN_ROLE, database.asked_name, database.login_role)
    work = job(restore, plan, "replay", plan.databases)
    minutes = plan.worker.max_run_minutes
    result = ensure_job(restore, plan, section.worker.instance_id, JOB_NAME, work, minutes=minutes)
    note_created(restore.ledger, plan, result)
    raise_if_all_failed(result)
    return RestoredSection(databases=outcomes(result), result=uri(restore, JOB_NAME, "result.json"))


def note_created(ledger: Ledger, plan: Plan, result: Result) -> None:
    """The temporary databases and roles that the worker left standing; absent ones are settled."""
    absent = {(absence.kind, absence.name) for absence in result.absences if absence.seen_absent}
    replayed = {d.temporary_name for d in result.databases if d.status == "REPLAYED"}
    for row in ledger.unsettled(DATABASE, LOGIN_ROLE):
        if (row.kind, row.name) in absent:
            ledger.deleted(row)
        elif row.state == "INTENT" and _database_of(plan.databases, row.name).temporary_name in replayed:
            ledger.created(row, row.name)


def _database_of(databases: Iterable[PlannedDatabase], name: str) -> PlannedDatabase:
    return next(d for d in databases if name in (d.temporary_name, d.login_role))


def raise_if_all_failed(result: Result) -> None:
    """Raise the job's error, or the first database's if no database succeeded."""
    if result.error:
        raise error_of(result.error)
    failed = [d for d in result.databases if d.status == "FAILED"]
    if len(failed) == len(result.databases):
        raise error_of(failed[0].error) if failed else RestoreFailed("The worker's result names no database")


def error_of(note: ErrorNote | None) -> RestoreError:
    """The error that a note tells of."""
    return by_name(note.name)(note.message) if note else RestoreFailed("The worker gave no reason")


def outcomes(result: Result) -> tuple[DatabaseOutcome, ...]:
    """The short form of each database's result."""
    return tuple(_outcome(database) for database in result.databases)


def _outcome(database: DatabaseResult) -> DatabaseOutcome:
    return DatabaseOutcome(
        name=database.backup_name,
        asked_name=database.asked_name,
        status=database.status,
        rows=database.rows,
        bytes=database.bytes,
        seconds=database.seconds,
        error=database.error,
    )
