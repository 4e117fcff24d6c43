"""Events on the account's default bus: what goes on, what ends, and how, for whoever listens (docs/contract/restore-event.schema.json).

The end of a restore is told for certain: CloseRestore is tried again until the bus took it. That one goes on is told as well as possible
(`mention`): nothing waits for it, and nothing fails with it.
"""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Final, Protocol

from dbrestore.contract.anchor import Whereabouts
from dbrestore.contract.errors import NotReady
from dbrestore.contract.record import RestoreEvent, RunMode
from dbrestore.contract.request import TicketRequest
from lambdas.runtime import notices, telemetry
from lambdas.runtime.aws import ControlAccount
from lambdas.runtime.telemetry import log

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient

SOURCE: Final = "dbrestore.restore"
STARTED: Final = "Restore Started"
PHASE_CHANGED: Final = "Phase Changed"


def tell(control: ControlAccount, event: RestoreEvent, *kinds: str) -> None:
    """Send the event under each of these detail types. Raises NotReady if the bus did not take all of them."""
    _send(control.events, event, *kinds)


def mention(control: ControlAccount, kind: str, event: Callable[[], RestoreEvent]) -> None:
    """Send the event if one short call can; else it is logged and counted, whatever the reason."""
    try:
        _send(control.hasty_events, event(), kind)
    except Exception as error:
        log.warning("the event %s was not sent: %s", kind, error)
        telemetry.count("UnsentEvents")


class Asking(Protocol):
    """Who asked for a restore, and for which ticket: a plan, or the parts of one that can't be read as a whole."""

    @property
    def ticket(self) -> TicketRequest: ...
    @property
    def requested_by(self) -> str | None: ...
    @property
    def permitted_by(self) -> str | None: ...


def under_way(where: Whereabouts, started_at: datetime, phase: str, asking: Asking) -> RestoreEvent:
    """Of a restore that goes on and is in that state."""
    return RestoreEvent(
        restore_id=where.restore_id,
        execution_arn=where.execution_arn,
        mode=mode_of(where),
        drill_name=where.drill.name if where.drill else None,
        status="RUNNING",
        phase=phase,
        target=where.target.arn,
        started_at=started_at,
        ticket=asking.ticket,
        caller=caller(asking),
    )


def mode_of(where: Whereabouts) -> RunMode:
    """Of what the ledger's anchor knows: an exchange by itself is that of another restore."""
    if where.drill:
        return "drill"
    return "swap" if where.swap and where.swap.of != where.restore_id else "restore"


def caller(asking: Asking) -> str | None:
    """Who asked over HTTP: only the API says that a rule permitted it, and its name comes first then."""
    return (asking.requested_by or "").partition(" ")[0] or None if asking.permitted_by else None


def _send(client: "EventBridgeClient", event: RestoreEvent, *kinds: str) -> None:
    said = {kind: event.model_copy(update={"notice": notices.of(kind, event)}).to_json() for kind in kinds}
    entries = [
        {"Source": SOURCE, "DetailType": kind, "Detail": detail, "Resources": [event.execution_arn]} for kind, detail in said.items()
    ]
    if client.put_events(Entries=entries)["FailedEntryCount"]:  # type: ignore[arg-type]
        raise NotReady("waiting for EventBridge to take the event")
