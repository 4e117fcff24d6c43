"""A second person's approval of a restore: what is asked for, and what was decided."""

from typing import Literal

from pydantic import AwareDatetime, Field

from dbrestore.contract.document import Document

# Longer than a weekend; a plan that is older says little of the instance any more.
LONGEST_HOURS = 168
# The state in which a restore waits for it.
AWAITING = "AwaitApproval"


class ApprovalRequest(Document):
    """The restore is planned and then waits, for so many hours at most, until somebody else has approved it. The HTTP API adds this where
    the access configuration asks for it; whoever wants two pairs of eyes may write it."""

    hours: int = Field(default=24, ge=1, le=LONGEST_HOURS)


class Approval(Document):
    """How it went. `requester` is who asked for the restore, as it says itself; `by` who decided, as far as it was proven: an API key's
    caller, or a principal of IAM."""

    decision: Literal["waiting", "approved", "rejected", "expired"]
    requester: str
    asked_at: AwareDatetime
    until: AwareDatetime
    by: str | None = None
    at: AwareDatetime | None = None
    reason: str | None = None
