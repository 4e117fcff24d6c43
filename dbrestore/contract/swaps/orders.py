"""What people, schedulers and other programs may ask: how a restore replaces a database, and what is done with an exchange afterwards."""

import json
from typing import Final, Literal

from pydantic import Field

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
