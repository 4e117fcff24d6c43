"""What databases that came out of dumps lack of them."""

from dbrestore.contract import left_out_lists
from dbrestore.contract.job import Result
from dbrestore.contract.plan import Plan
from lambdas.databases import repeated_jobs
from lambdas.databases.replay_dumps import JOB_NAME as REPLAY
from lambdas.runtime.state import Restore


def told(restore: Restore, plan: Plan, verified: list[Result]) -> str:
    """What the restored databases lack, in some lines; empty if they lack nothing."""
    found = left_out_lists.by_database([*repeated_jobs.all_results(restore, REPLAY), *verified])
    return left_out_lists.told(found, f"dbrestore report {plan.restore_id}") if found else ""
