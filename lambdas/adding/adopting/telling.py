"""People are told once of what did not become a restore point: one event on the bus for all of one look. A function that dies between the
bus' answer and its own note of it tells twice; nobody is told never."""

from typing import Final

from dbrestore.contract.adoption.answers import MOST_TOLD, NotAdopted, NotAdoptedEvent
from dbrestore.contract.errors import NotReady
from lambdas.adding.adopting.rows import RefusedRow
from lambdas.adding.adopting.rule_at_work import RuleAtWork
from lambdas.runtime import telemetry
from lambdas.runtime.telemetry import log

SOURCE: Final = "dbrestore.adoption"
KIND: Final = "Backups Not Adopted"


def tell(work: RuleAtWork) -> None:
    """Those that nobody was told of yet. Raises NotReady if the bus doesn't take it."""
    fresh = [row for row in work.rows.refused() if not row.told]
    if not fresh:
        return
    for row in fresh:
        log.warning("%s: %s: %s", row.uri, row.error.name, row.error.message)
    entry = {"Source": SOURCE, "DetailType": KIND, "Detail": _event(work, fresh).to_json(), "Resources": [_machine(work)]}
    if work.surroundings.control.events.put_events(Entries=[entry])["FailedEntryCount"]:  # type: ignore[list-item]
        raise NotReady("waiting for EventBridge to take the event")
    telemetry.count("BackupsNotAdopted")
    for row in fresh:
        work.rows.tell(row)


def not_adopted(row: RefusedRow) -> NotAdopted:
    """As others are told of it."""
    return NotAdopted(uri=row.uri, error=row.error, at=row.at, again=row.again)


def _event(work: RuleAtWork, rows: list[RefusedRow]) -> NotAdoptedEvent:
    errors = sorted({row.error.name for row in rows})
    some = tuple(map(not_adopted, rows[:MOST_TOLD]))
    return NotAdoptedEvent(rule=work.rule.name, bucket=work.rule.bucket, count=len(rows), errors=tuple(errors), backups=some)


def _machine(work: RuleAtWork) -> str:
    """By which another installation of the account is told apart."""
    return work.surroundings.settings.state_machine_arn
