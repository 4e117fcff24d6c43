"""Events on the account's default bus: what goes on, what ends, and how, for whoever listens (docs/contract/restore-event.schema.json).

The end of a restore is told for certain: CloseRestore is tried again until the bus took it. That one goes on is told as well as possible
(`mention`): nothing waits for it, and nothing fails with it.
"""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Final

from dbrestore.contract.anchor import Whereabouts
from dbrestore.contract.errors import NotReady
from dbrestore.contract.record import RestoreEvent
from dbrestore.contract.request import TicketRequest
from lambdas.runtime import telemetry
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


def under_way(where: Whereabouts, started_at: datetime, phase: str, ticket: TicketRequest) -> RestoreEvent:
    """Of a restore that goes on and is in that state."""
    return RestoreEvent(
        restore_id=where.restore_id,
        execution_arn=where.execution_arn,
        mode="drill" if where.drill else "restore",
        drill_name=where.drill.name if where.drill else None,
        status="RUNNING",
        phase=phase,
        target=where.target.arn,
        started_at=started_at,
        ticket=ticket,
    )


def _send(client: "EventBridgeClient", event: RestoreEvent, *kinds: str) -> None:
    detail = event.to_json()
    entries = [{"Source": SOURCE, "DetailType": kind, "Detail": detail, "Resources": [event.execution_arn]} for kind in kinds]
    if client.put_events(Entries=entries)["FailedEntryCount"]:  # type: ignore[arg-type]
        raise NotReady("waiting for EventBridge to take the event")
