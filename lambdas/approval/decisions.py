"""The row of a restore that waits for a second person: what was decided, by whom, and the token with which to wake it.

    pk             sk         what
    <restore id>   APPROVAL   the decision (dbrestore.contract.approval), and while it waits its token

The row decides. The token only wakes the execution, which then looks here: so whoever dies between the two is made up for by the slow look.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Literal

from pydantic import ValidationError

from dbrestore.contract.approval import Approval
from dbrestore.contract.errors import LedgerRowUnreadable
from dbrestore.ledger.table import ConditionFailed, Item, Table
from lambdas.runtime import task_tokens
from lambdas.runtime.ledger import Ledger

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

APPROVAL = "APPROVAL"


def find(table: Table, restore_id: str) -> Approval | None:
    """What stands of a restore; None if nobody has to approve it. Raises LedgerRowUnreadable."""
    item = table.get(restore_id, APPROVAL)
    return _read(restore_id, item) if item else None


def wait(ledger: Ledger, requester: str, until: datetime, token: str) -> Approval:
    """From now on a decision wakes the task with this token. The first call says until when. Raises RestoreClosed, RestoreCancelled."""
    table = ledger.table
    asked = Approval(decision="waiting", requester=requester, asked_at=ledger.clock(), until=until)
    row = {"pk": ledger.restore_id, "sk": APPROVAL, **asked.to_state(), "token": token}
    try:
        table.write(ledger.while_status("RUNNING"), table.put(row, "attribute_not_exists(pk)"))
    except ConditionFailed:
        ledger.require("RUNNING")
        _renew(ledger, token)
    # Who cancels looks for the token after saying so: if it was not there yet, this finds what was said.
    ledger.require("RUNNING")
    return find(table, ledger.restore_id) or asked


def _renew(ledger: Ledger, token: str) -> None:
    change = ledger.table.update(ledger.restore_id, APPROVAL, "SET #token = :token", "decision = :waiting", token=token, waiting="waiting")
    try:
        ledger.table.write(change)
    except ConditionFailed:
        # Decided meanwhile: whoever asks next finds what.
        return


def decide(
    table: Table, restore_id: str, decision: Literal["approved", "rejected", "expired"], by: str | None, at: datetime, reason: str | None
) -> bool:
    """Write the decision; False if there was one before, or nothing to decide."""
    change = "SET decision = :decision, #at = :at" + (", #by = :by" if by else "") + (", #reason = :reason" if reason else "")
    given = {**({"by": by} if by else {}), **({"reason": reason} if reason else {})}
    write = table.update(
        restore_id, APPROVAL, change, "decision = :waiting", decision=decision, at=at.isoformat(), waiting="waiting", **given
    )
    try:
        table.write(write)
    except ConditionFailed:
        return False
    return True


def wake(stepfunctions: "SFNClient", table: Table, restore_id: str) -> bool:
    """Have the restore look at once; whether it was waiting."""
    item = table.get(restore_id, APPROVAL)
    if item is None or "token" not in item:
        return False
    return task_tokens.wake(stepfunctions, str(item["token"]), "somebody has it look")


def _read(restore_id: str, item: Item) -> Approval:
    try:
        return Approval.of_any_version({name: value for name, value in item.items() if name not in ("pk", "sk", "token")})
    except ValidationError as error:
        raise LedgerRowUnreadable(
            f"the row APPROVAL of {restore_id} in the ledger can't be read: another version wrote it, or somebody edited it"
        ) from error
