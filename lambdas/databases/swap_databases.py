"""The last step of a restore that replaces databases, and the only one of an exchange that is asked for by itself.

The worker exchanges the names; PostgreSQL in one transaction. Whatever comes in between, the error says which name holds what: a restored
database was verified before, and stays under the name that it has.
"""

from dbrestore.contract import anchor
from dbrestore.contract.error_names import by_name
from dbrestore.contract.errors import SomeDatabasesFailed
from dbrestore.contract.job import SwapResult
from dbrestore.contract.plan import Plan
from dbrestore.contract.sections import ExchangeOutcome, SwappedSection
from dbrestore.contract.swaps.exchanges import PlannedSwap
from lambdas.databases import job_documents, swaps
from lambdas.databases.job_rows import job_row
from lambdas.databases.jobs import ensure_job, uri
from lambdas.databases.outcomes import error_of
from lambdas.runtime.inputs import SwapInput
from lambdas.runtime.state import Restore, state

JOB_NAME = "swap"
# For the worker to begin, and to look.
_SPARE_MINUTES = 15


@state("SwapDatabases", SwapInput, makes=True)
def swap_databases(section: SwapInput, restore: Restore) -> SwappedSection:
    """Which names were exchanged. Raises the error of the only one, or SomeDatabasesFailed, with the truth about the names."""
    plan = section.plan
    if plan.swap is None:
        raise ValueError("the flow came here without an exchange to do")
    asked = swaps.asked(restore, plan.swap)
    if job_row(restore.ledger, JOB_NAME) is None:
        swaps.intend(restore.ledger, asked)
    work = job_documents.planned(restore, plan, "swap").model_copy(update={"swaps": asked})
    minutes = plan.swap.minutes * len(asked) + _SPARE_MINUTES
    result = ensure_job(restore, plan, section.worker.instance_id, JOB_NAME, work, minutes=minutes)
    swaps.settle(restore.ledger, anchor.of(plan), result)
    if result.error:
        raise error_of(result.error)
    _raise_if_failed(plan, plan.swap, result.swaps)
    outcomes = tuple(ExchangeOutcome(name=one.name, restored_is=one.restored_is, old_is=one.old_is) for one in result.swaps)
    return SwappedSection(exchanges=outcomes, result=uri(restore, JOB_NAME, "result.json"))


def _raise_if_failed(plan: Plan, swap: PlannedSwap, found: tuple[SwapResult, ...]) -> None:
    failed = [one for one in found if not one.is_done]
    if not failed:
        return
    lines = [f"{one.name}: {one.error.message if one.error else 'not done'}. Now {one.truth}" for one in failed]
    if swap.action == "swap":
        lines.append(f"What was restored is verified and stays. To try the exchange again: dbrestore swap {swap.of}")
    if len(failed) < len(found):
        done = ", ".join(one.name for one in found if one.is_done)
        raise SomeDatabasesFailed("\n".join([f"{len(failed)} of {len(found)} exchanges failed; done: {done}", *lines]))
    raise by_name(failed[0].error.name if failed[0].error else "")("\n".join(lines))
