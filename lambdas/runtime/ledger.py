"""The ledger: what a restore is about to make, has made, and has seen gone. One DynamoDB table, no index.

    pk                       sk                              what
    <restore id>             META                            the restore's own row: status, plan, anchor (contract.anchor), execution
    <restore id>             PHASE#<state>                   one state of the flow (lambdas.runtime.phases)
    <restore id>             RESOURCE#<kind>#<role>#<name>   one thing that was made
    <restore id>             JOB#<name>                      one job of the worker (lambdas.databases.jobs)
    OPEN                     <restore id>                    every restore that isn't CLOSED: what the sweeper reads
    RESTORES                 <began>#<restore id>            a summary of every restore, for lists (dbrestore.ledger.restore_list)
    POINT#<instance>/<id>, REMOVALS   USE, ...              who reads and who removes a restore point (lambdas.runtime.point_rows)
    DATABASE#<arn>#<name>    LOCK                            one restore per target database (contract.allowed.database_names.folded)
    POINT#<instance>#<id>    LOCK                            one reader of a restore point that is being made
    GROUPS#<arn>             LOCK                            one writer of an instance's group list (lambdas.runtime.locks)
    STAGING#<account>#<Region>  LEASE                        who uses the temporary bucket (lambdas.staging.lease)
    SWAPS                    <restore id>#<name>             a restore's database took a name (dbrestore.ledger.exchanges)
    STRAYS                   <account>#<Region>#<kind>#<id>  when a stray was first seen (lambdas.closing.clean_up_strays)
    <restore id>             WORK#<state>                    an invocation that may still be at work (lambdas.runtime.invocations)
    ADOPT#<rule>             HEARD#..., POINT#..., ...       what arrives in S3 and becomes restore points (lambdas.adding.adopting.rows)
    DRILL#<name>             CURRENT, AT#..., DATABASE#...   that a drill is run once, and one at a time (lambdas.runtime.drill_rows)
    <restore id>             CANCELLED                       a wish to stop that came before META was written
    <restore id>             RETRIEVAL#BATCH#<n>, RETRIEVAL#ROUNDS, RETRIEVED   what was asked of the archive (lambdas.archive)
    <restore id>             REQUEST                         what the HTTP API accepted (lambdas.entrances.api.received)
    <restore id>             APPROVAL                        a second person's decision (lambdas.approval.decisions)
    <restore id>             AWAITED                         the file that the restore waits for (lambdas.archive.arrivals)
    ARRIVAL#<key>            <restore id>                    the token that wakes it when the file arrives

Write-ahead: INTENT is written before anything is created, in one transaction with a check of the restore's status, so nothing can be begun
after its remover looked. RUNNING: everything may be made. DISCARDING: only what is needed to drop unfinished databases. CLOSING: nothing.
CLOSED: written last, together with the release of the database locks and of the row under OPEN.
"""

from datetime import datetime, timedelta
from typing import Literal

from dbrestore.contract import anchor
from dbrestore.contract.anchor import Anchor
from dbrestore.contract.errors import (
    DatabaseBusy,
    NotReady,
    RestoreCancelled,
    RestoreClosed,
    RestoreFailed,
    RestoreNotFound,
)
from dbrestore.contract.job import ErrorNote
from dbrestore.contract.plan import Plan
from dbrestore.contract.record import ResourceRow
from dbrestore.ledger import restore_list, stored_rows
from dbrestore.ledger.reading import META, OPEN, RESOURCE
from dbrestore.ledger.stored_rows import Meta, Status
from dbrestore.ledger.table import ConditionFailed, Item, Table, Write
from lambdas.runtime import database_locks, point_rows, resource_rows
from lambdas.runtime.bounds import Bounds
from lambdas.runtime.clock import Clock, system_clock
from lambdas.runtime.database_locks import LOCK

MINE_OR_FREE = "attribute_not_exists(pk) OR restoreId = :restore"


