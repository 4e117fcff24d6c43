"""Step 5: the dumps are replayed by the worker into databases with temporary names.

A row for each temporary database and its two roles is written before the job is sent: DiscardUnfinishedDatabases drops what stays
unfinished. So is the document of the job that verifies them: the worker goes on with that at once, and VerifyDatabases finds it done, under
way, or, where the worker died, yet to be done.
"""

from typing import Final

from dbrestore.contract.job import FOLLOWED_BY
from dbrestore.contract.sections import RestoredSection
from dbrestore.ledger import reading
from lambdas.databases import jobs, repeated_jobs
from lambdas.databases.job_rows import job_row
from lambdas.databases.outcomes import outcomes, raise_if_all_failed, together
from lambdas.databases.postgresql import jobs as postgresql
from lambdas.databases.rows import intend, note_made
from lambdas.runtime.inputs import WorkerInput
from lambdas.runtime.state import Restore, state

JOB_NAME: Final = "replay"
VERIFICATION = FOLLOWED_BY[JOB_NAME]


@state("ReplayDumps", WorkerInput, makes=True)
def replay_dumps(section: WorkerInput, restore: Restore) -> RestoredSection:
    """What became of each database. Fails with a database's own error if none was replayed."""
    plan = section.plan
    # Thousands of looks follow the first: once the job has its row, the databases have theirs.
    if job_row(restore.ledger, JOB_NAME) is None:
        for database in plan.databases:
            intend(restore.ledger, database)
        jobs.write(restore, VERIFICATION, postgresql.verify(restore, plan, plan.databases))
    told = repeated_jobs.results(
        restore,
        plan,
        section.worker.instance_id,
        JOB_NAME,
        plan.databases,
        lambda databases: postgresql.job(restore, plan, "replay", databases),
    )
    result = repeated_jobs.together(told)
    note_made(restore.ledger, result)
    raise_if_all_failed(result)
    last = reading.numbered(JOB_NAME, len(told))
    return RestoredSection(databases=together(*map(outcomes, told)), result=jobs.uri(restore, last, "result.json"))
