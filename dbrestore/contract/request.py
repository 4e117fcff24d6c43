"""The request: the input of the state machine, as people, schedulers and ticket systems write it.

Unknown keys are refused, everything but the target and the databases has a default. Its JSON Schema is generated into docs/contract/.
"""

import json
from typing import Annotated, Any, Literal

from pydantic import Field, NaiveDatetime, StringConstraints, field_validator

from dbrestore.contract.allowed.credentials import IamUser, SecretArn
from dbrestore.contract.allowed.point_names import INSTANCE_NAME
from dbrestore.contract.allowed.worker_settings import WorkerSettings
from dbrestore.contract.approval import ApprovalRequest
from dbrestore.contract.checks.asked import MOST_CHECKS, AskedCheck
from dbrestore.contract.document import Document
from dbrestore.contract.swaps.orders import SwapRequest

Mode = Literal["restore", "plan", "drill"]
ArchiveTier = Literal["Expedited", "Standard", "Bulk"]
AccountId = Annotated[str, StringConstraints(pattern=r"^\d{12}$")]
Region = Annotated[str, StringConstraints(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")]
InstanceName = Annotated[str, StringConstraints(pattern=INSTANCE_NAME)]


class DatabaseRequest(Document):
    """One database: its name in the restore point, and the name to restore it under (the same name by default)."""

    name: str = Field(min_length=1)
    as_: str | None = Field(default=None, alias="as", min_length=1)

    @property
    def asked_name(self) -> str:
        """The name in the target."""
        return self.as_ or self.name


class CredentialsRequest(Document):
    """How the worker logs in, by reference and never by value: one of the two. `secret_arn`: a secret of the target's account and Region
    that holds JSON `{"username": ..., "password": ...}`. `iam_user` (PostgreSQL): a user of the database that has `rds_iam`."""

    secret_arn: SecretArn | None = None
    iam_user: IamUser | None = None


class TargetRequest(Document):
    """The running instance, or the cluster: by its own name or that of any of its instances. Account and Region default to the control
    account's. Without `credentials` the installation's credential configuration decides, and then the master secret that RDS manages."""

    db_instance: InstanceName
    account: AccountId | None = None
    region: Region | None = None
    credentials: CredentialsRequest | None = None


class SourceRequest(Document):
    """Where the data comes from: the backed-up instance (default: the target's name) and `latest` or a restore point's id."""

    db_instance: str | None = None
    restore_point: str = "latest"


class ArchiveRequest(Document):
    """How archived data is retrieved."""

    tier: ArchiveTier = "Standard"


class WorkerRequest(WorkerSettings):
    """The worker of this restore. What isn't set here comes from the worker configuration of the target's place, then from the built-in
    defaults. `subnet_id` and `instance_type` are short for lists of one. `streams`: at most so many parallel connections; the target's
    vCPUs decide how many are used."""

    subnet_id: str | None = None
    instance_type: str | None = None
    streams: int = Field(default=8, ge=1, le=16)
    keep_toast_compression: bool = False


class SqlServerRequest(Document):
    """What concerns SQL Server alone. `stop_at`: restore log backups up to this moment, on the clock of the server that was backed up,
    without a zone (`2026-05-12T13:29:50`). `fix_users` maps orphaned users to logins of the same name. `check_database` runs DBCC
    CHECKDB before the restore is green; without it the installation's SQL Server configuration decides."""

    stop_at: NaiveDatetime | None = None
    fix_users: bool = False
    check_database: bool | None = None


class TicketRequest(Document):
    """The change or incident this restore belongs to. `approved_by` is who approved it, as whoever asks says: nobody checks it."""

    system: str | None = None
    id: str | None = None
    url: str | None = None
    approved_by: str | None = None


def _or_names_alone(schema: dict[str, Any]) -> None:
    """In JSON a database may be given as its name alone."""
    schema["items"] = {"anyOf": [{"type": "string", "minLength": 1}, schema["items"]]}


class RestoreRequest(Document):
    """The input of the state machine. `{"target": {"dbInstance": "orders-prod"}, "databases": ["orders"]}` is enough. `Comment` is
    tolerated because the console's start box is prefilled with one; every other unknown key is refused.

    For PostgreSQL alone: `owners` maps roles of the dump to roles of the target that may own what those owned; without it the dump's own
    roles may, but only if the restore point is of the target instance itself. `roles` `create-missing` makes the dump's other roles (no
    login, no rights). `extensions` `skip-missing` leaves out extensions that the target lacks or the configuration doesn't allow, and
    `onUnrestorable` `skip` whatever else the target refuses; what is left out is told and the run never ends green. `encoding` and
    `locale` are the new databases' (default: those of the dump). `verify` `content` reads every row back, `counts` counts them.

    `onConflict` `replace`: once all is verified the restored database takes the name, and a database that bears it is kept under a derived
    one for some days, as `swap` says; `fail` refuses a name that is taken.

    `checks` are questions in SQL to the restored databases, with the answers that are expected; databases whose answers differ stay, and
    the run never ends green.

    `approval`: before anything is made the restore waits until somebody else has approved it.

    `requestedBy` says who asked for it, as whoever starts the execution puts it: the command writes its caller's ARN, the HTTP API the
    caller that it has identified. `permittedBy` is the rule by which the HTTP API let it through. Nobody checks either."""

    comment: Any = Field(default=None, alias="Comment", exclude=True)
    schema_version: Literal["1"] = "1"
    target: TargetRequest
    source: SourceRequest = SourceRequest()
    databases: tuple[DatabaseRequest, ...] = Field(min_length=1, max_length=40, json_schema_extra=_or_names_alone)
    on_conflict: Literal["fail", "replace"] = "fail"
    swap: SwapRequest | None = None
    on_unrestorable: Literal["fail", "skip"] = "fail"
    owners: dict[str, str] | None = Field(default=None, max_length=200)
    roles: Literal["existing", "create-missing"] = "existing"
    extensions: Literal["all", "skip-missing"] = "all"
    encoding: str | None = Field(default=None, min_length=1, max_length=100)
    locale: str | None = Field(default=None, min_length=1, max_length=100)
    verify: Literal["counts", "content"] | None = None
    checks: tuple[AskedCheck, ...] = Field(default=(), max_length=MOST_CHECKS)
    mode: Mode = "restore"
    archive: ArchiveRequest = ArchiveRequest()
    worker: WorkerRequest = WorkerRequest()
    sqlserver: SqlServerRequest = SqlServerRequest()
    approval: ApprovalRequest | None = None
    ticket: TicketRequest = TicketRequest()
    reason: str | None = None
    requested_by: str | None = Field(default=None, min_length=1, max_length=1000)
    permitted_by: str | None = Field(default=None, min_length=1, max_length=2000)

    def input_text(self) -> str:
        """The request as the execution's input: only what was asked for, defaults are the control plane's to fill."""
        return json.dumps(self.model_dump(mode="json", by_alias=True, exclude_defaults=True), sort_keys=True)

    @field_validator("databases", mode="before")
    @classmethod
    def _names_are_databases(cls, value: Any) -> Any:
        if isinstance(value, list | tuple):
            return [{"name": item} if isinstance(item, str) else item for item in value]
        return value
