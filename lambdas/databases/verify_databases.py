"""After steps 4 and 5: the worker compares each database with the manifest. One of PostgreSQL gets the asked name only then; one of SQL
Server bears it already, and stays only if it was verified.

A promoted database is KEPT: it is what the restore was for. What is promoted stays, also when others failed, or when objects were left out
of it; but then the restore does not succeed.
"""

from dbrestore.contract.checks import answer_lists
from dbrestore.contract.errors import ChecksFailed, ObjectsLeftOut, SomeDatabasesFailed
from dbrestore.contract.sections import DatabaseOutcome, VerifiedSection
from dbrestore.ledger import reading
from lambdas.databases import objectives, repeated_jobs
from lambdas.databases.engines import ENGINES
from lambdas.databases.jobs import uri
from lambdas.databases.outcomes import error_of, outcomes, together
from lambdas.databases.rows import settle_verified
from lambdas.runtime.inputs import VerifyInput
from lambdas.runtime.state import Restore, state

JOB_NAME = "verify"
MADE = ("REPLAYED", "RESTORED")


@state("VerifyDatabases", VerifyInput, makes=True)
def verify_databases(section: VerifyInput, restore: Restore) -> VerifiedSection:
    """What became of each database, those that failed before included. Raises the error of the only one, or
    SomeDatabasesFailed; ObjectsLeftOut if all are there, but not all of the dump; ChecksFailed if a check found another answer,
    DrillFailed if that or an objective was missed by a drill."""
    plan = section.plan
    engine = ENGINES[plan.engine]
    made = {d.asked_name for d in section.restored.databases if d.status in MADE}
    told = repeated_jobs.results(
        restore,
        plan,
        section.worker.instance_id,
        JOB_NAME,
        tuple(d for d in plan.databases if d.asked_name in made),
        lambda databases: engine.verify(restore, plan, databases),
    )
    result = repeated_jobs.together(told)
    settle_verified(restore.ledger, result, plan)
    if result.error:
        raise error_of(result.error)
    databases = together(section.restored.databases, *map(outcomes, told))
    missing = engine.left_out(restore, plan, told)
    unmet = answer_lists.unmet(told)
    _raise_if_failed(databases, missing, unmet)
    if missing:
        raise ObjectsLeftOut("\n".join([missing, *unmet]))
    if plan.drill:
        objectives.require(restore, plan.drill, unmet)
    elif unmet:
        raise ChecksFailed("\n".join([*unmet, f"All answers: dbrestore report {plan.restore_id}"]))
    last = reading.numbered(JOB_NAME, len(told))
    return VerifiedSection(databases=databases, result=uri(restore, last, "result.json"))


def _raise_if_failed(databases: tuple[DatabaseOutcome, ...], missing: str, unmet: list[str]) -> None:
    failed = [d for d in databases if d.status != "PROMOTED"]
    if failed and len(failed) == len(databases):
        raise error_of(failed[0].error)
    if failed:
        good = ", ".join(d.asked_name for d in databases if d.status == "PROMOTED")
        whole = "stay, without what was left out of them" if missing else "were restored whole"
        lines = [f"{d.asked_name}: {d.error.name}: {d.error.message}" if d.error else d.asked_name for d in failed]
        raise SomeDatabasesFailed(
            "\n".join([f"{len(failed)} of {len(databases)} failed; {good} {whole}", *lines, *missing.splitlines(), *unmet])
        )
