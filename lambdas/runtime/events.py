"""Events on the account's default bus: what ends, and how, for whoever listens (docs/contract/restore-event.schema.json)."""

from typing import Final

from dbrestore.contract.errors import NotReady
from dbrestore.contract.record import RestoreEvent
from lambdas.runtime.state import Surroundings

SOURCE: Final = "dbrestore.restore"


def tell(surroundings: Surroundings, event: RestoreEvent, *kinds: str) -> None:
    """Send the event under each of these detail types. Raises NotReady if the bus did not take all of them."""
    detail = event.to_json()
    entries = [{"Source": SOURCE, "DetailType": kind, "Detail": detail, "Resources": [event.execution_arn]} for kind in kinds]
    if surroundings.control.events.put_events(Entries=entries)["FailedEntryCount"]:  # type: ignore[arg-type]
        raise NotReady("waiting for EventBridge to take the event")
