"""Everything that a restore would make, by the names that it would get: the same that its report lists afterwards.

Invariant: each row of a restore's report is in here under the same kind and name, and what is here is in the report; a test compares them.
"""

from collections.abc import Iterator

from dbrestore.cli.views.creation import Creation
from dbrestore.cli.views.engines import ENGINES
from dbrestore.contract import keys, names, things
from dbrestore.contract.plan import Plan


def of(plan: Plan) -> tuple[Creation, ...]:
    """In the order in which they would be made."""
    parts = (_worker(plan), _groups(plan), ENGINES[plan.engine].creations(plan), _records(plan))
    return tuple(creation for part in parts for creation in part)


def _worker(plan: Plan) -> Iterator[Creation]:
    worker, name = plan.worker, names.resource_name(plan.restore_id, "worker-1")
    first = f"{worker.first.instance_type} in {worker.first.subnet_id}"
    others = [f"{launch.instance_type} in {launch.subnet_id}" for launch in worker.launches[1:]]
    instead = f"; without capacity {', then '.join(others)}" if others else ""
    yield Creation(things.INSTANCE, name, first + instead)
    yield Creation("volume", name, f"{worker.volume_gib} GiB gp3, encrypted, deleted with the instance", is_recorded=False)


def _groups(plan: Plan) -> Iterator[Creation]:
    of_worker, of_database = (names.resource_name(plan.restore_id, role) for role in ("worker", "database"))
    port = plan.target.port
    yield Creation(things.SECURITY_GROUP, of_worker, f"on the worker, in addition to {', '.join(plan.worker.security_group_ids)}")
    yield Creation(things.SECURITY_GROUP, of_database, f"on {plan.target.db_instance}")
    out, into = (things.rule_name(plan.restore_id, role, port) for role in things.WAY)
    yield Creation(things.SECURITY_GROUP_RULE, out, "to the other group")
    yield Creation(things.SECURITY_GROUP_RULE, into, "from the other group")
    entry = things.group_list_entry(plan.restore_id)
    yield Creation(things.GROUP_LIST_ENTRY, entry, f"in the list of {plan.target.db_instance}")


def _records(plan: Plan) -> Iterator[Creation]:
    yield Creation("ledger rows", plan.restore_id, "stay", is_recorded=False, stays=True)
    folder = keys.report_key(plan.restore_id).rpartition("/")[0] + "/"
    yield Creation("evidence", folder, "jobs, results and the report stay", is_recorded=False, stays=True)
