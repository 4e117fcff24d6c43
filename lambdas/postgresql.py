"""Step 5: the dumps are replayed by the worker into databases with temporary names.

A row for each temporary database and login role is written before the job is sent: DiscardUnfinishedDatabases drops what stays unfinished.
"""

from lambdas import archive
from lambdas.contract import Plan, RestoredSection, WorkerInput
from lambdas.database_rows import DATABASE, LOGIN_ROLE, note_made
from lambdas.job_outcomes import outcomes, raise_if_all_failed, together
from lambdas.state import Restore, state
from lambdas.worker_jobs import ensure_job, job, uri
from repository.errors import BackupArchived
from worker.job import Result

JOB_NAME = "replay"


@state("ReplayDumps", WorkerInput, makes=True)
def replay_dumps(section: WorkerInput, restore: Restore) -> RestoredSection:
    """What became of each database. Fails with a database's own error if none was replayed."""
    archive.require_readable(restore)
    plan = section.plan
    for database in plan.databases:
        restore.ledger.intend(DATABASE, database.asked_name, database.temporary_name)
        restore.ledger.intend(LOGIN_ROLE, database.asked_name, database.login_role)
    results = _replay(restore, plan, section.worker.instance_id)
    for result in results:
        note_made(restore.ledger, result)
    raise_if_all_failed(_last_of_each(results))
    return RestoredSection(
        databases=together(*map(outcomes, results)), result=uri(restore, _job_name(len(results)), "result.json")
    )


def _replay(restore: Restore, plan: Plan, instance_id: str) -> list[Result]:
    """One job, and another one for those databases whose files were archived again while the worker read them."""
    results: list[Result] = []
    databases = plan.databases
    while databases:
        work, name = job(restore, plan, "replay", databases), _job_name(len(results) + 1)
        results.append(ensure_job(restore, plan, instance_id, name, work, minutes=plan.worker.max_run_minutes))
        cold = {d.asked_name for d in results[-1].databases if d.error and d.error.name == BackupArchived.__name__}
        databases = tuple(d for d in databases if d.asked_name in cold)
        if databases:
            archive.require_retrieved(restore, plan)
    return results


def _job_name(number: int) -> str:
    return JOB_NAME if number == 1 else f"{JOB_NAME}-{number}"


def _last_of_each(results: list[Result]) -> Result:
    last = {database.asked_name: database for result in results for database in result.databases}
    return results[-1].model_copy(update={"databases": tuple(last.values())})
