"""After steps 4 and 5: the worker compares each database with the manifest. One of PostgreSQL gets the asked name only then; one of SQL
Server bears it already, and stays only if it was verified.

A promoted database is KEPT: it is what the restore was for. What is promoted stays, also when others failed.
"""

from lambdas import native_jobs, repeated_jobs
from lambdas.contract import Plan, PlannedDatabase
from lambdas.database_rows import settle_verified
from lambdas.inputs import VerifyInput
from lambdas.job_outcomes import error_of, outcomes, together
from lambdas.sections import DatabaseOutcome, VerifiedSection
from lambdas.state import Restore, state
from lambdas.worker_jobs import job, uri
from repository.errors import SomeDatabasesFailed
from worker.job import Job

JOB_NAME = "verify"
MADE = ("REPLAYED", "RESTORED")


@state("VerifyDatabases", VerifyInput, makes=True)
def verify_databases(section: VerifyInput, restore: Restore) -> VerifiedSection:
    """What became of each database, those that failed before included. Raises the error of the only one, or SomeDatabasesFailed."""
    plan = section.plan
    made = {d.asked_name for d in section.restored.databases if d.status in MADE}
    told = repeated_jobs.results(
        restore, plan, section.worker.instance_id, JOB_NAME,
        tuple(d for d in plan.databases if d.asked_name in made), lambda databases: _job(restore, plan, databases),
    )  # fmt: skip
    result = repeated_jobs.together(told)
    settle_verified(restore.ledger, result)
    if result.error:
        raise error_of(result.error)
    databases = together(section.restored.databases, *map(outcomes, told))
    _raise_if_failed(databases)
    last = repeated_jobs.numbered(JOB_NAME, len(told))
    return VerifiedSection(databases=databases, result=uri(restore, last, "result.json"))


def _job(restore: Restore, plan: Plan, databases: tuple[PlannedDatabase, ...]) -> Job:
    if plan.engine == "postgres":
        return job(restore, plan, "verify", databases)
    manifest = native_jobs.source_manifest(restore, plan)
    return job(restore, plan, "verify", native_databases=native_jobs.to_verify(plan, manifest, databases))


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
