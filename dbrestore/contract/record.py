"""What is on record of a restore: the rows of things and states in the ledger, and the report and the event made of them."""

from typing import Literal

from pydantic import AwareDatetime

from dbrestore.contract.api.notice import Notice
from dbrestore.contract.approval import Approval
from dbrestore.contract.document import Document
from dbrestore.contract.drills import DrillVerdict
from dbrestore.contract.job import ErrorNote, PostgresOptions, SwapResult
from dbrestore.contract.plan import Estimate, PlannedNetwork, PlannedSource, PlannedTarget
from dbrestore.contract.request import TicketRequest
from dbrestore.contract.sections import ArchiveSection, DatabaseOutcome

RunMode = Literal["restore", "drill", "add", "swap"]


class ResourceRow(Document):
    """One thing that the restore made, with the proof that it is gone. `state` is INTENT, CREATED, DELETED or KEPT (a promoted database).
    `seen_absent_at` is when AWS or the database server was asked and answered that it does not exist; a row that is DELETED without it
    was never begun, or belongs to other restores now that use it and remove it: `note` says which, and why that is certain. A row that is
    not DELETED and has `deleted_at`: its removal was accepted, and nobody has seen its absence yet. `missed_at` is the first of the looks
    that did not find it, of which there must be two, some time apart. `taken_off_at`: when it was found that somebody else had taken the
    group off the instance's list while the restore needed it; each time it is put back, and INTENT until RDS has taken that."""

    kind: str
    role: str
    name: str
    physical_id: str | None = None
    state: Literal["INTENT", "CREATED", "DELETED", "KEPT"]
    intended_at: AwareDatetime
    created_at: AwareDatetime | None = None
    deleted_at: AwareDatetime | None = None
    missed_at: AwareDatetime | None = None
    seen_absent_at: AwareDatetime | None = None
    taken_off_at: tuple[AwareDatetime, ...] = ()
    note: str | None = None


class PhaseRow(Document):
    """One state of the flow as it went: name as in the definition, first start, last end, attempts that ended in NotReady not counted
    as failures; `waiting_for` is what the last of those waited for. `again_at` is when it was entered again, last, after it had ended:
    with another worker, or because it was tried again."""

    state: str
    started_at: AwareDatetime
    again_at: AwareDatetime | None = None
    ended_at: AwareDatetime | None = None
    attempts: int = 1
    status: Literal["RUNNING", "SUCCEEDED", "FAILED"] = "RUNNING"
    error: ErrorNote | None = None
    waiting_for: str | None = None


class Report(Document):
    """`restores/<restore id>/report.json` in the evidence bucket, written by CloseRestore; the event's detail is its short form.
    `postgres`: what was chosen for PostgreSQL databases, `verify` among it. What was left out, the lists of adaptations, of checks and of
    code that runs by itself are in the `results`. `proofs` are sentences about what a restore into SQL Server proves, and what not.
    `plan_trouble`: the plan was written by another version, or can't be read; then what only the plan tells may be missing, and the
    target is what the ledger's anchor knows of it. `swaps`: which names were exchanged, and which name holds what now; the old
    databases are kept until `kept_until`. `mode` is `add` of a restore point that was made, `swap` of an exchange by itself. `drill` says
    how the drill ended, if it is one."""

    schema_version: Literal["1"] = "1"
    restore_id: str
    execution_arn: str
    mode: RunMode = "restore"
    status: Literal["SUCCEEDED", "FAILED"]
    error: ErrorNote | None = None
    plan_trouble: str | None = None
    leftovers: tuple[str, ...] = ()
    started_at: AwareDatetime
    ended_at: AwareDatetime
    target: PlannedTarget
    source: PlannedSource
    databases: tuple[DatabaseOutcome, ...] = ()
    phases: tuple[PhaseRow, ...]
    resources: tuple[ResourceRow, ...]
    results: tuple[str, ...] = ()
    postgres: PostgresOptions | None = None
    proofs: tuple[str, ...] = ()
    swaps: tuple[SwapResult, ...] = ()
    kept_until: AwareDatetime | None = None
    network: PlannedNetwork | None = None
    archive: ArchiveSection | None = None
    estimate: Estimate | None = None
    drill: DrillVerdict | None = None
    ticket: TicketRequest = TicketRequest()
    reason: str | None = None
    requested_by: str | None = None
    permitted_by: str | None = None
    approval: Approval | None = None


class RestoreEvent(Document):
    """Detail of all events (source `dbrestore.restore`) on the default bus. Of a restore that goes on, status RUNNING: `Restore Started`,
    when the ledger was opened, and `Phase Changed`, when a state of the flow is entered for the first time; `phase` is the state. Of one
    that ended: `Restore Succeeded`, `Restore Failed`, `Restore Refused` (by its plan), `Drill Completed`, `Objective Missed` (of a drill,
    beside the one before) and `Cleanup Incomplete`, of a restore point that is made (mode `add`) `Point Added` and `Point Not Added`, of
    an exchange by itself (mode `swap`) `Swap Succeeded` and `Swap Failed`; these have `ended_at`, and `report`, which of what could not
    begin is empty. `swaps` (without `fix_ups`) and `kept_until` as in the report. `caller` is who asked over HTTP. `notice` is what
    answers to other systems are made of."""

    schema_version: Literal["1"] = "1"
    restore_id: str
    execution_arn: str
    mode: RunMode = "restore"
    drill_name: str | None = None
    status: Literal["RUNNING", "SUCCEEDED", "FAILED"]
    phase: str | None = None
    error: ErrorNote | None = None
    target: str
    databases: tuple[DatabaseOutcome, ...] = ()
    swaps: tuple[SwapResult, ...] = ()
    kept_until: AwareDatetime | None = None
    leftovers: tuple[str, ...] = ()
    started_at: AwareDatetime
    ended_at: AwareDatetime | None = None
    report: str = ""
    drill: DrillVerdict | None = None
    ticket: TicketRequest = TicketRequest()
    caller: str | None = None
    notice: Notice | None = None
