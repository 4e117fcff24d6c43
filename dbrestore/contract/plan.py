"""`$.plan`: the document that every state which makes something goes by.

    request -> $.plan -> the sections of the states (dbrestore.contract.sections)

What a function takes from its input stands in lambdas.runtime.inputs. The JSON Schema of each model is generated into docs/contract/.
"""

from datetime import datetime
from typing import Literal

from pydantic import Field

from dbrestore.contract.allowed.worker_settings import ProxyUrl
from dbrestore.contract.approval import ApprovalRequest
from dbrestore.contract.checks.asked import AskedCheck
from dbrestore.contract.document import Document
from dbrestore.contract.drills import PlannedDrill
from dbrestore.contract.job import PostgresOptions
from dbrestore.contract.request import AccountId, ArchiveTier, Mode, Region, TicketRequest
from dbrestore.contract.swaps.exchanges import PlannedSwap


class PlannedTarget(Document):
    """What is known of the instance, or of the cluster: then `db_instance` and `db_cluster` are its identifier, `arn` is its ARN, `host` is
    the endpoint that follows the writer, and `writer` is the instance that wrote when this was planned. `resource_id` stays when it is
    renamed (empty in plans of versions that didn't know it). `host` and `port` are the endpoint. The worker logs in with what `secret_arn`
    holds (`kms_key_id`: the key of that secret, if it has one of its own) or, PostgreSQL alone, with tokens of IAM as `iam_user`;
    `credentials_by` says who decided that: the request, a rule of the credential configuration, or nobody, and RDS manages the master
    secret."""

    account: AccountId
    region: Region
    db_instance: str
    resource_id: str = ""
    arn: str
    engine: str
    engine_version: str
    host: str
    port: int
    vpc_id: str
    availability_zone: str
    secret_arn: str = ""
    iam_user: str = ""
    kms_key_id: str | None = None
    credentials_by: str = ""
    db_cluster: str = ""
    writer: str = ""


class PlannedSource(Document):
    """The restore point that was chosen; `manifest` is its s3:// URI. `manifest_sha256` of its text, in hexadecimal digits: whoever reads
    the manifest later refuses another one. None in plans of versions that didn't know it."""

    db_instance: str
    restore_point: str
    manifest: str
    manifest_sha256: str | None = None


class SetRun(Document):
    """Backup sets of a database that follow each other in its manifest, by their places there, counted from 1; `last` is one of them."""

    first: int = Field(ge=1)
    last: int = Field(ge=1)


class PlannedDatabase(Document):
    """One database with every name that will be made, all fixed before anything exists. SQL Server restores straight under the asked name:
    there the temporary name is the same, and there are no roles (`dbrestore.contract.job.DatabaseJob` says what they are for).
    `bytes` of COPY text, for SQL Server of the database's files;
    of these `log_bytes` are those of the log files, and `page_bytes` those of the pages in use, None if the point doesn't know them;
    `stored_bytes` of what the repository holds of it, `checked` how much of these was recomputed when they were added. `backup_sets` are
    those of SQL Server that are restored, in this order: chosen once, by the plan."""

    name: str
    asked_name: str
    temporary_name: str
    login_role: str = ""
    holder_role: str = ""
    bytes: int
    log_bytes: int = 0
    page_bytes: int | None = None
    stored_bytes: int = 0
    checked: str = ""
    backup_sets: tuple[SetRun, ...] = ()
    rows: int
    tables: int


class Launch(Document):
    """One try to launch the worker: an instance of this type in this subnet."""

    instance_type: str
    subnet_id: str


class PlannedWorker(Document):
    """Where the worker will stand and what it is. `launches` are tried in this order while EC2 has no capacity. `instance_profile_arn`,
    `document_name` and `program_uri` are what the TargetStack of the target's account and Region offers; `security_group_ids` begin with
    its standing group. `image_id` None is the newest Amazon Linux 2023; `root_device` is the name that the image gives its volume.
    `kms_key_id` None: the image's key, or that with which EBS encrypts by default. `proxy` is the URL through which the worker reaches AWS,
    but for the hosts `no_proxy`. `configured_by` says which worker configuration all this follows."""

    launches: tuple[Launch, ...] = Field(min_length=1)
    security_group_ids: tuple[str, ...] = Field(min_length=1)
    instance_profile_arn: str
    document_name: str
    program_uri: str
    image_id: str | None = None
    root_device: str = "/dev/xvda"
    volume_gib: int = 20
    kms_key_id: str | None = None
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
    are those of all files that will be copied there. `stop_at` as in the request. `check_decided_by` says why `check_database` is what it
    is: the request, or the configuration's word (`never`, `drills`, `always`)."""

    option_role_arn: str
    staged_bytes: int
    stop_at: datetime | None = None
    fix_users: bool = False
    check_database: bool = False
    check_decided_by: str = "the request"


class PlannedAddition(Document):
    """A restore point that is made of dumps in S3, which lie copied in the repository, or will when `CopyDumps` has run: `note` is the
    s3:// URI of the list of them (`dbrestore.points.in_s3.unfinished`), `databases` are the names of the first forty. No database server
    is asked for anything: the target is only where the worker stands."""

    instance: str
    point_id: str
    note: str
    bytes: int
    databases: tuple[str, ...] = Field(default=(), max_length=40)


class Plan(Document):
    """`$.plan`: the validated request, everything that was looked up, every name. Kept in the ledger as well, beside its anchor
    (dbrestore.contract.anchor), by which removers go. It is read strictly: a plan of another version can't be carried out.
    `checks` are those of the request, each with its database; `drill` says which drill this is, None if it is none, and `addition`, of
    mode `add`, what is read.
    `awaits_approval` says for the flow, whose Choice can't tell null from something, whether there is an `approval`.
    `copies` says for the flow whether dumps are to be copied before they are read.
    `swap` is what is exchanged in the end, and `swaps` says for the flow whether there is one: `no`, `last` after all else, or `only`. Of
    a restore that replaces databases, `databases` have the names that they bear until then.
    `notes` say what could only be estimated, what no plan can see, and which of several backups will be restored."""

    schema_version: Literal["1"] = "1"
    restore_id: str
    execution_arn: str
    mode: Mode | Literal["add"]
    planned_at: datetime
    engine: Literal["postgres", "sqlserver"]
    archived: bool
    target: PlannedTarget
    source: PlannedSource
    databases: tuple[PlannedDatabase, ...]
    worker: PlannedWorker
    native: PlannedNative | None = None
    postgres: PostgresOptions | None = None
    archive: PlannedArchive | None = None
    network: PlannedNetwork | None = None
    estimate: Estimate | None = None
    checks: tuple[AskedCheck, ...] = ()
    drill: PlannedDrill | None = None
    swap: PlannedSwap | None = None
    swaps: Literal["no", "last", "only"] = "no"
    addition: PlannedAddition | None = None
    copies: bool = False
    notes: tuple[str, ...] = ()
    ticket: TicketRequest = TicketRequest()
    reason: str | None = None
    requested_by: str | None = None
    permitted_by: str | None = None
    approval: ApprovalRequest | None = None
    awaits_approval: bool = False
