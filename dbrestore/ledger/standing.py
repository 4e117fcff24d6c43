"""Where restores stand: their summaries in the ledger, and for those that aren't over what the ledger and Step Functions say now.

Invariant: what is under OPEN, or has a summary, is shown, also if another version wrote it; what can't be read of it is named.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Literal, Protocol

from botocore.exceptions import ClientError

from dbrestore.contract.refusals import error_code
from dbrestore.ledger import restore_list
from dbrestore.ledger.reading import META, OPEN, PHASE, open_restores
from dbrestore.ledger.restore_list import RESTORES, ListedRestore
from dbrestore.ledger.table import Item, Table

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

# STOPPED: its execution is over, and the sweeper's clean-up is not. UNKNOWN: the rows don't say.
Status = Literal["RUNNING", "STOPPED", "SUCCEEDED", "FAILED", "UNKNOWN"]
_OPEN = ("RUNNING", "DISCARDING", "CLOSING")
_NO_EXECUTION = ("ExecutionDoesNotExist", "InvalidArn", "ValidationException")
_FIRST = datetime.max.replace(tzinfo=UTC)


class Records(Protocol):
    """Where it is written how restores stand: the ledger's table, and the executions as Step Functions knows them."""

    @property
    def ledger(self) -> Table:
        """The table."""

    @property
    def executions(self) -> "SFNClient":
        """The client that describes executions."""


@dataclass(frozen=True)
class Standing:
    """One restore. `state` is the state of the flow that runs now, None if none does."""

    restore: ListedRestore
    status: Status
    state: str | None = None
    cancel_requested: bool = False

    @property
    def is_open(self) -> bool:
        """Whether there is something left to do for it."""
        return self.status in ("RUNNING", "STOPPED")

    @property
    def seconds(self) -> float | None:
        """How long it took, or has been open; None if unknown."""
        began, ended = self.restore.started_at, self.restore.ended_at
        end = datetime.now(UTC) if self.is_open else ended
        return (end - began).total_seconds() if began and end else None


@dataclass(frozen=True)
class Listing:
    """Restores, newest first. `hidden` tells whether there are older ones beyond the limit, `hidden_open` how many of them aren't over."""

    shown: tuple[Standing, ...]
    hidden: bool = False
    hidden_open: int = 0


def open_ones(records: Records, since: datetime | None, limit: int | None) -> Listing:
    """Those that aren't CLOSED: as many reads as there are of them."""
    found = (_stands(records, restore_id, _row_of(records, restore_id)) for restore_id in open_restores(records.ledger))
    # One may be closed between the two looks.
    return _newest_first((one for one in found if one.status not in ("SUCCEEDED", "FAILED")), since, limit)


def newest(records: Records, since: datetime | None, limit: int | None) -> Listing:
    """The newest ones; without a limit all, or all since a moment. What isn't over is looked at anew, also where its summary is missing."""
    still_open = tuple(open_restores(records.ledger))
    most = limit + len(still_open) + 1 if limit is not None else None
    items = records.ledger.newest(RESTORES, restore_list.sort_key(since) if since else "", min(most or 100, 100))
    rows = {row.restore_id: row for row in map(restore_list.read, islice(items, most))}
    others = [restore_id for restore_id in still_open if restore_id not in rows]
    found = [_stood(records, row, is_open=row.restore_id in still_open) for row in rows.values()]
    found += [_stands(records, restore_id, _row_of(records, restore_id)) for restore_id in others]
    return _newest_first(found, since, limit)


def of(records: Records, restore_id: str) -> Standing | None:
    """How one restore stands; None if the ledger knows none of this id."""
    row = _row_of(records, restore_id)
    if row is None and records.ledger.get(restore_id, META) is None:
        return None
    return _stands(records, restore_id, row) if row is None else _stood(records, row, is_open=_is_open(records, restore_id))


def of_listed(records: Records, row: ListedRestore) -> Standing:
    """How the restore of a summary stands."""
    return _stood(records, row, is_open=_is_open(records, row.restore_id))


def _is_open(records: Records, restore_id: str) -> bool:
    return records.ledger.get(OPEN, restore_id) is not None


def _newest_first(found: Iterable[Standing], since: datetime | None, limit: int | None) -> Listing:
    """One whose beginning can't be read comes first: it must not be overlooked."""
    wanted = [one for one in found if since is None or one.restore.started_at is None or one.restore.started_at >= since]
    wanted.sort(key=lambda one: one.restore.started_at or _FIRST, reverse=True)
    hidden = wanted[limit:] if limit is not None else []
    return Listing(tuple(wanted[:limit]), bool(hidden), sum(one.is_open for one in hidden))


def _row_of(records: Records, restore_id: str) -> ListedRestore | None:
    """The summary of a restore of which only the id is known."""
    began = restore_list.of_meta(restore_id, records.ledger.get(restore_id, META) or {}).started_at
    item = records.ledger.get(RESTORES, restore_list.sort_key(began, restore_id)) if began else None
    return restore_list.read(item) if item else None


def _stood(records: Records, row: ListedRestore, *, is_open: bool) -> Standing:
    """Of one that is over, its summary says everything."""
    if row.outcome and row.target and not is_open:
        return Standing(row, row.outcome)
    return _stands(records, row.restore_id, row)


def _stands(records: Records, restore_id: str, row: ListedRestore | None) -> Standing:
    meta = records.ledger.get(restore_id, META)
    if meta is None:
        alone = row or ListedRestore(restore_id=restore_id)
        return Standing(_marked(alone, META), alone.outcome or "UNKNOWN")
    told = _together(row, restore_list.of_meta(restore_id, meta))
    if meta.get("status") == "CLOSED":
        # An older version closed it and wrote no outcome; without an error it may still have been stopped while it was planned.
        return Standing(told, told.outcome or ("FAILED" if told.error else "UNKNOWN"))
    if meta.get("status") not in _OPEN:
        told = _marked(told, "status")
    status: Status = "RUNNING" if _runs(records, told.execution_arn) else "STOPPED"
    return Standing(told, status, _state(records, restore_id), meta.get("cancelRequested") is True)


def _marked(restore: ListedRestore, *unread: str) -> ListedRestore:
    return restore.model_copy(update={"unread": tuple(dict.fromkeys([*restore.unread, *unread]))})


def _together(row: ListedRestore | None, of_meta: ListedRestore) -> ListedRestore:
    """The summary, and what it lacks from the restore's own row."""
    if row is None:
        return of_meta
    if row.target is not None:
        return row.model_copy(update={"error": row.error or of_meta.error})
    told = {name: value for name in row.model_fields_set if (value := getattr(row, name))}
    return _marked(of_meta.model_copy(update=told), *of_meta.unread)


def _runs(records: Records, execution_arn: str | None) -> bool:
    if execution_arn is None:
        return False
    try:
        return bool(records.executions.describe_execution(executionArn=execution_arn)["status"] == "RUNNING")
    except ClientError as error:
        if error_code(error) not in _NO_EXECUTION:
            raise
        return False


def _state(records: Records, restore_id: str) -> str | None:
    """The state of the flow that was entered last and has not ended."""
    return max(_running_states(records.ledger.query(restore_id, PHASE)), default=("", None))[1]


def _running_states(items: Iterable[Item]) -> Iterator[tuple[str, str]]:
    for item in items:
        if item.get("status") == "RUNNING":
            yield str(item.get("startedAt", "")), str(item["sk"]).removeprefix(PHASE)
