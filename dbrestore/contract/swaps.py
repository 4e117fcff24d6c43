"""Exchanging names: a verified database takes the name of the one that it replaces, which is kept under a derived name for some days.

    swap    `name` -> `kept_as`, `restored_as` -> `name`
    undo    `name` -> `restored_as`, `kept_as` -> `name`
    drop    the database that was kept goes

Which database is meant its identity says, never a name alone: PostgreSQL's oid, SQL Server's `database_guid`.
"""

import json
from typing import Final, Literal

from pydantic import AwareDatetime, Field

from dbrestore.contract.approval import ApprovalRequest
from dbrestore.contract.document import Document

SwapAction = Literal["swap", "undo", "drop"]
Sessions = Literal["wait", "end"]

LONGEST_MINUTES: Final = 240
LONGEST_KEEP_DAYS: Final = 365


class SwapRequest(Document):
    """How a database is replaced. `sessions` of others in either database: `wait` until there are none, or `end` them; after `minutes` the
    exchange is given up and nothing has changed. The old database is kept for `keep_days`; None: as long as the swap configuration says."""

    sessions: Sessions = "wait"
    minutes: int = Field(default=10, ge=1, le=LONGEST_MINUTES)
    keep_days: int | None = Field(default=None, ge=1, le=LONGEST_KEEP_DAYS)


class SwapOrder(Document):
    """What is done with the exchange of a restore: `restore_id` is that of the restore whose database took, or is to take, the name. `name`
    chooses one of its databases, by the name that was exchanged; without it all are meant. `drop` waits for no session of the old copy
    unless `sessions` says so."""

    action: SwapAction
    restore_id: str = Field(pattern=r"^r-[0-9a-f]{12}$")
    name: str | None = Field(default=None, min_length=1)
    sessions: Sessions = "wait"
    minutes: int = Field(default=10, ge=1, le=LONGEST_MINUTES)
    keep_days: int | None = Field(default=None, ge=1, le=LONGEST_KEEP_DAYS)
    approval: ApprovalRequest | None = None
    reason: str | None = None
    requested_by: str | None = Field(default=None, min_length=1, max_length=1000)
    permitted_by: str | None = Field(default=None, min_length=1, max_length=2000)


class SwapStart(Document):
    """The input of the state machine that exchanges the names of databases that were restored before, or undoes it."""

    swap: SwapOrder

    def input_text(self) -> str:
        """As the execution's input: only what was asked for."""
        return json.dumps(self.model_dump(mode="json", by_alias=True, exclude_defaults=True), sort_keys=True)


class Exchange(Document):
    """Two databases and one name, as planned: the restored one is or was called `restored_as`, the one from before is or will be called
    `kept_as`. Their identities are empty as long as nobody has looked; `old_id` also if nothing bore the name."""

    name: str
    restored_as: str
    kept_as: str
    restored_id: str = ""
    old_id: str = ""


class PlannedSwap(Document):
    """What is exchanged at the end of a restore, or of an exchange by itself: `of` is the restore whose databases they are. The old ones
    are kept for `keep_days`."""

    action: SwapAction
    of: str
    exchanges: tuple[Exchange, ...] = Field(min_length=1)
    sessions: Sessions
    minutes: int
    keep_days: int


class SwapRecord(Document):
    """The ledger's row of one exchange, under SWAPS: what a later undo, drop or sweep goes by. `by` is the execution's restore id that
    changed it last. `keep_until` is when the old copy is dropped, None if nothing is kept."""

    of: str
    exchange: Exchange
    state: Literal["SWAPPED", "UNDONE", "DROPPED"]
    target_arn: str
    resource_id: str = ""
    by: str
    changed_at: AwareDatetime
    keep_until: AwareDatetime | None = None


class SwapJob(Document):
    """One exchange for the worker. `restored_id` and `old_id` are the identities of the two; `old_id` is unknown before the first exchange
    and stays so if no database bore the name. `seconds`: how long sessions may stand in the way."""

    action: SwapAction
    name: str
    restored_as: str
    kept_as: str
    restored_id: str
    old_id: str = ""
    sessions: Sessions = "wait"
    seconds: float = 600
