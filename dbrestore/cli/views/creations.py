"""Everything that a restore would make, by the names that it would get: the same that its report lists afterwards.

Invariant: each row of a restore's report is in here under the same kind and name, and what is here is in the report; a test compares them.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from dbrestore.contract import keys, names
from dbrestore.contract.plan import Plan
from dbrestore.points.sqlserver import staged as native_staging
from lambdas.databases import native_jobs
from lambdas.databases.rows import DATABASE, HOLDER_ROLE, LOGIN_ROLE, NATIVE_TASK
from lambdas.pairing import group_list, security_groups
from lambdas.staging import bucket as staging_bucket
from lambdas.worker import instance as worker_instance

ANY_GENERATION = "<n>"


@dataclass(frozen=True)
class Creation:
    """One thing. `is_recorded`: it has a row of its own in the ledger and the report; `stays`: it is there after the restore for
    certain."""

    kind: str
    name: str
    what: str = ""
    is_recorded: bool = True
    stays: bool = False


def of(plan: Plan) -> tuple[Creation, ...]:
    """In the order in which they would be made."""
    parts = (_worker(plan), _groups(plan), _staged(plan), _databases(plan), _records(plan))
    return tuple(creation for part in parts for creation in part)


def _worker(plan: Plan) -> Iterator[Creation]:
    worker, name = plan.worker, names.resource_name(plan.restore_id, "worker-1")
    first = f"{worker.first.instance_type} in {worker.first.subnet_id}"
    others = [f"{launch.instance_type} in {launch.subnet_id}" for launch in worker.launches[1:]]
    instead = f"; without capacity {', then '.join(others)}" if others else ""
    yield Creation(worker_instance.KIND, name, first + instead)
    yield Creation("volume", name, f"{worker.volume_gib} GiB gp3, encrypted, goes with the instance", is_recorded=False)


def _groups(plan: Plan) -> Iterator[Creation]:
    of_worker, of_database = (names.resource_name(plan.restore_id, role) for role in ("worker", "database"))
    port = plan.target.port
    yield Creation(
        security_groups.KIND, of_worker, f"on the worker, beside {', '.join(plan.worker.security_group_ids)}"
    )
    yield Creation(security_groups.KIND, of_database, f"on {plan.target.db_instance}")
    out, into = (security_groups.WAY[role] for role in security_groups.WAY)
    yield Creation(security_groups.RULE, f"{of_worker} {out} tcp/{port}", "to the other group")
    yield Creation(security_groups.RULE, f"{of_database} {into} tcp/{port}", "from the other group")
    entry = group_list.entry_name(plan.restore_id)
    yield Creation(group_list.KIND, entry, f"in the list of {plan.target.db_instance}")


def _staged(plan: Plan) -> Iterator[Creation]:
    if plan.native is None:
        return
    bucket = names.staging_bucket(0, plan.target.account, plan.target.region).replace("-g0-", f"-g{ANY_GENERATION}-")
    yield Creation(staging_bucket.BUCKET, bucket, "shared with other restores of that account and Region")
    prefix = native_staging.restore_prefix(plan.restore_id)
    yield Creation(staging_bucket.OBJECTS, f"{bucket}/{prefix}", "copies of the backup files")


def _databases(plan: Plan) -> Iterator[Creation]:
    for database in plan.databases:
        if plan.native:
            yield Creation(DATABASE, database.temporary_name, "stays if it is verified", stays=True)
            yield Creation(NATIVE_TASK, native_jobs.key_prefix(plan, database), f"RDS restores {database.asked_name}")
        else:
            what = f"stays as {database.asked_name} if it is verified"
            yield Creation(DATABASE, database.temporary_name, what, stays=True)
            yield Creation(
                LOGIN_ROLE, database.login_role, f"fills {database.temporary_name} and is gone when it is verified"
            )
            holds = f"no login, no rights; stays with {database.asked_name} if it owns something there"
            yield Creation(HOLDER_ROLE, database.holder_role, holds)


def _records(plan: Plan) -> Iterator[Creation]:
    yield Creation("ledger rows", plan.restore_id, "stay", is_recorded=False, stays=True)
    folder = keys.report_key(plan.restore_id).rpartition("/")[0] + "/"
    yield Creation("evidence", folder, "jobs, results and the report stay", is_recorded=False, stays=True)
