"""Exchanging names: a verified database takes the name of the one that it replaces, which is kept under a derived name for some days.

    swap    `name` -> `kept_as`, `restored_as` -> `name`
    undo    `name` -> `restored_as`, `kept_as` -> `name`
    drop    the database that was kept goes

Which database is meant its identity says, never a name alone: PostgreSQL's oid, SQL Server's `database_guid`.
"""

from typing import Literal

from pydantic import AwareDatetime, Field

from dbrestore.contract.document import Document
from dbrestore.contract.swaps.orders import Sessions, SwapAction


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
