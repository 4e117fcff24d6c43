"""What `dbrestore points adoptions` asks a function of the control plane, what it is answered, and the event of what can't be adopted."""

from typing import Literal

from pydantic import AwareDatetime

from dbrestore.contract.adoption.rules import AdoptionRule, RuleName
from dbrestore.contract.document import Document
from dbrestore.contract.job import ErrorNote

MOST_TOLD = 20


class AdoptionQuestion(Document):
    """About one rule, or all; of each the newest `most` restore points."""

    rule: RuleName | None = None
    most: int = 20


class Waiting(Document):
    """What isn't a restore point yet, what it waits for, and until when it does at the least."""

    uri: str
    reason: str
    until: AwareDatetime | None = None


class NotAdopted(Document):
    """What did not become a restore point, and why. `again`: what is wrong lies outside of it, so it is tried again at every slow look."""

    uri: str
    error: ErrorNote
    at: AwareDatetime
    again: bool


class Adopted(Document):
    """What became a restore point (`MADE`), or is about to: S3 copies it, or a worker reads it. `files` counts what it is made of, `uri`
    is one of these."""

    uri: str
    files: int
    state: Literal["COPYING", "READING", "MADE"]
    point_id: str
    at: AwareDatetime


class RuleState(Document):
    """One rule, and what has come of it. `looked_at`: when the bucket was last listed."""

    rule: AdoptionRule
    looked_at: AwareDatetime | None = None
    waiting: tuple[Waiting, ...] = ()
    adopted: tuple[Adopted, ...] = ()
    not_adopted: tuple[NotAdopted, ...] = ()


class AdoptionAnswer(Document):
    """In the order of the file."""

    rules: tuple[RuleState, ...]


class NotAdoptedEvent(Document):
    """The detail of the event `Backups Not Adopted`: how many there are of this look, and the first of them."""

    rule: str
    bucket: str
    count: int
    errors: tuple[str, ...]
    backups: tuple[NotAdopted, ...]
