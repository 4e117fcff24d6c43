"""What each function reads of its input: the sections that it names, and no others. Removers read `plan.restoreId` alone."""

from datetime import datetime
from typing import Any

from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel

from dbrestore.contract.document import Document
from dbrestore.contract.plan import Plan
from dbrestore.contract.sections import RestoredSection, StagingSection, WorkerSection


class StateInput(Document):
    """What one state reads of the whole input: the sections that it names, and no others."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True)


class PlanInput(StateInput):
    """PlanRestore: the request as it came, and the execution that it came with. `started_at` is the execution's start."""

    request: dict[str, Any]
    execution_arn: str
    started_at: datetime | None = None


class PlannedInput(StateInput):
    """States that need the plan alone."""

    plan: Plan


class RetrievalInput(PlannedInput):
    """RetrieveArchive: the plan, and the token of the task that waits."""

    task_token: str


class ApprovalInput(PlannedInput):
    """AwaitApproval: the plan, and the token of the task that waits."""

    task_token: str


class WorkerInput(PlannedInput):
    """States that need the worker."""

    worker: WorkerSection


class NativeRestoreInput(WorkerInput):
    """RestoreNativeBackups."""

    staging: StagingSection


class VerifyInput(WorkerInput):
    """VerifyDatabases."""

    restored: RestoredSection


class SwapInput(WorkerInput):
    """SwapDatabases."""


class RestoreReference(StateInput):
    """The restore's id, all that a remover takes from its input."""

    restore_id: str


class RemoverInput(StateInput):
    """Removers. `clean_up_execution` is the ARN of an execution that only clears up after another one."""

    plan: RestoreReference
    clean_up_execution: str | None = None


class BatchInput(RemoverInput):
    """RequestRetrieval: one of the plan's batches of files."""

    batch: int


class ArrivedObject(StateInput):
    """The object that S3's event tells of."""

    key: str


class ArrivalDetail(StateInput):
    """What of the event's detail is read."""

    object: ArrivedObject


class RetrievalEvent(StateInput):
    """HearRetrieval: S3's event `Object Restore Completed` (Amazon S3 User Guide, "EventBridge event message structure")."""

    detail: ArrivalDetail


class Woken(Document):
    """How many restores an event woke."""

    woken: int


class CaughtError(StateInput):
    """What a Catch writes. For a failed function `cause` is Lambda's JSON with `errorMessage`."""

    model_config = ConfigDict(alias_generator=str.title, populate_by_name=True, extra="ignore", frozen=True)

    error: str
    cause: str = ""


class CopiesInput(RemoverInput):
    """RemoveCopies: what the restore failed with, if it did and if somebody saw it."""

    failure: CaughtError | None = None


class CloseInput(RemoverInput):
    """CloseRestore: how the restore went. `clean_up` is true in an execution that only cleans up after another one."""

    failure: CaughtError | None = None
    leftovers: dict[str, CaughtError] = Field(default_factory=dict)
    clean_up: bool = False


class SweepInput(StateInput):
    """SweepLedger looks at the ledger, not at the event that woke it."""
