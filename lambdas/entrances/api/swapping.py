"""`POST /v1/restores/{id}/swaps`: what a restore restored takes a name, gives it back, or what was kept is dropped."""

from typing import Any, Final

from dbrestore.contract.api.restores import ShownRestore, SwapWish
from dbrestore.contract.approval import ApprovalRequest
from dbrestore.contract.errors import NotPermitted
from dbrestore.contract.swaps.orders import LONGEST_KEEP_DAYS, LONGEST_MINUTES, SwapOrder, SwapStart
from lambdas.entrances.api import bodies, permission, showing, starting
from lambdas.entrances.api.permission import Asked
from lambdas.entrances.api.received import Received
from lambdas.entrances.api.showing import Look
from lambdas.entrances.api.starting import Call

EXPECTED: Final = {
    "action": "must be swap, undo or drop",
    "sessions": "must be wait or end",
    "minutes": f"must be a number of minutes from 1 to {LONGEST_MINUTES}",
    "keepDays": f"must be a number of days from 1 to {LONGEST_KEEP_DAYS}",
}


def ordered(look: Look, call: Call, restore_id: str, body: dict[str, Any]) -> Received:
    """Start it, if the caller may replace databases there. Raises Refusal, NotPermitted."""
    wish = read(body)
    shown = showing.restore(look, restore_id)
    permitted = permission.of(look.access, _asked(look, shown, wish))
    if not permitted.granted:
        raise NotPermitted(f"{permitted.reason[0].upper()}{permitted.reason[1:]}")
    order = SwapOrder(
        restore_id=restore_id,
        approval=ApprovalRequest(hours=permitted.approval_hours) if permitted.approval_hours else None,
        requested_by=look.caller.name,
        permitted_by=permitted.reason,
        **wish.model_dump(),
    )
    return starting.started(call, "swap", {"of": restore_id, **body}, (SwapStart(swap=order).input_text(), permitted.reason))


def read(body: dict[str, Any]) -> SwapWish:
    """What is wished. Raises Refusal."""
    return bodies.as_document(body, SwapWish, EXPECTED, "The exchange can't be asked for")


def _asked(look: Look, shown: ShownRestore, wish: SwapWish) -> Asked:
    target = shown.target
    names = dict.fromkeys(name for one in shown.databases for name in (one.name, one.asked_name))
    if wish.name:
        names[wish.name] = None
    return Asked(
        look.caller.name,
        "restore",
        target=target.db_instance if target else "?",
        account=target.account if target else None,
        region=target.region if target else None,
        databases=tuple(names),
        wishes=("replace",),
        replaces=tuple(names),
    )
