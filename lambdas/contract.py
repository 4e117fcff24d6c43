"""Every document that crosses a border of the control plane, in the order in which a restore meets them.

    request -> $.plan -> ($.archive) -> $.worker -> $.securityGroups -> ($.staging) -> $.restored -> $.verified -> $.report

A state reads sections to its left and writes exactly one. Removers read `plan.restoreId` alone. Long lists (tables, members, fix-ups) stay
in the worker's result in S3. The JSON Schema of each model is generated into docs/contract/.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints, field_validator
from pydantic.alias_generators import to_camel

from repository.document import Document
from repository.point_names import INSTANCE_NAME
from worker.job import ErrorNote

Mode = Literal["restore", "plan", "drill"]
AccountId = Annotated[str, StringConstraints(pattern=r"^\d{12}$")]
Region = Annotated[str, StringConstraints(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")]
InstanceName = Annotated[str, StringConstraints(pattern=INSTANCE_NAME)]


class DatabaseRequest(Document):
    """One database: its name in the restore point, and the name to bring it back under (the same name by default)."""

    name: str = Field(min_length=1)
    as_: str | None = Field(default=None, alias="as", min_length=1)

    @property
    def asked_name(self) -> str:
        """The name in the target."""
        return self.as_ or self.name


class TargetRequest(Document):
    """The running instance. Account and Region default to the control account's."""

    db_instance: InstanceName
    account: AccountId | None = None
    region: Region | None = None


class SourceRequest(Document):
    """Where the data comes from: the backed-up instance (default: the target's name) and `latest` or a restore point's id."""

    db_instance: str | None = None
    restore_point: str = "latest"


class ArchiveRequest(Document):
    """How archived data is retrieved."""

    tier: Literal["Expedited", "Standard", "Bulk"] = "Standard"


class WorkerRequest(Document):
    """Overrides for the worker instance; everything has a default."""

    instance_type: str | None = None
    subnet_id: str | None = None
    max_run_hours: int = Field(default=168, ge=1, le=720)
    streams: int = Field(default=2, ge=1, le=16)
    keep_toast_compression: bool = False


class TicketRequest(Document):
    """The change or incident this restore belongs to."""

    system: str | None = None
    id: str | None = None
    url: str | None = None


def _or_names_alone(schema: dict[str, Any]) -> None:
    """In JSON a database may be given as its name alone."""
    schema["items"] = {"anyOf": [{"type": "string", "minLength": 1}, schema["items"]]}


class RestoreRequest(Document):
    """The input of the state machine. `{"target": {"dbInstance": "orders-prod"}, "databases": ["orders"]}` is enough. `Comment` is
    tolerated because the console's start box is prefilled with one; every other unknown key is refused."""

    comment: Any = Field(default=None, alias="Comment", exclude=True)
    schema_version: Literal["1"] = "1"
    target: TargetRequest
    source: SourceRequest = SourceRequest()
    databases: tuple[DatabaseRequest, ...] = Field(min_length=1, max_length=40, json_schema_extra=_or_names_alone)
    on_conflict: Literal["fail", "replace"] = "fail"
    mode: Mode = "restore"
    archive: ArchiveRequest = ArchiveRequest()
    worker: WorkerRequest = WorkerRequest()
    ticket: TicketRequest = TicketRequest()
    reason: str | None = None

    @field_validator("databases", mode="before")
    @classmethod
    def _names_are_databases(cls, value: Any) -> Any:
        if isinstance(value, list | tuple):
            return [{"name": item} if isinstance(item, str) else item for item in value]
        return value


class PlannedTarget(Document):
    """What is known of the instance. `host` and `port` are its endpoint; `secret_arn` its managed master secret."""

    account: AccountId
    region: Region
    db_instance: str
    arn: str
    engine: str
    engine_version: str
    host: str
    port: int
    vpc_id: str
    availability_zone: str
    secret_arn: str
    kms_key_id: str | None = None


class PlannedSource(Document):
    """The restore point that was chosen; `manifest` is its s3:// URI."""

    db_instance: str
    restore_point: str
    manifest: str


class PlannedDatabase(Document):
    """One database with every name that will be made, all fixed before anything exists."""

    name: str
    asked_name: str
    temporary_name: str
    login_role: str
    bytes: int
    rows: int
    tables: int


class PlannedWorker(Document):
    """Where the worker will stand and what it is. `instance_profile_arn`, `document_name` and `program_uri` are what the TargetStack of the
    target's account and Region offers; the fallback subnets are tried in this order when the first has no capacity."""

    instance_type: str
    subnet_id: str
    fallback_subnet_ids: tuple[str, ...] = ()
    standing_group_id: str
    instance_profile_arn: str
    document_name: str
    program_uri: str
    streams: int
    keep_toast_compression: bool
    max_run_minutes: int


