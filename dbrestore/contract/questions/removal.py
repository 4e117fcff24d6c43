"""What `dbrestore points remove` and `points prune` ask a function of the control plane, and what it is answered.

The function alone removes restore points: it keeps them apart from restores in the ledger, and has no right to delete a version.
"""

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, StringConstraints

from dbrestore.contract.document import Document
from dbrestore.contract.job import ErrorNote
from dbrestore.contract.request import InstanceName

# An invocation's payload has room for some ten thousand.
MOST_POINTS = 1000

PointId = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z][0-9A-Za-z-]{0,99}$")]
Outcome = Literal["removed", "removable", "refused", "unfinished"]


class RemovalQuestion(Document):
    """Remove these points of the instance, in this order. `dry_run`: tell what would become of each and remove nothing; `gone` are points
    that such a look takes for removed already. Without an instance what earlier removals left undone is finished."""

    instance: InstanceName | None = None
    points: tuple[PointId, ...] = Field(default=(), max_length=MOST_POINTS)
    gone: tuple[PointId, ...] = Field(default=(), max_length=MOST_POINTS)
    dry_run: bool = False
    asked_by: str | None = Field(default=None, max_length=2048)


class BilledLonger(Document):
    """Bytes of a storage class with a minimum storage duration that S3 bills as if they stayed until `until`, at the earliest: counted
    from when they were written, because S3 doesn't show when a lifecycle rule moved them into the class."""

    storage_class: str
    bytes: int
    until: AwareDatetime


class PointRemoval(Document):
    """What became of one point, or would. `files` and `bytes` are what lies under its own prefix; files that it refers to elsewhere
    stay. `versioned`: S3 keeps the bytes as noncurrent versions and bills them until `freed_at`, for ever if that is None. `unfinished`:
    it is no longer listed, and the rest of it follows."""

    point_id: str
    outcome: Outcome
    error: ErrorNote | None = None
    files: int = 0
    bytes: int = 0
    versioned: bool = False
    freed_at: AwareDatetime | None = None
    billed_longer: tuple[BilledLonger, ...] = ()


class RemovalAnswer(Document):
    """`remaining` are points that there was no time for, the first of them perhaps `unfinished`: ask again. `finished` are earlier
    removals, as `<instance>/<point>`, that were completed, and `stuck` sentences about those that could not be."""

    points: tuple[PointRemoval, ...] = ()
    remaining: tuple[str, ...] = ()
    finished: tuple[str, ...] = ()
    stuck: tuple[str, ...] = ()
