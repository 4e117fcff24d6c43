"""Restores as the HTTP API shows them."""

from typing import Literal

from pydantic import AwareDatetime, Field

from dbrestore.contract.document import Document
from dbrestore.contract.job import ErrorNote
from dbrestore.contract.manifest import Engine
from dbrestore.contract.plan import Estimate
from dbrestore.contract.request import TicketRequest
from dbrestore.contract.swaps.exchanges import Exchange
from dbrestore.contract.swaps.orders import LONGEST_KEEP_DAYS, LONGEST_MINUTES, Sessions, SwapAction

# STARTING: accepted, and not planned yet. REFUSED: the plan said no, and nothing was made. STOPPED: its execution is over, and the
# clean-up is not. UNKNOWN: the ledger's rows don't say.
Status = Literal["STARTING", "WAITING_FOR_APPROVAL", "RUNNING", "STOPPED", "SUCCEEDED", "FAILED", "REFUSED", "UNKNOWN"]


class Links(Document):
    """Paths of this API, without its stage."""

    self: str
    report: str | None = None
    approval: str | None = None


class ShownTarget(Document):
    """The instance, and where it lies."""

    db_instance: str
    account: str | None = None
    region: str | None = None


class ShownDatabase(Document):
    """One database: its name in the restore point, and the one that it gets."""

    name: str
    asked_name: str


class ShownApproval(Document):
    """A restore that a second person must approve: until when it waits for that, and what was decided by whom. `withdrawn`: it ended
    otherwise while it waited."""

    decision: Literal["waiting", "approved", "rejected", "expired", "withdrawn"]
    until: AwareDatetime | None = None
    by: str | None = None
    at: AwareDatetime | None = None
    reason: str | None = None


class ShownRestore(Document):
    """One restore, running or over. `state` is the state of the flow that runs now; `error` what it ended with, or was refused for;
    `leftovers` counts what its report has not seen gone; `permittedBy` says which rule let its caller start it. `unread` names what
    another version, or a hand, wrote into the ledger so that it can't be read."""

    id: str
    status: Status
    mode: str | None = None
    state: str | None = None
    engine: str | None = None
    target: ShownTarget | None = None
    databases: tuple[ShownDatabase, ...] = ()
    began_at: AwareDatetime | None = None
    ended_at: AwareDatetime | None = None
    requested_by: str | None = None
    permitted_by: str | None = None
    reason: str | None = None
    ticket: TicketRequest = TicketRequest()
    approval: ShownApproval | None = None
    cancel_requested: bool = False
    error: ErrorNote | None = None
    leftovers: int = 0
    unread: tuple[str, ...] = ()
    links: Links


class RestorePage(Document):
    """Restores that the caller may see, newest first. With `nextToken` there may be older ones; a page may also be empty and have one."""

    restores: tuple[ShownRestore, ...]
    next_token: str | None = None


class PlannedCopy(Document):
    """A database that a restore would restore: sizes in bytes, of the rows as text or of SQL Server's files."""

    name: str
    asked_name: str
    bytes: int
    tables: int
    rows: int


class ShownPlan(Document):
    """What a restore would do, and that nothing speaks against it. Nothing was made. `exchanges`: which database takes which name in the
    end, and what the one that bears it will be called."""

    target: ShownTarget
    engine: Engine
    restore_point: str
    databases: tuple[PlannedCopy, ...]
    archived: bool
    exchanges: tuple[Exchange, ...] = ()
    estimate: Estimate | None = None
    notes: tuple[str, ...] = ()


class PlanUnderway(Document):
    """The plan takes longer than a call may: the same call with the same Idempotency-Key gets it."""

    id: str
    status: Literal["PLANNING"] = "PLANNING"


class SwapWish(Document):
    """The body that exchanges names: `swap` gives the restored databases the names that they are to have, `undo` gives them back, `drop`
    drops those that were kept. `name`: only this one of several. `sessions` in them are waited for or ended, for so many `minutes`."""

    action: SwapAction
    name: str | None = Field(default=None, min_length=1)
    sessions: Sessions = "wait"
    minutes: int = Field(default=10, ge=1, le=LONGEST_MINUTES)
    keep_days: int | None = Field(default=None, ge=1, le=LONGEST_KEEP_DAYS)
    reason: str | None = Field(default=None, max_length=1000)


class Decision(Document):
    """The body of a decision about a restore that waits for approval."""

    decision: Literal["approve", "reject"]
    reason: str | None = Field(default=None, max_length=1000)
