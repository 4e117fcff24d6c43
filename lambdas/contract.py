"""Every document that crosses a border of the control plane, in the order in which a restore meets them.

    request -> $.plan -> ($.archive) -> $.worker -> $.securityGroups -> ($.staging) -> $.restored -> $.verified -> $.report

A state reads sections to its left and writes exactly one. Removers read `plan.restoreId` alone. Long lists (tables, members, fix-ups) stay
in the worker's result in S3. The JSON Schema of each model is generated into docs/contract/.
"""

from datetime import datetime
from typing import Any, Literal

from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel

from lambdas.request import AccountId, ArchiveTier, Mode, Region, TicketRequest
from lambdas.worker_settings import ProxyUrl
from repository.document import Document
from worker.job import ErrorNote


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
    """One database with every name that will be made, all fixed before anything exists. SQL Server restores straight under the asked name:
    there the temporary name is the same, and there is no login role. `bytes` of COPY text, for SQL Server of the database's files;
    `stored_bytes` of what the repository holds of it."""

    name: str
    asked_name: str
    temporary_name: str
    login_role: str = ""
    bytes: int
    stored_bytes: int = 0
    rows: int
    tables: int


class Launch(Document):
    """One try to launch the worker: an instance of this type in this subnet."""

    instance_type: str
    subnet_id: str


class PlannedWorker(Document):
    """Where the worker will stand and what it is. `launches` are tried in this order while EC2 has no capacity. `instance_profile_arn`,
    `document_name` and `program_uri` are what the TargetStack of the target's account and Region offers; `security_group_ids` begin with
    its standing group. `image_id` None is the newest Amazon Linux 2023; `root_device` is the name that the image gives its volume. `proxy`
    is the URL through which the worker reaches AWS, but for the hosts `no_proxy`. `configured_by` says which worker configuration all this
    follows."""

    launches: tuple[Launch, ...] = Field(min_length=1)
    security_group_ids: tuple[str, ...] = Field(min_length=1)
    instance_profile_arn: str
    document_name: str
    program_uri: str
    image_id: str | None = None
    root_device: str = "/dev/xvda"
    volume_gib: int = 20
    tags: dict[str, str] = Field(default={})
    proxy: ProxyUrl | None = None
    no_proxy: tuple[str, ...] = ()
    streams: int
    keep_toast_compression: bool
    max_run_minutes: int
    configured_by: str = "the defaults"

    @property
    def first(self) -> Launch:
        """The choice; the others come when EC2 has no capacity for it."""
        return self.launches[0]


class ConsideredSubnet(Document):
    """One subnet of the target's VPC as a place for the worker. `rank` counts from 1, the chosen one; without a rank it is rejected.
    `way` is how a worker there would reach AWS. `reasons` are sentences: why it stands where it stands, or what is missing."""

    subnet_id: str
    availability_zone: str
    rank: int | None = None
    way: Literal["endpoints", "nat", "proxy", "elsewhere"] | None = None
    reasons: tuple[str, ...]


class PlannedNetwork(Document):
    """The choice of a subnet: all that were considered, best first, then the rejected; `unlisted` counts those that are left out because
    the list would be too long for the state."""

    vpc_id: str
    subnets: tuple[ConsideredSubnet, ...]
    unlisted: int = 0


class ArchivedFiles(Document):
    """Files of one storage class (or Intelligent-Tiering archive tier) that must be retrieved. `wait_hours` is the longest that S3 says
    it takes with the asked tier."""

    storage_class: str
    objects: int
    bytes: int
    wait_hours: float


class PlannedArchive(Document):
    """What must be retrieved before anything is deployed: `objects` is 0 if nothing is archived. Files are requested in batches of two
    thousand; `batches` numbers those of all files, archived or not, from 0. `days`: how long S3 is asked to keep the retrieved copies."""

    tier: ArchiveTier
    objects: int
    bytes: int
    classes: tuple[ArchivedFiles, ...]
    days: int
    batches: tuple[int, ...]


class DurationItem(Document):
    """One part of the expected duration, in seconds, by the state in which it passes; `basis` says what the number rests on."""

    state: str
    seconds: float
    basis: str


class CostItem(Document):
    """One part of the expected cost, in US dollars; `basis` is the arithmetic, as text."""

    item: str
    dollars: float
    basis: str


class Estimate(Document):
    """How long the restore will take and what it will cost, before anything exists. `prices_of` is the date of the price table and
    `prices_in` the Region that its prices are of."""

    seconds: float
    durations: tuple[DurationItem, ...]
    worker_hours: float
    dollars: float
    costs: tuple[CostItem, ...]
    prices_of: str
    prices_in: str
    notes: tuple[str, ...] = ()


class PlannedNative(Document):
    """What a restore into SQL Server needs besides. `option_role_arn` is the role with which RDS reads the temporary bucket; `staged_bytes`
    are those of all files that will be copied there. `stop_at` as in the request."""

    option_role_arn: str
    staged_bytes: int
    stop_at: datetime | None = None
    fix_users: bool = False
    check_database: bool = False


class Plan(Document):
    """`$.plan`: the validated request, everything that was looked up, every name. Kept in the ledger as well: removers read it there.
    `notes` say what could only be estimated, what no plan can see, and which of several backups will be restored."""

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
    native: PlannedNative | None = None
    archive: PlannedArchive | None = None
    network: PlannedNetwork | None = None
    estimate: Estimate | None = None
    notes: tuple[str, ...] = ()
    ticket: TicketRequest = TicketRequest()
    reason: str | None = None


class ArchiveSection(Document):
    """`$.archive`: the data is there. `requested` counts what was asked of S3 by this restore, `found_ready` what was retrieved already or
    on its way; `fell_back` those for which Expedited had no capacity and Standard was taken. `readable_until` is when the first of the
    retrieved copies goes; None if nothing does (Intelligent-Tiering)."""

    objects: int
    bytes: int
    tier: ArchiveTier
    requested: int
    found_ready: int
    fell_back: int
    readable_until: datetime | None = None


class WorkerSection(Document):
    """`$.worker`: the instance that runs, registered with SSM."""

    instance_id: str


class SecurityGroupsSection(Document):
    """`$.securityGroups`: the pair. The database's lets in only the worker's on the instance's port; the worker's lets out only there."""

    database_group_id: str
    worker_group_id: str


class StagingSection(Document):
    """`$.staging`: the temporary bucket, and what was copied into it under `prefix` (the restore's id and `/`)."""

    bucket: str
    prefix: str
    objects: int
    bytes: int


class DatabaseOutcome(Document):
    """One database in `$.restored` and `$.verified`; there and in the report `seconds` are those of both jobs."""

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


class RetrievalInput(PlannedInput):
    """RetrieveArchive: the plan, and the token of the task that waits."""

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


class RestoreReference(StateInput):
    """The restore's id, all that a remover takes from its input."""

    restore_id: str


class RemoverInput(StateInput):
    """Removers."""

    plan: RestoreReference


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


class CloseInput(RemoverInput):
    """CloseRestore: how the restore went. `clean_up` is true in an execution that only clears up after another one."""

    failure: CaughtError | None = None
    leftovers: dict[str, CaughtError] = Field(default_factory=dict)
    clean_up: bool = False


class SweepInput(StateInput):
    """SweepLedger looks at the ledger, not at the event that woke it."""