class Plan(Document):
    """`$.plan`: the validated request, everything that was looked up, every name. Kept in the ledger as well: removers read it there.
    `notes` say what could only be estimated."""

    restore_id: str
    execution_arn: str
    mode: Mode
    planned_at: datetime
    engine: Literal["postgres", "sqlserver"]
    archived: bool
    target: PlannedTarget
    source: PlannedSource
    databases: tuple[PlannedDatabase, ...]
    worker: PlannedWorker
    notes: tuple[str, ...] = ()
    ticket: TicketRequest = TicketRequest()
    reason: str | None = None


class WorkerSection(Document):
    """`$.worker`: the instance that runs, registered with SSM."""

    instance_id: str


class SecurityGroupsSection(Document):
    """`$.securityGroups`: the pair. The database's lets in only the worker's on the instance's port; the worker's lets out only there."""

    database_group_id: str
    worker_group_id: str


class DatabaseOutcome(Document):
    """One database in `$.restored` and `$.verified`."""

    name: str
    asked_name: str
    status: str
    rows: int
    bytes: int
    seconds: float
    error: ErrorNote | None = None


class RestoredSection(Document):
    """`$.restored`: what the replay did; `result` is the s3:// URI of the worker's whole result."""

    databases: tuple[DatabaseOutcome, ...]
    result: str


class VerifiedSection(Document):
    """`$.verified`: what verification found; only promoted databases carry the asked name."""

    databases: tuple[DatabaseOutcome, ...]
    result: str


class ResourceRow(Document):
    """One thing that the restore made, with the proof that it is gone. `state` is INTENT, CREATED, DELETED or KEPT (a promoted database).
    `seen_absent_at` is when AWS or the database server was asked and answered that it does not exist; a row that is DELETED without it
    was never begun (`note` says why that is certain)."""

    kind: str
    role: str
    name: str
    physical_id: str | None = None
    state: Literal["INTENT", "CREATED", "DELETED", "KEPT"]
    intended_at: datetime
    created_at: datetime | None = None
    deleted_at: datetime | None = None
    seen_absent_at: datetime | None = None
    note: str | None = None


class PhaseRow(Document):
    """One state of the flow as it went: name as in the definition, first start, last end, attempts that ended in NotReady not counted
    as failures; `waiting_for` is what the last of those waited for."""

    state: str
    started_at: datetime
    ended_at: datetime | None = None
    attempts: int = 1
    status: Literal["RUNNING", "SUCCEEDED", "FAILED"] = "RUNNING"
    error: ErrorNote | None = None
    waiting_for: str | None = None


class Report(Document):
    """`restores/<restore id>/report.json` in the evidence bucket, written by CloseRestore; the event's detail is its short form."""

    schema_version: Literal["1"] = "1"
    restore_id: str
    execution_arn: str
    status: Literal["SUCCEEDED", "FAILED"]
    error: ErrorNote | None = None
    leftovers: tuple[str, ...] = ()
    started_at: datetime
    ended_at: datetime
    target: PlannedTarget
    source: PlannedSource
    databases: tuple[DatabaseOutcome, ...] = ()
    phases: tuple[PhaseRow, ...]
    resources: tuple[ResourceRow, ...]
    results: tuple[str, ...] = ()
    ticket: TicketRequest = TicketRequest()
    reason: str | None = None


class RestoreEvent(Document):
    """Detail of the event `Restore Succeeded` / `Restore Failed` / `Cleanup Incomplete` (source `dbrestore.restore`) on the default bus."""

    schema_version: Literal["1"] = "1"
    restore_id: str
    execution_arn: str
    status: Literal["SUCCEEDED", "FAILED"]
    error: ErrorNote | None = None
    target: str
    databases: tuple[DatabaseOutcome, ...] = ()
    leftovers: tuple[str, ...] = ()
    started_at: datetime
    ended_at: datetime
    report: str
    ticket: TicketRequest = TicketRequest()


class ReportSection(Document):
    """`$.report`: where the report lies."""

    report: str


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


class WorkerInput(PlannedInput):
    """States that need the worker."""

    worker: WorkerSection


class VerifyInput(WorkerInput):
    """VerifyDatabases."""

    restored: RestoredSection


class RestoreReference(StateInput):
    """The restore's id, all that a remover takes from its input."""

    restore_id: str


class RemoverInput(StateInput):
    """Removers."""

    plan: RestoreReference


class CaughtError(StateInput):
    """What a Catch writes. For a failed function `cause` is Lambda's JSON with `errorMessage`."""

    model_config = ConfigDict(alias_generator=str.title, populate_by_name=True, extra="ignore", frozen=True)

    error: str
    cause: str = ""


class CloseInput(RemoverInput):
    """CloseRestore: how the restore went. `clean_up` is true in an execution that only clears up after another one."""

    failure: CaughtError | None = None
    leftovers: dict[str, CaughtError] = Field(default_factory=dict)
    clean_up: bool = False


class SweepInput(StateInput):
    """SweepLedger looks at the ledger, not at the event that woke it."""
