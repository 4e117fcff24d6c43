"""Drills in the ledger: that each is run once, and one at a time.

    pk            sk                      what
    DRILL#<name>  CURRENT                 the restore that the drill is now, or was last; `skippedBy` names the starts that met it running
    DRILL#<name>  AT#<schedule>#<time>    which execution a scheduled start became
    DRILL#<name>  DATABASE#<database>     when the drill last began to restore it

Invariant: who is the drill is written under a condition, so of two executions that are given the same start at the same time one is.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from dbrestore.contract.drills import DrillOrder
from dbrestore.contract.errors import DrillSkipped
from dbrestore.ledger.reading import META
from dbrestore.ledger.table import ConditionFailed, Item, Table

DRILL: Final = "DRILL#"
_CURRENT: Final = "CURRENT"
_DATABASE: Final = "DATABASE#"


@dataclass(frozen=True)
class DrillRows:
    """The rows of one drill."""

    table: Table
    name: str

    def delivered_to(self, order: DrillOrder, execution_arn: str) -> str:
        """The ARN of the execution that is this start of the drill: ours, unless another was given the same start before."""
        if order.schedule_arn is None or order.scheduled_time is None:
            return execution_arn
        sk = f"AT#{order.schedule_arn}#{order.scheduled_time.astimezone(UTC).isoformat()}"
        try:
            self.table.write(self.table.put({"pk": self._pk, "sk": sk, "executionArn": execution_arn}, "attribute_not_exists(pk)"))
        except ConditionFailed:
            return str((self.table.get(self._pk, sk) or {}).get("executionArn", execution_arn))
        return execution_arn

    def begin(self, restore_id: str, execution_arn: str, is_running: Callable[[str], bool]) -> None:
        """This restore is the drill from now on. `is_running` tells of an execution's ARN whether it runs. Raises DrillSkipped while the
        drill before it does, be it that it is still being planned."""
        last = self._current()
        if last.get("restoreId") == restore_id:
            return
        if last and self._is_under_way(last, is_running):
            raise self._skipped(restore_id, last)
        unless_another = "attribute_not_exists(pk) OR restoreId = :seen"
        row = {"pk": self._pk, "sk": _CURRENT, "restoreId": restore_id, "executionArn": execution_arn}
        try:
            self.table.write(self.table.put(row, unless_another, seen=str(last.get("restoreId", ""))))
        except ConditionFailed:
            now = self._current()
            if now.get("restoreId") != restore_id:
                raise self._skipped(restore_id, now) from None

    def skipped_in_a_row(self) -> int:
        """How many starts met the same drill running."""
        return len(self._current().get("skippedBy", ()))

    def last_begun(self) -> dict[str, str]:
        """When each database was last begun, by its name in the restore point; moments that sort as texts."""
        rows = self.table.query(self._pk, _DATABASE)
        return {str(row["sk"]).removeprefix(_DATABASE): str(row.get("at", "")) for row in rows}

    def note_begun(self, databases: tuple[str, ...], now: datetime) -> None:
        """Say that these are being restored."""
        at = now.isoformat(timespec="microseconds")
        self.table.write(*(self.table.put({"pk": self._pk, "sk": _DATABASE + name, "at": at}) for name in databases))

    @property
    def _pk(self) -> str:
        return DRILL + self.name

    def _current(self) -> Item:
        return self.table.get(self._pk, _CURRENT) or {}

    def _is_under_way(self, last: Item, is_running: Callable[[str], bool]) -> bool:
        """One whose copies are kept for a while is over. One that isn't in the ledger is being planned, or was refused."""
        meta = self.table.get(str(last.get("restoreId")), META)
        if meta is None:
            return is_running(str(last.get("executionArn")))
        return meta.get("status") != "CLOSED" and "keptUntil" not in meta

    def _skipped(self, restore_id: str, running: Item) -> DrillSkipped:
        """The error, after this start was noted beside the drill that it met."""
        change, row = "ADD skippedBy :ids", (self._pk, _CURRENT)
        self.table.write(self.table.update(*row, change, "attribute_exists(pk)", ids={restore_id}))
        return DrillSkipped(
            f"the drill {self.name} was due, but the one before it, {running.get('restoreId')}, still runs: nothing was restored. If that "
            "goes on, give it more time between two starts, or fewer databases"
        )
