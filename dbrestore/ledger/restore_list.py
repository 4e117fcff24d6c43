"""The list of restores: one summary each, under one partition key and ordered by beginning, so the newest are read first without an index.

    pk           sk                        what
    RESTORES     <began>#<restore id>      what `dbrestore list` shows of a restore

Written together with META, and given its outcome just before the restore is CLOSED. It is for people and proves nothing: whether a restore
is over, the ledger says. Rows outlive versions: they are read as far as they can be, and what can't be is named.
"""

import copy
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ValidationError

from dbrestore.contract.document import Document
from dbrestore.contract.evidence import ListedProof
from dbrestore.contract.job import ErrorNote
from dbrestore.contract.plan import Plan
from dbrestore.contract.request import TicketRequest
from dbrestore.ledger.table import Item, Table

RESTORES = "RESTORES"
# Of texts that others wrote: a list shows their beginning, the report has them whole.
LONGEST_TEXT = 1000
# How the reason of a drill that was refused begins; its name follows.
REFUSED_DRILL = "the drill "
_OF_PLAN = ("mode", "engine", "requestedBy", "reason", "ticket")
_OF_TARGET = ("dbInstance", "account", "region")
_OF_META = ("executionArn", "startedAt")
_ALWAYS = ("mode", "target", "databases", *_OF_META)


def _iso(value: object) -> datetime:
    """As this application writes moments; a number, which could be anything, is none."""
    moment: Any = datetime.fromisoformat(value) if isinstance(value, str) else value
    if getattr(moment, "tzinfo", None) is None:
        raise ValueError("isn't a moment with a time zone")
    return moment  # type: ignore[no-any-return]


def _parsed(value: object) -> object:
    return json.loads(value) if isinstance(value, str) else value


Moment = Annotated[datetime, BeforeValidator(_iso)]
Proof = Annotated[ListedProof, BeforeValidator(_parsed)]


class ListedTarget(Document):
    """The instance, and where it lies."""

    db_instance: str
    account: str | None = None
    region: str | None = None


class ListedDatabase(Document):
    """One database: its name in the restore point and the one it was asked back under."""

    name: str
    asked_name: str


class ListedRestore(Document):
    """The summary of one restore. `outcome` is None until its first report is written; `leftovers` counts what that report did not see
    absent. `proof` is what it proved, None in rows of versions that did not say. `unread` names what is in the row and could not be read,
    because another version wrote it or a hand."""

    schema_version: Literal["1"] = "1"
    restore_id: str
    execution_arn: str | None = None
    mode: str | None = None
    engine: str | None = None
    target: ListedTarget | None = None
    databases: tuple[ListedDatabase, ...] = ()
    started_at: Moment | None = None
    ended_at: Moment | None = None
    outcome: Literal["SUCCEEDED", "FAILED"] | None = None
    error: ErrorNote | None = None
    leftovers: int = 0
    proof: Proof | None = None
    requested_by: str | None = None
    reason: str | None = None
    ticket: TicketRequest = TicketRequest()
    unread: tuple[str, ...] = ()


def row(plan: Plan, started_at: datetime) -> dict[str, Any]:
    """The item of a restore that begins."""
    target, taken = plan.target, {one.restored_as: one.name for one in (plan.swap.exchanges if plan.swap else ())}
    read = plan.addition.databases if plan.addition else ()
    listed = ListedRestore(
        restore_id=plan.restore_id,
        execution_arn=plan.execution_arn,
        mode=plan.swap.action if plan.swap and plan.swaps == "only" else plan.mode,
        engine=plan.engine,
        target=ListedTarget(db_instance=target.db_instance, account=target.account, region=target.region),
        databases=tuple(ListedDatabase(name=one.name, asked_name=taken.get(one.asked_name, one.asked_name)) for one in plan.databases)
        + tuple(ListedDatabase(name=name, asked_name=name) for name in read),
        started_at=started_at,
        requested_by=plan.requested_by,
        reason=plan.reason[:LONGEST_TEXT] if plan.reason else None,
        ticket=plan.ticket,
    )
    written = listed.model_dump(mode="json", by_alias=True, exclude={"unread"})
    return {"pk": RESTORES, "sk": sort_key(started_at, plan.restore_id)} | written


