"""Exchanging names: a verified database takes the name of the one that it replaces, which is kept under a derived name for some days.

    swap    `name` -> `kept_as`, `restored_as` -> `name`
    undo    `name` -> `restored_as`, `kept_as` -> `name`
    drop    the database that was kept goes

Which database is meant its identity says, never a name alone: PostgreSQL's oid, SQL Server's `database_guid`.
"""

from typing import Final, Literal

from pydantic import Field

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
