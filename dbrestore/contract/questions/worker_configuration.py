"""What workers are in each account and Region, as an installation's file says it, and what a question about it is answered."""

from typing import Any

from pydantic import Field, JsonValue

from dbrestore.contract.allowed.worker_settings import VpcId, WorkerSettings
from dbrestore.contract.document import Document
from dbrestore.contract.plan import Launch, PlannedNetwork
from dbrestore.contract.request import AccountId, InstanceName, Region, WorkerRequest


class PlaceSettings(WorkerSettings):
    """What holds in one place: a Region, an account, both, or one VPC there."""

    account: AccountId | None = None
    region: Region | None = None
    vpc_id: VpcId | None = None

    def __str__(self) -> str:
        return place_name({"account": self.account, "region": self.region, "vpcId": self.vpc_id})


class WorkerConfigurations(Document):
    """The file `configuration/workers.json`. Editors read `$schema`, people `Comment`; both are ignored."""

    schema_: str | None = Field(default=None, alias="$schema", exclude=True)
    comment: Any = Field(default=None, alias="Comment", exclude=True)
    defaults: WorkerSettings = WorkerSettings()
    places: tuple[PlaceSettings, ...] = ()


class WorkerConfigurationQuestion(Document):
    """For which instance a worker is wanted, and what the request would set for it; without an instance only the file is wanted. Account
    and Region are by default those of the control account."""

    db_instance: InstanceName | None = None
    account: AccountId | None = None
    region: Region | None = None
    worker: WorkerRequest = WorkerRequest()


class ConfiguredValue(Document):
    """One value of a worker; each tag is one (`tags/<key>`). `value` None: nothing sets it, and the plan decides. `origin` says who sets
    it, `place` where: in the request, or in the file after `workers.json#`."""

    key: str
    value: JsonValue
    origin: str
    place: str


class WorkerFinding(Document):
    """What a restore would be refused for: the error's name, the place of the value, and a sentence with the fix."""

    error: str
    place: str
    sentence: str


class CheckedWorker(Document):
    """The worker for one instance. Without a place for it `launches` are empty and `network` is None; the findings say why. The types in
    `launches` are for a small database: without any set, they follow from the work."""

    db_instance: str
    account: str
    region: str
    vpc_id: str
    values: tuple[ConfiguredValue, ...]
    security_group_ids: tuple[str, ...]
    launches: tuple[Launch, ...]
    network: PlannedNetwork | None
    findings: tuple[WorkerFinding, ...]


class WorkerConfigurationAnswer(Document):
    """The deployed file, and the worker if an instance was named."""

    configurations: WorkerConfigurations
    checked: CheckedWorker | None = None


def place_name(place: dict[str, Any]) -> str:
    """`vpc-1 in eu-central-1, account 123456789012`, as far as the place names them."""
    where = " in ".join(str(place[key]) for key in ("vpcId", "region") if place.get(key))
    account = f"account {place['account']}" if place.get("account") else ""
    return ", ".join(filter(None, (where, account)))
