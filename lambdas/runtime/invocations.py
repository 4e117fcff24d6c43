"""Which invocations of a state may still be at work: one that was given up runs on until its own time-out.

    <restore id>   WORK#<state>   {until: milliseconds since 1970}

An invocation signs in while the restore runs, and off when each of its requests was answered. One that died, or lost an answer, stays
signed in until it can do nothing any more. So a remover that sees nobody signed in after the restore began to close knows that what it
doesn't find will not come either.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from botocore.exceptions import ClientError

from dbrestore.contract.errors import NotReady, RestoreError
from dbrestore.ledger.table import ConditionFailed
from lambdas.runtime.ledger import Ledger

WORK = "WORK#"


@contextmanager
def at_work(ledger: Ledger, state: str) -> Iterator[None]:
    """Be signed in. Raises NotReady if another invocation of the state signs in at the same moment, RestoreClosed."""
    before = _until(ledger, state)
    until = _sign_in(ledger, state, before)
    try:
        yield
    except (RestoreError, ClientError):
        _sign_off(ledger, state, until, before)
        raise
    _sign_off(ledger, state, until, before)


def require_none_at_work(ledger: Ledger, state: str) -> None:
    """Call it when no invocation may sign in any more. Raises NotReady."""
    if _until(ledger, state) > _milliseconds(ledger):
        raise NotReady(f"waiting until an invocation of {state} that did not end properly can do nothing any more")


def _sign_in(ledger: Ledger, state: str, before: int) -> int:
    until = max(_milliseconds(ledger) + int(ledger.bounds.visible_after * 1000), before + 1)
    item = {"pk": ledger.restore_id, "sk": WORK + state, "until": until}
    unchanged = "attribute_not_exists(pk) OR #until = :before"
    try:
        ledger.table.write(ledger.table.put(item, unchanged, before=before), ledger.while_status("RUNNING"))
    except ConditionFailed:
        ledger.require("RUNNING")
        if _until(ledger, state) != until:
            raise NotReady(f"waiting for another invocation of {state}, which began at the same moment") from None
    return until


def _sign_off(ledger: Ledger, state: str, until: int, before: int) -> None:
    """Back to what was found: an invocation that began earlier and has not ended stays signed in."""
    with suppress(ConditionFailed):
        ledger.table.write(
            ledger.table.update(ledger.restore_id, WORK + state, "SET #until = :before", "#until = :mine", before=before, mine=until)
        )


def _until(ledger: Ledger, state: str) -> int:
    return int((ledger.table.get(ledger.restore_id, WORK + state) or {}).get("until", 0))


def _milliseconds(ledger: Ledger) -> int:
    return int(ledger.clock().timestamp() * 1000)
