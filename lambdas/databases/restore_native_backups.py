"""Step 4: RDS's native restore of SQL Server's backup files, which lie in the temporary bucket (lambdas.staging.stage_native_backups).

RDS restores straight under the asked name. A row for each database and for its tasks of RDS is written before the job is sent:
DiscardUnfinishedDatabases cancels and drops what stays unfinished, and a verified database alone is kept.
"""

from dbrestore.contract.job import DatabaseResult, ErrorNote, Result
from dbrestore.contract.sections import RestoredSection
from dbrestore.contract.sqlserver_errors import NativeTaskFailed
from dbrestore.contract.things import DATABASE, NATIVE_TASK
from lambdas.databases.job_rows import job_row
from lambdas.databases.jobs import ensure_job, uri
from lambdas.databases.outcomes import outcomes, raise_if_all_failed
from lambdas.databases.rows import note_made
from lambdas.databases.sqlserver import jobs as sqlserver
from lambdas.runtime.inputs import NativeRestoreInput
from lambdas.runtime.state import Restore, state

JOB_NAME = "restore"


@state("RestoreNativeBackups", NativeRestoreInput, makes=True)
def restore_native_backups(section: NativeRestoreInput, restore: Restore) -> RestoredSection:
    """What became of each database. Fails with a database's own error if none was restored."""
    plan = section.plan
    # Thousands of looks follow the first: once the job has its row, the databases have theirs and the job its document.
    work = sqlserver.job(restore, plan, "restore")
    if job_row(restore.ledger, JOB_NAME) is None:
        for database in plan.databases:
            restore.ledger.intend(DATABASE, database.asked_name, database.temporary_name)
            restore.ledger.intend(NATIVE_TASK, database.asked_name, sqlserver.key_prefix(plan, database))
        work = sqlserver.restoration(restore, plan, section.staging)
    minutes = plan.worker.max_run_minutes
    result = ensure_job(restore, plan, section.worker.instance_id, JOB_NAME, work, minutes=minutes)
    result = proven(result, {d.asked_name: sqlserver.key_prefix(plan, d) for d in plan.databases})
    note_made(restore.ledger, result)
    raise_if_all_failed(result)
    return RestoredSection(databases=outcomes(result), result=uri(restore, JOB_NAME, "result.json"))


def proven(result: Result, key_prefixes: dict[str, str]) -> Result:
    """A restored database counts only if RDS lists no unfinished task of it: one that still comes would change what was verified. The
    tasks of a failed one are looked for again, when it is discarded."""
    over = {absence.name for absence in result.absences if absence.kind == NATIVE_TASK and absence.seen_absent}
    databases = tuple(_proven(d, key_prefixes[d.asked_name] in over) for d in result.databases)
    restored = {key_prefixes[d.asked_name] for d in databases if d.status == "RESTORED"}
    absences = tuple(absence for absence in result.absences if absence.name in restored)
    return result.model_copy(update={"databases": databases, "absences": absences})


def _proven(database: DatabaseResult, tasks_are_over: bool) -> DatabaseResult:
    if database.status != "RESTORED" or tasks_are_over:
        return database
    message = f"RDS may still work on {database.asked_name!r}: it was not seen that no task of it is left; start the restore again"
    return database.model_copy(update={"status": "FAILED", "error": ErrorNote.of(NativeTaskFailed(message))})
