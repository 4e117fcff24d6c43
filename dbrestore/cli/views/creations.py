"""Everything that a restore would make, by the names that it would get: the same that its report lists afterwards.

Invariant: each row of a restore's report is in here under the same kind and name, and what is here is in the report; a test compares them.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from dbrestore.contract import keys, names, things
from dbrestore.contract.plan import Plan
from dbrestore.contract.things import DATABASE, HOLDER_ROLE, LOGIN_ROLE, NATIVE_TASK
from dbrestore.points.sqlserver import staged as native_staging

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
    yield Creation(things.INSTANCE, name, first + instead)
    yield Creation("volume", name, f"{worker.volume_gib} GiB gp3, encrypted, goes with the instance", is_recorded=False)


def _groups(plan: Plan) -> Iterator[Creation]:
    of_worker, of_database = (names.resource_name(plan.restore_id, role) for role in ("worker", "database"))
    port = plan.target.port
    yield Creation(
        things.SECURITY_GROUP, of_worker, f"on the worker, beside {', '.join(plan.worker.security_group_ids)}"
    )
    yield Creation(things.SECURITY_GROUP, of_database, f"on {plan.target.db_instance}")
    out, into = (things.rule_name(plan.restore_id, role, port) for role in things.WAY)
    yield Creation(things.SECURITY_GROUP_RULE, out, "to the other group")
    yield Creation(things.SECURITY_GROUP_RULE, into, "from the other group")
    entry = things.group_list_entry(plan.restore_id)
    yield Creation(things.GROUP_LIST_ENTRY, entry, f"in the list of {plan.target.db_instance}")


def _staged(plan: Plan) -> Iterator[Creation]:
    if plan.native is None:
        return
    bucket = names.staging_bucket(0, plan.target.account, plan.target.region).replace("-g0-", f"-g{ANY_GENERATION}-")
    yield Creation(things.BUCKET, bucket, "shared with other restores of that account and Region")
    prefix = native_staging.restore_prefix(plan.restore_id)
    yield Creation(things.STAGED_OBJECTS, f"{bucket}/{prefix}", "copies of the backup files")


def _databases(plan: Plan) -> Iterator[Creation]:
    for number, database in enumerate(plan.databases, start=1):
        if plan.native:
            yield Creation(DATABASE, database.temporary_name, "stays if it is verified", stays=True)
            yield Creation(
                NATIVE_TASK,
                native_staging.database_prefix(plan.restore_id, number),
                f"RDS restores {database.asked_name}",
            )
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
