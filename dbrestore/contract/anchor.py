"""The anchor: what removers and locks need to know of a restore, and no more, so that clean-up outlives a change of version.

It is written into META beside the plan when the restore is opened, from the plan alone. A restore may run for days, and its functions may
be deployed anew or rolled back meanwhile: the plan, which is read strictly, is then perhaps unreadable, and removers go by the anchor
alone, which is read tolerantly (dbrestore.ledger.anchor_reading). So a key may be added here, always with a default; none may change
its meaning.
"""

from typing import Final

from pydantic import AwareDatetime, ConfigDict, Field
from pydantic.alias_generators import to_camel

from dbrestore.contract.allowed.database_names import folded
from dbrestore.contract.allowed.worker_settings import ProxyUrl
from dbrestore.contract.document import Document
from dbrestore.contract.errors import LedgerRowUnreadable
from dbrestore.contract.manifest import Engine
from dbrestore.contract.plan import Plan, PlannedSource, PlannedTarget
from dbrestore.contract.request import AccountId, Region

VERSION: Final = "1"


class Anchored(Document):
    """Written by any version: unknown keys are ignored."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True)


class AnchoredTarget(Anchored):
    """The instance or cluster, as in the plan. Without account and Region nothing can be removed at all. Whether it is a cluster, its ARN
    says: no anchor of a version that knew none has another than an instance's."""

    account: AccountId
    region: Region
    db_instance: str = ""
    resource_id: str = ""
    arn: str = ""
    engine: str = ""
    engine_version: str = ""
    host: str = ""
    port: int = 0
    vpc_id: str = ""
    availability_zone: str = ""
    secret_arn: str = ""
    iam_user: str = ""
    kms_key_id: str | None = None
    credentials_by: str = ""
    db_cluster: str = ""
    writer: str = ""


class AnchoredSource(Anchored):
    """The restore point, for the report."""

    db_instance: str = ""
    restore_point: str = ""
    manifest: str = ""
    manifest_sha256: str | None = None


class AnchoredDatabase(Anchored):
    """One database with the names that are made for it, in the plan's order: its number is part of SQL Server's keys."""

    name: str = ""
    asked_name: str = ""
    temporary_name: str = ""
    login_role: str = ""
    holder_role: str = ""


class AnchoredLaunch(Anchored):
    """One try to launch a worker."""

    instance_type: str = ""
    subnet_id: str = ""


class AnchoredWorker(Anchored):
    """What it takes to launch another worker, which drops unfinished databases if the first one died."""

    launches: tuple[AnchoredLaunch, ...] = ()
    security_group_ids: tuple[str, ...] = ()
    instance_profile_arn: str = ""
    document_name: str = ""
    program_uri: str = ""
    image_id: str | None = None
    root_device: str = "/dev/xvda"
    volume_gib: int = 20
    kms_key_id: str | None = None
    tags: dict[str, str] = Field(default={})
    proxy: ProxyUrl | None = None
    no_proxy: tuple[str, ...] = ()
    max_run_minutes: int = 0

    @property
    def first(self) -> AnchoredLaunch:
        """The choice; the others come when EC2 has no capacity for it."""
        return self.launches[0]


class AnchoredDrill(Anchored):
    """Its copies are dropped, also when everything went well; after one that passed, `keep_hours` later."""

    name: str = ""
    keep_hours: float = 0


class AnchoredExchange(Anchored):
    """Two databases of which one takes the other's name."""

    name: str = ""
    restored_as: str = ""
    kept_as: str = ""
    restored_id: str = ""
    old_id: str = ""


class AnchoredSwap(Anchored):
    """What is exchanged, in case nobody saw how that ended."""

    action: str = ""
    of: str = ""
    exchanges: tuple[AnchoredExchange, ...] = ()
    keep_days: int = 0


class Anchor(Anchored):
    """`locks` are the keys of the databases' locks, as they were taken. What is empty is unknown: `require` names it where it is needed."""

    schema_version: str = VERSION
    restore_id: str
    execution_arn: str
    planned_at: AwareDatetime
    engine: Engine | None = None
    target: AnchoredTarget
    source: AnchoredSource = AnchoredSource()
    databases: tuple[AnchoredDatabase, ...] = ()
    worker: AnchoredWorker = AnchoredWorker()
    locks: tuple[str, ...] = ()
    drill: AnchoredDrill | None = None
    swap: AnchoredSwap | None = None

    @property
    def planned_target(self) -> PlannedTarget:
        """The target as reports tell it; what is unknown is empty."""
        return PlannedTarget.model_validate(self.target.to_state())

    @property
    def planned_source(self) -> PlannedSource:
        """The restore point as reports tell it."""
        return PlannedSource.model_validate(self.source.to_state())

    def require(self, *places: str) -> None:
        """Raises LedgerRowUnreadable unless all these places, such as `target.arn`, are known."""
        unknown = [place for place in places if not _at(self, place)]
        if unknown:
            raise unreadable(self.restore_id, [f"/anchor/{place.replace('.', '/')} is missing" for place in unknown])


# What both tell in the same words: those who make things go by the plan, those who remove them by the anchor.
Whereabouts = Plan | Anchor


def of(plan: Plan) -> Anchor:
    """The plan's anchor."""
    return Anchor.model_validate({**plan.to_state(), "schemaVersion": VERSION, "locks": lock_names(plan)})


def lock_names(where: Whereabouts) -> list[str]:
    """The keys of the locks of all databases, in their order, and of names that they take from others; of a point that is made, its own."""
    if isinstance(where, Plan) and where.addition:
        return [f"POINT#{where.addition.instance}#{where.addition.point_id}"]
    engine = where.engine or "postgres"
    asked = [database.asked_name for database in where.databases]
    exchanged = [name for one in (where.swap.exchanges if where.swap else ()) for name in (one.name, one.restored_as)]
    return [f"DATABASE#{where.target.arn}#{name}" for name in dict.fromkeys(folded(name, engine) for name in (*asked, *exchanged))]


def unreadable(restore_id: str, flaws: list[str]) -> LedgerRowUnreadable:
    """The error that names what is wrong with the restore's own row."""
    return LedgerRowUnreadable(
        f"The ledger's row META of {restore_id} can't be read: {'; '.join(flaws)}. It was changed by hand, or is of a version that this "
        f"one doesn't know. Correct in the table what is named here, and clean-up continues automatically; what is left carries the tag "
        f"dbrestore:restore-id={restore_id}"
    )


def _at(anchor: Anchor, place: str) -> object:
    found: object = anchor
    for name in place.split("."):
        found = getattr(found, name)
    return found