class Ledger:
    """The rows of one restore."""

    def __init__(self, table: Table, restore_id: str, clock: Clock = system_clock, bounds: Bounds | None = None) -> None:
        self.table = table
        self.restore_id = restore_id
        self.clock = clock
        self.bounds = bounds or Bounds()

    def open(self, plan: Plan, started_at: datetime) -> Plan:
        """Write META, the rows under OPEN and RESTORES, who reads the restore point, and one lock per target database, all or nothing. A
        second call of the same execution gives back the plan that was stored. Raises DatabaseBusy, RestorePointRemoved."""
        fixed = anchor.of(plan)
        locks = [self._lock(name) for name in fixed.locks]
        meta = {
            "pk": self.restore_id,
            "sk": META,
            "status": "RUNNING",
            "executionArn": plan.execution_arn,
            "startedAt": started_at.isoformat(),
            "plan": plan.to_json(),
            "anchor": fixed.to_json(),
        }
        opened = {"pk": OPEN, "sk": self.restore_id, "openedAt": self.clock().isoformat()}
        try:
            listed = self.table.put(restore_list.row(plan, started_at))
            # Names are exchanged without the point.
            read = [] if plan.swaps == "only" else [point_rows.read_by(self.table, plan.source, self.restore_id, started_at)]
            self.table.write(self.table.put(meta, "attribute_not_exists(pk)"), self.table.put(opened), listed, *read, *locks)
        except ConditionFailed as failed:
            return self._already_open(plan, started_at, failed)
        return plan

    def meta(self) -> Meta:
        """Raises RestoreNotFound, LedgerRowUnreadable."""
        item = self.table.get(self.restore_id, META)
        if item is None:
            raise RestoreNotFound(f"The ledger has no restore {self.restore_id}: check the id")
        return stored_rows.meta(self.restore_id, item)

    def exists(self) -> bool:
        """Whether this ledger knows the restore: another installation's restores are none of its business."""
        return self.table.get(self.restore_id, META) is not None

    def require(self, status: Status) -> None:
        """Raises RestoreClosed, RestoreCancelled or RestoreNotFound unless the restore has this status and nobody asked it to stop."""
        meta = self.meta()
        if status == "RUNNING" and meta.cancel_requested:
            raise RestoreCancelled(f"Restore {self.restore_id} was asked to stop")
        if meta.status != status:
            raise RestoreClosed(f"Restore {self.restore_id} is {meta.status}: it may no longer create anything")

    def while_status(self, status: Status) -> Write:
        """The condition that goes with every write that begins something."""
        return self.table.check(self.restore_id, META, "#status = :status", status=status)

    def advance(self, status: Literal["DISCARDING", "CLOSING"]) -> None:
        """From here on nothing of the earlier kind can be begun. Cleaning up may go round again, so CLOSING can lead back to DISCARDING; a
        restore that is CLOSED stays so. Raises RestoreNotFound."""
        change = self.table.update(
            self.restore_id,
            META,
            "SET #status = :status",
            "#status <> :closed AND attribute_exists(pk)",
            status=status,
            closed="CLOSED",
        )
        try:
            self.table.write(change)
        except ConditionFailed:
            self.meta()

    def intend(self, kind: str, role: str, name: str, while_: Status = "RUNNING", *, again: bool = False) -> ResourceRow:
        """Say what will be made, before it is. A row that is further already comes back as it is; `again` begins a DELETED one anew, which
        things without a token of their own allow. Raises RestoreClosed."""
        begins = ("INTENT", "DELETED") if again else ("INTENT", "INTENT")
        found = self.row(kind, role, name)
        if found and found.state not in begins:
            return found
        row = ResourceRow(kind=kind, role=role, name=name, state="INTENT", intended_at=self.clock())
        unless_further = "attribute_not_exists(pk) OR #state IN (:a, :b)"
        try:
            self.table.write(
                self.while_status(while_),
                self.table.put(self._item(row), unless_further, a=begins[0], b=begins[1]),
            )
        except ConditionFailed:
            self.require(while_)
            return self._now_further(row)
        return row

    def created(self, row: ResourceRow, physical_id: str) -> ResourceRow:
        """Say that it was made, and how it is called. Raises RestoreClosed if a remover has already settled the row."""
        made = row.model_copy(update={"state": "CREATED", "physical_id": physical_id, "created_at": row.created_at or self.clock()})
        try:
            self.table.write(
                self.table.put(self._item(made), "#state IN (:a, :b)", a="INTENT", b="CREATED"),
            )
        except ConditionFailed:
            raise RestoreClosed(f"{row.kind} {row.name} of restore {self.restore_id} was removed meanwhile") from None
        return made

    def seen_absent(self, row: ResourceRow) -> None:
        """Say that it was looked for and is not there, once not seeing it proves that. Raises NotReady before: what was begun a moment
        ago may still come into being, or exist without being visible yet."""
        age = self.clock() - row.intended_at
        if row.state == "INTENT" and age < timedelta(seconds=self.bounds.visible_after):
            raise NotReady(f"waiting until the {row.kind} {row.name} would have to be visible if it existed")
        self.deleted(row)

    def missed(self, row: ResourceRow, *, can_begin: bool = True) -> None:
        """Say that a look did not find it. The second such look, some time after the first, proves that it is gone. Raises NotReady before
        that, and as long as it may exist without being shown: not to be seen proves nothing of what was made a moment ago. `can_begin`:
        what was only intended may still be made by a function that was given up."""
        now = self.clock()
        if now < self._shown_from(row, can_begin):
            raise NotReady(f"waiting until the {row.kind} {row.name} would have to be visible if it existed")
        if row.missed_at is None:
            row = self._noted(row, missed_at=now)
        if now < (row.missed_at or now) + timedelta(seconds=self.bounds.looks_apart):
            raise NotReady(f"the {row.kind} {row.physical_id or row.name} can't be seen: waiting to look again")
        self.deleted(row)

    def found(self, row: ResourceRow) -> None:
        """Say that a look did find it: an earlier one that did not means nothing."""
        if row.missed_at:
            self._noted(row, missed_at=None)

    def taken_off(self, row: ResourceRow) -> ResourceRow:
        """Say that somebody else undid it and that it will be done again. Raises RestoreClosed if the restore no longer runs."""
        again = row.model_copy(update={"state": "INTENT", "taken_off_at": (*row.taken_off_at, self.clock())})
        try:
            self.table.write(self.while_status("RUNNING"), self.table.put(self._item(again), "#state = :a", a="CREATED"))
        except ConditionFailed:
            self.require("RUNNING")
            return self._now_further(row)
        return again

    def removal_accepted(self, row: ResourceRow, physical_id: str) -> None:
        """Say that its removal was asked for and not refused; that it is gone, nobody has seen."""
        self._noted(row, physical_id=physical_id, deleted_at=self.clock())

    def deleted(self, row: ResourceRow, note: str | None = None) -> None:
        """Say that it was looked for and is not there."""
        now = self.clock()
        self._settle(row, {"state": "DELETED", "deleted_at": row.deleted_at or now, "seen_absent_at": now, "note": note})

    def never_begun(self, row: ResourceRow, note: str) -> None:
        """Say that it was never asked for, and why that is certain; nobody looked."""
        self._settle(row, {"state": "DELETED", "deleted_at": self.clock(), "note": note})

    def handed_over(self, row: ResourceRow, note: str) -> None:
        """Say that it stays, and who uses and removes it: it is this restore's no longer."""
        self._settle(row, {"state": "DELETED", "deleted_at": self.clock(), "note": note})

    def kept(self, row: ResourceRow, physical_id: str, note: str | None = None) -> None:
        """Say that it stays: it is what the restore was for, or belongs to that, as `note` says."""
        self._settle(row, {"state": "KEPT", "physical_id": physical_id, "note": note})

    def row(self, kind: str, role: str, name: str) -> ResourceRow | None:
        """One row, or None."""
        item = self.table.get(self.restore_id, resource_rows.key(kind, role, name))
        return resource_rows.read(item) if item else None

    def rows(self, *kinds: str) -> tuple[ResourceRow, ...]:
        """All rows, or those of these kinds."""
        rows = (resource_rows.read(item) for item in self.table.query(self.restore_id, RESOURCE))
        return tuple(row for row in rows if not kinds or row.kind in kinds)

    def unsettled(self, *kinds: str) -> tuple[ResourceRow, ...]:
        """Rows of things that may exist and are not to stay."""
        return tuple(row for row in self.rows(*kinds) if row.state in ("INTENT", "CREATED"))

    def remember(self, error: ErrorNote) -> None:
        """Keep the restore's first error for the report of a later clean-up."""
        self.table.write(self.table.update(self.restore_id, META, "SET #error = if_not_exists(#error, :error)", error=error.to_json()))

    def close(self, fixed: Anchor) -> None:
        """CLOSED, no more under OPEN, database locks released, the restore point given back: one transaction, the restore's last. Raises
        LedgerRowUnreadable if nothing tells which locks it holds."""
        fixed.require("locks")
        closed = self.table.update(self.restore_id, META, "SET #status = :closed", closed="CLOSED")
        locks = [
            self.table.delete(name, LOCK, "restoreId = :restore", restore=self.restore_id)
            for name in fixed.locks
            if (self.table.get(name, LOCK) or {}).get("restoreId") == self.restore_id
        ]
        read = point_rows.given_back(self.table, fixed.source, self.restore_id)
        self.table.write(closed, self.table.delete(OPEN, self.restore_id), *locks, *read)

    def _lock(self, name: str) -> Write:
        lock = {"pk": name, "sk": LOCK, "restoreId": self.restore_id, "since": self.clock().isoformat()}
        return self.table.put(lock, MINE_OR_FREE, restore=self.restore_id)

    def _already_open(self, plan: Plan, started_at: datetime, failed: ConditionFailed) -> Plan:
        if self.exists():
            meta = self.meta()
            if meta.execution_arn != plan.execution_arn:
                raise RestoreFailed(f"The id {self.restore_id} is taken by {meta.execution_arn}: start the restore again")
            self.require("RUNNING")
            return meta.plan
        if plan.addition:
            owner = (self.table.get(anchor.lock_names(plan)[0], LOCK) or {}).get("restoreId")
            raise DatabaseBusy(f"{plan.addition.point_id} is being read by {owner} right now: wait for it") from failed
        point_rows.require_unremoved(self.table, plan.source, started_at)
        raise database_locks.busy(self.table, anchor.lock_names(plan), (one.asked_name for one in plan.databases)) from failed

    def _now_further(self, row: ResourceRow) -> ResourceRow:
        found = self.row(row.kind, row.role, row.name)
        if found is None:
            raise RestoreClosed(f"Restore {self.restore_id} changed while {row.kind} {row.name} was begun")
        return found

    def _shown_from(self, row: ResourceRow, can_begin: bool) -> datetime:
        """From when on it is shown if it exists."""
        made = row.created_at or row.intended_at + timedelta(seconds=self.bounds.visible_after if can_begin else 0)
        return made + timedelta(seconds=self.bounds.shown_within)

    def _noted(self, row: ResourceRow, **change: object) -> ResourceRow:
        """As it is then, or as another invocation has settled it meanwhile."""
        noted = row.model_copy(update=change)
        try:
            self.table.write(self.table.put(self._item(noted), "#state IN (:a, :b)", a="INTENT", b="CREATED"))
        except ConditionFailed:
            return self._now_further(row)
        return noted

    def _settle(self, row: ResourceRow, change: dict[str, object]) -> None:
        # What is kept is never told as deleted by one who looked earlier, nor the other way round.
        settled = row.model_copy(update=change)
        try:
            self.table.write(self.table.put(self._item(settled), "#state IN (:a, :b, :c)", a="INTENT", b="CREATED", c=settled.state))
        except ConditionFailed:
            raise RestoreClosed(f"{row.kind} {row.name} of restore {self.restore_id} was settled meanwhile") from None

    def _item(self, row: ResourceRow) -> Item:
        return resource_rows.item(self.restore_id, row)
