"""After step 5: the worker compares each database with the manifest and only then gives it the asked name.

A promoted database is KEPT: it is what the restore was for. What is promoted stays, also when others failed.
"""

from lambdas.contract import DatabaseOutcome, Plan, VerifiedSection, VerifyInput
from lambdas.ledger import Ledger
from lambdas.postgresql import DATABASE, LOGIN_ROLE, error_of, outcomes
from lambdas.state import Restore, state
from lambdas.worker_jobs import ensure_job, job, uri
from repository.errors import SomeDatabasesFailed
from worker.job import Result

JOB_NAME = "verify"


@state("VerifyDatabases", VerifyInput, makes=True)
def verify_databases(section: VerifyInput, restore: Restore) -> VerifiedSection:
    """What became of each database, those that failed before included. Raises the error of the only one, or SomeDatabasesFailed."""
    plan = section.plan
    replayed = {d.asked_name for d in section.restored.databases if d.status == "REPLAYED"}
    work = job(restore, plan, "verify", [d for d in plan.databases if d.asked_name in replayed])
    minutes = plan.worker.max_run_minutes
    result = ensure_job(restore, plan, section.worker.instance_id, JOB_NAME, work, minutes=minutes)
    settle(restore.ledger, plan, result)
    if result.error:
        raise error_of(result.error)
    failed_before = tuple(d for d in section.restored.databases if d.asked_name not in replayed)
    databases = (*failed_before, *outcomes(result))
    _raise_if_failed(databases)
    return VerifiedSection(databases=databases, result=uri(restore, JOB_NAME, "result.json"))


def settle(ledger: Ledger, plan: Plan, result: Result) -> None:
    """Settle rows by what a verification did: promoted databases are kept, what it saw absent is deleted."""
    promoted = {d.temporary_name: d.asked_name for d in result.databases if d.status == "PROMOTED"}
    absent = {(absence.kind, absence.name) for absence in result.absences if absence.seen_absent}
    for row in ledger.unsettled(DATABASE, LOGIN_ROLE):
        if row.kind == DATABASE and row.name in promoted:
            ledger.kept(row, promoted[row.name])
        elif (row.kind, row.name) in absent:
            ledger.deleted(row)


def _raise_if_failed(databases: tuple[DatabaseOutcome, ...]) -> None:
    failed = [d for d in databases if d.status != "PROMOTED"]
    if failed and len(failed) == len(databases):
        raise error_of(failed[0].error)
    if failed:
        good = ", ".join(d.asked_name for d in databases if d.status == "PROMOTED")
        lines = [f"{d.asked_name}: {d.error.name}: {d.error.message}" if d.error else d.asked_name for d in failed]
        raise SomeDatabasesFailed(
            "\n".join([f"{len(failed)} of {len(databases)} failed; {good} came back whole", *lines])
        )
