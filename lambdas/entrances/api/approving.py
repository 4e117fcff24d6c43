"""`POST /v1/restores/{id}/approval`: somebody who may, and who isn't the one who asked, decides about a restore that waits."""

from typing import Any, Final, Literal

from dbrestore.contract.api.restores import Decision, ShownRestore
from dbrestore.contract.errors import NotPermitted
from lambdas.approval import decisions
from lambdas.entrances.api import bodies, received, showing
from lambdas.entrances.api.refusals import Refusal
from lambdas.entrances.api.showing import Look

_DONE: Final[dict[str, Literal["approved", "rejected"]]] = {"approve": "approved", "reject": "rejected"}
EXPECTED: Final = {"decision": "must be approve or reject", "reason": "must be a text of 1,000 characters at most"}


def decided(look: Look, restore_id: str, body: dict[str, Any]) -> ShownRestore:
    """Write the decision and wake the restore. Raises Refusal, NotPermitted."""
    asked = read(body)
    shown = showing.restore(look, restore_id, also="approve")
    permission = showing.of_shown(look, shown, "approve")
    if not permission.granted:
        raise NotPermitted(f"{permission.reason[0].upper()}{permission.reason[1:]}")
    _require_another(look, shown)
    table, now = look.ledger, look.surroundings.clock()
    waiting = decisions.find(table, restore_id)
    is_in_time = waiting is not None and now < waiting.until
    if not is_in_time or not decisions.decide(table, restore_id, _DONE[asked.decision], look.caller.person, now, asked.reason):
        raise _not_waiting(look, restore_id)
    decisions.wake(look.executions, table, restore_id)
    return showing.restore(look, restore_id, also="approve")


def read(body: dict[str, Any]) -> Decision:
    """The decision. Raises Refusal."""
    return bodies.as_document(body, Decision, EXPECTED, "The decision can't be taken")


def _require_another(look: Look, shown: ShownRestore) -> None:
    """One's own restore nobody approves, by whatever name: neither as the same caller nor as the same person."""
    accepted = received.find(look.ledger, shown.id)
    mine = (accepted.caller, accepted.person) if accepted else (shown.requested_by, shown.requested_by)
    if look.caller.name == mine[0] or look.caller.person == mine[1]:
        told = f"{shown.id} was asked for by {look.caller.name}: somebody else has to decide about it"
        raise Refusal(403, "OwnRestore", "Nobody approves a restore of one's own", told)


def _not_waiting(look: Look, restore_id: str) -> Refusal:
    found = decisions.find(look.ledger, restore_id)
    told = f"It was {found.decision} already" if found and found.decision != "waiting" else "It doesn't wait for approval"
    return Refusal(409, "NotWaitingForApproval", "There is nothing to decide", f"{restore_id}: {told[0].lower()}{told[1:]}")
