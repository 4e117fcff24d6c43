"""A restore that a second person has to approve waits here, with its plan made and nothing else.

Whoever decides writes the row (lambdas.approval.decisions) and wakes this state; without that it looks four times an hour.
"""

from datetime import timedelta
from typing import Any

from dbrestore.contract.approval import AWAITING, Approval
from dbrestore.contract.errors import ApprovalExpired, ApprovalRefused, InternalContradiction, NotReady
from dbrestore.ledger.stored_plan import WHERE_TO_REPORT
from lambdas.approval import decisions
from lambdas.runtime import task_tokens
from lambdas.runtime.inputs import ApprovalInput
from lambdas.runtime.state import Restore, Surroundings, state


@state(AWAITING, ApprovalInput, makes=True)
def _wait(section: ApprovalInput, restore: Restore) -> Approval:
    """The approval. Raises NotReady while nobody has decided, ApprovalRefused, ApprovalExpired."""
    asked = section.plan.approval
    if asked is None:
        raise InternalContradiction(f"The flow waits for an approval that the plan doesn't ask for. {WHERE_TO_REPORT}")
    until = restore.began_at + timedelta(hours=asked.hours)
    found = decisions.wait(restore.ledger, section.plan.requested_by or "", until, section.task_token)
    if found.decision == "waiting" and restore.now() >= found.until:
        decisions.decide(restore.ledger.table, restore.ledger.restore_id, "expired", None, restore.now(), None)
        found = decisions.find(restore.ledger.table, restore.ledger.restore_id) or found
    return _decided(found)


def _decided(found: Approval) -> Approval:
    moment = f"{found.until:%Y-%m-%d %H:%M} UTC"
    if found.decision == "waiting":
        raise NotReady(f"waiting until {moment} for somebody other than {found.requester or 'who asked for it'} to approve it")
    if found.decision == "expired":
        raise ApprovalExpired(f"Nobody approved the restore by {moment}. Nothing was made: ask for it again")
    if found.decision == "rejected":
        why = f": {found.reason}" if found.reason else ""
        raise ApprovalRefused(f"{found.by} rejected the restore{why}. Nothing was made")
    return found


def await_approval(event: dict[str, Any], context: Any, surroundings: Surroundings | None = None) -> dict[str, Any]:
    """The function of the state AwaitApproval, which waits for its task token and not for this function's answer."""
    try:
        approval = _wait(event, context, surroundings)
    except NotReady:
        return {}
    task_tokens.succeed((surroundings or Surroundings()).control.stepfunctions, event["taskToken"], approval)
    return approval
