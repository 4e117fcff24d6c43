"""What `dbrestore cleanup` asks a function of the control plane, and what it is answered: things that carry this installation's tags and
belong to no restore that is open."""

from typing import Literal

from pydantic import AwareDatetime

from dbrestore.contract.document import Document

Outcome = Literal["removed", "waiting", "kept"]


class CleanUpQuestion(Document):
    """`dry_run`: look and tell, remove nothing and remember nothing."""

    dry_run: bool = False


class Stray(Document):
    """One thing, as it was found. `kind` is that of the ledger's rows, or `volume` or `interface`. `outcome`: `removed` (AWS took the
    removal), `waiting` (for a second sighting) or `kept`; `why` says it in words, and of what is kept what to do."""

    kind: str
    physical_id: str
    name: str | None = None
    restore_id: str | None = None
    account: str
    region: str
    first_seen_at: AwareDatetime
    outcome: Outcome
    why: str


class CleanUpAnswer(Document):
    """`places` are the accounts and Regions that were looked at, as `account/region`; `unseen` says of those that couldn't be why."""

    looked_at: AwareDatetime
    dry_run: bool
    places: tuple[str, ...]
    unseen: tuple[str, ...] = ()
    strays: tuple[Stray, ...] = ()
