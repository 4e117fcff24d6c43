"""What the API has accepted, each call once: a row in the ledger before anything is started.

    pk             sk        what
    <restore id>   REQUEST   who asked for what, by which key, and the input with which the execution is started

The id follows from the caller and the Idempotency-Key, so the row of a repeated call is found without an index, and of two calls at the
same moment one writes it and the other finds it. The row stays: Step Functions forgets an execution's name after 90 days, and a call that
is repeated later must not start a second restore.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Literal

from dbrestore.contract import names
from dbrestore.contract.errors import LedgerRowUnreadable
from dbrestore.ledger.table import ConditionFailed, Item, Table
from lambdas.entrances.api.callers import Caller
from lambdas.entrances.api.refusals import Refusal

REQUEST = "REQUEST"
Kind = Literal["restore", "plan", "drill", "swap"]


@dataclass(frozen=True)
class Received:
    """One accepted call. `digest` is of what the caller sent, `text` the execution's input, which also says what the API adds."""

    restore_id: str
    execution_arn: str
    kind: Kind
    caller: str
    person: str
    digest: str
    text: str
    permitted_by: str
    at: datetime
    started: bool = False

    @property
    def request(self) -> dict[str, Any]:
        """The execution's input."""
        value = json.loads(self.text)
        return value if isinstance(value, dict) else {}


def execution_arn(machine: str, caller: str, key: str) -> str:
    """The execution that this caller's key stands for: `api-<caller>-<digest>`, at most 69 characters."""
    digest = sha256(f"{caller}\n{key}".encode()).hexdigest()[:32]
    return f"{machine.replace(':stateMachine:', ':execution:', 1)}:api-{caller}-{digest}"


def digest_of(kind: Kind, body: Mapping[str, Any]) -> str:
    """Of what was asked, however its keys were ordered and spaced."""
    return sha256(json.dumps([kind, body], sort_keys=True).encode()).hexdigest()


def by(caller: Caller, arn: str, kind: Kind, digest: str, text: str, permitted_by: str, at: datetime) -> Received:
    """A call that is about to be accepted."""
    return Received(names.restore_id(arn), arn, kind, caller.name, caller.person, digest, text, permitted_by, at)


def accept(table: Table, received: Received) -> Received:
    """The row, written now or found: then it is the first call's. Raises Refusal if the key was used for something else."""
    row = {
        "pk": received.restore_id,
        "sk": REQUEST,
        "executionArn": received.execution_arn,
        "kind": received.kind,
        "caller": received.caller,
        "person": received.person,
        "digest": received.digest,
        "input": received.text,
        "permittedBy": received.permitted_by,
        "receivedAt": received.at.isoformat(),
    }
    try:
        table.write(table.put(row, "attribute_not_exists(pk)"))
    except ConditionFailed:
        first = find(table, received.restore_id)
        if first is None:
            raise
        if first.digest != received.digest:
            raise _reused() from None
        return first
    return received


def note_started(table: Table, received: Received) -> None:
    """From now on it is never started again."""
    table.write(table.update(received.restore_id, REQUEST, "SET started = :yes", "attribute_exists(pk)", yes=True))


def find(table: Table, restore_id: str) -> Received | None:
    """What the API accepted under this id, if it was the API. Raises LedgerRowUnreadable."""
    item = table.get(restore_id, REQUEST)
    return _read(restore_id, item) if item else None


def _read(restore_id: str, item: Item) -> Received:
    try:
        return Received(
            restore_id,
            str(item["executionArn"]),
            item["kind"],
            str(item["caller"]),
            str(item["person"]),
            str(item["digest"]),
            str(item["input"]),
            str(item.get("permittedBy", "")),
            datetime.fromisoformat(item["receivedAt"]),
            item.get("started") is True,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise LedgerRowUnreadable(
            f"the row REQUEST of {restore_id} in the ledger can't be read ({error!r}): another version wrote it, or somebody edited it"
        ) from error


def _reused() -> Refusal:
    told = "This Idempotency-Key came before with another request: use a new key for a new request, or send the first one again"
    return Refusal(422, "IdempotencyKeyReused", "The key stands for another request", told)