def refused_drill(table: Table, listed: ListedRestore, started_at: datetime) -> None:
    """Write the row of a drill that ended before it had a plan: it proves nothing, and must not be missing among those that ran."""
    written = listed.model_dump(mode="json", by_alias=True, exclude={"unread", "proof"})
    proof = {"proof": listed.proof.to_json()} if listed.proof else {}
    table.write(table.put({"pk": RESTORES, "sk": sort_key(started_at, listed.restore_id)} | written | proof))


def sort_key(began: datetime, restore_id: str = "") -> str:
    """Sorts by time: UTC, of one length."""
    return f"{began.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z#{restore_id}"


def ended(
    table: Table,
    restore_id: str,
    started_at: datetime,
    ended_at: datetime,
    error: ErrorNote | None,
    *,
    leftovers: int = 0,
    proof: ListedProof | None = None,
) -> None:
    """Say how it ended; once more after a later clean-up. A restore that an older version opened gets its row now."""
    values: dict[str, Any] = {
        "startedAt": started_at.isoformat(),
        "endedAt": ended_at.isoformat(),
        "outcome": "FAILED" if error else "SUCCEEDED",
        "error": _shortened(error).to_state() if error else None,
        "leftovers": leftovers,
        # As text: the table takes no numbers with a fraction.
        "proof": proof.to_json() if proof else None,
    }
    change = "SET " + ", ".join(f"#{name} = :{name}" for name in values)
    table.write(table.update(RESTORES, sort_key(started_at, restore_id), change, **values))


def _shortened(error: ErrorNote) -> ErrorNote:
    return error.model_copy(update={"message": error.message[:LONGEST_TEXT]})


def read(item: Item) -> ListedRestore:
    """One row. The key alone tells the id and the beginning, whatever else is in it."""
    began, _, restore_id = str(item["sk"]).rpartition("#")
    told = {name: list(value) if isinstance(value, set) else value for name, value in item.items()}
    values = {name: value for name, value in told.items() if name not in ("pk", "sk", "unread") and value is not None}
    by_key = {"restoreId": restore_id, "startedAt": began}
    found = _as_far_as_possible({**by_key, **values, "restoreId": restore_id})
    return found if found.started_at else found.model_copy(update={"started_at": _as_far_as_possible(by_key).started_at})


def of_meta(restore_id: str, meta: Item) -> ListedRestore:
    """The same out of the restore's own row, for one whose summary an older version did not write."""
    plan = _object(meta.get("plan"))
    planned = {name: plan[name] for name in _OF_PLAN if plan.get(name) is not None}
    target, databases = plan.get("target"), plan.get("databases")
    if isinstance(target, Mapping):
        planned["target"] = {name: target[name] for name in _OF_TARGET if name in target}
    if isinstance(databases, list):
        planned["databases"] = [_names(one) for one in databases]
    planned |= {name: meta[name] for name in _OF_META if name in meta}
    if error := _object(meta.get("error")):
        planned["error"] = error
    missing = [name for name in _ALWAYS if name not in planned]
    found = _as_far_as_possible({"restoreId": restore_id, **planned})
    return found.model_copy(update={"unread": tuple(dict.fromkeys([*found.unread, *missing]))})


def _names(database: object) -> object:
    if not isinstance(database, Mapping):
        return database
    return {name: database[name] for name in ("name", "askedName") if name in database}


def _object(text: object) -> dict[str, Any]:
    """A JSON object in a text; empty if it is none."""
    try:
        value = json.loads(text) if isinstance(text, str) else None
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _as_far_as_possible(values: dict[str, Any]) -> ListedRestore:
    """What isn't as this version writes it is taken out, one thing after the other, and named."""
    unread: list[str] = []
    while True:
        try:
            return ListedRestore.model_validate({**values, "unread": unread}, by_alias=True, by_name=False)
        except ValidationError as error:
            problem = error.errors()[0]
            # What is missing can't be taken out: then what it is missing in.
            path = problem["loc"][:-1] if problem["type"] == "missing" else problem["loc"]
            unread.append("/".join(map(str, path)))
            values = _without(values, path)


def _without(values: dict[str, Any], path: tuple[int | str, ...]) -> dict[str, Any]:
    """A copy that lacks what is at `path`."""
    changed = copy.deepcopy(values)
    place: Any = changed
    for step in path[:-1]:
        place = place[step]
    del place[path[-1]]
    return changed
