"""Rows of the ledger as they are read: any version may have written them, or a hand changed them.

Unknown keys are ignored; what is missing and nothing tells is named. Nothing here ends with an error that has no name.
"""

from datetime import datetime
from typing import Any, Literal, TypeVar

from pydantic import AwareDatetime, ValidationError

from dbrestore.contract import anchor
from dbrestore.contract.anchor import Anchor
from dbrestore.contract.document import Document
from dbrestore.contract.errors import LedgerRowUnreadable, RecordUnreadable, RestoreError, RestoreFailed
from dbrestore.contract.job import ErrorNote
from dbrestore.contract.plan import Plan
from dbrestore.ledger import anchor_reading, stored_plan
from dbrestore.ledger.table import Item

Status = Literal["RUNNING", "DISCARDING", "CLOSING", "CLOSED"]
Row = TypeVar("Row", bound=Document)


class Meta(Document):
    """The restore's own row, which any version may have written. `clean_ups` counts the clean-up executions that the sweeper began; `error`
    is the first error, kept for the report of an execution that cleans up later. `plan_text` is JSON; `flaws` say what of the anchor
    could not be read and counts as unknown. `kept_since` and `kept_until`: a drill passed, and its copies stay for so long; then a
    clean-up execution drops them."""

    status: Status
    execution_arn: str
    started_at: AwareDatetime
    anchor: Anchor
    plan_text: str
    cancel_requested: bool = False
    clean_ups: int = 0
    error: ErrorNote | None = None
    flaws: tuple[str, ...] = ()
    kept_since: AwareDatetime | None = None
    kept_until: AwareDatetime | None = None

    def keeps_copies(self, now: datetime) -> bool:
        """Whether the copies of a drill that passed still stay."""
        return self.kept_until is not None and now < self.kept_until

    @property
    def plan(self) -> Plan:
        """What a state that makes something goes by; removers have the anchor. Raises PlanOfAnotherVersion, LedgerRowUnreadable."""
        return stored_plan.read(self.anchor.restore_id, self.plan_text)

    @property
    def parts(self) -> stored_plan.Parts:
        """What a report shows of a plan that can't be read as a whole."""
        return stored_plan.parts(self.plan_text)

    @property
    def plan_trouble(self) -> RestoreError | None:
        """Why the plan can't be read, if it can't."""
        try:
            self.plan  # noqa: B018 - it is read to see whether it can be
        except RecordUnreadable as error:
            return error
        return None


def meta(restore_id: str, item: Item) -> Meta:
    """The restore's own row. Raises LedgerRowUnreadable."""
    reading = anchor_reading.read(restore_id, item)
    values: dict[str, Any] = {"startedAt": reading.anchor.planned_at, "executionArn": reading.anchor.execution_arn}
    values |= {name: value for name, value in item.items() if name not in ("plan", "anchor", "error")}
    values |= {"anchor": reading.anchor, "planText": str(item.get("plan", "")), "flaws": reading.flaws}
    try:
        return Meta.of_any_version(values | {"error": _error(item.get("error"))})
    except ValidationError as error:
        raise anchor.unreadable(restore_id, stored_plan.problems(error)) from error


def _error(stored: object) -> ErrorNote | None:
    """The first error; one that can't be read is an error all the same."""
    if not stored:
        return None
    try:
        return ErrorNote.from_json_of_any_version(str(stored))
    except ValidationError:
        return ErrorNote.of(RestoreFailed(f"The error in the ledger can't be read: {stored}"))


def readable(model: type[Row], item: Item) -> Row:
    """A row that any version may have written. Raises LedgerRowUnreadable, which names it."""
    try:
        return model.of_any_version({name: value for name, value in item.items() if name not in ("pk", "sk")})
    except ValidationError as error:
        flaws = stored_plan.told(stored_plan.problems(error))
        raise LedgerRowUnreadable(
            f"The ledger's row {item['sk']} of {item['pk']} can't be read: {flaws}. It was changed by hand, or is of a version that this "
            "one doesn't know: correct the named keys in the table, and clean-up continues automatically"
        ) from error
