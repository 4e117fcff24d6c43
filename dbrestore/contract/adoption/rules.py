"""How a rule of adoption is declared in `configuration/adoption.json`."""

from datetime import timedelta
from typing import Annotated, Any, Final

from pydantic import Field, StringConstraints

from dbrestore.contract.adoption.patterns import Pattern
from dbrestore.contract.document import Document
from dbrestore.contract.manifest import Engine
from dbrestore.contract.request import InstanceName, TargetRequest

# Each is a rule of EventBridge, and a few statements of one function's role, whose policies have 10,240 characters.
MOST_RULES: Final = 20
RULE_NAME: Final = r"^[a-z0-9]([a-z0-9-]{0,46}[a-z0-9])?$"
# Amazon S3 User Guide, "General purpose bucket naming rules".
BUCKET: Final = r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"
KEY_ARN: Final = r"^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$"

RuleName = Annotated[str, StringConstraints(pattern=RULE_NAME)]


class AdoptionRule(Document):
    """What arrives in `bucket` under a key that fits `pattern` becomes a restore point of `instance`.

    `settle_minutes`: so long nothing of a point must have arrived before it is made. `within_days`: what is older when it is first seen
    is passed over. `look_hours`: how often the bucket is listed without an event. `chain_hours`, of native backups: how often a full backup
    is copied again with the differential and log backups that came since. `near`: beside which instance the worker stands that reads dumps
    (default: the instance itself). `kms_key`: the ARN of the key that the objects are encrypted with, if it is a key of KMS. `in_place`:
    nothing is copied, the points refer to the versions that lie there.
    """

    comment: Any = Field(default=None, alias="Comment", exclude=True)
    name: RuleName
    bucket: Annotated[str, StringConstraints(pattern=BUCKET)]
    pattern: str = Field(min_length=1)
    instance: InstanceName
    engine: Engine
    settle_minutes: int = Field(default=15, ge=1, le=1440)
    within_days: int = Field(default=7, ge=1, le=365)
    look_hours: int = Field(default=24, ge=1, le=168)
    chain_hours: int = Field(default=24, ge=1, le=720)
    near: TargetRequest | None = None
    kms_key: Annotated[str, StringConstraints(pattern=KEY_ARN)] | None = None
    requester_pays: bool = False
    in_place: bool = False

    @property
    def uri(self) -> str:
        """`s3://bucket/` and the fixed beginning of the keys that it means."""
        return f"s3://{self.bucket}/{self.keys.prefix}"

    @property
    def keys(self) -> Pattern:
        """Which keys it means; the file was refused if the text is none."""
        return Pattern(self.pattern)

    @property
    def settle(self) -> timedelta:
        return timedelta(minutes=self.settle_minutes)

    @property
    def window(self) -> timedelta:
        return timedelta(days=self.within_days)

    @property
    def beside(self) -> TargetRequest:
        """Where the worker stands that reads its dumps."""
        return self.near or TargetRequest(db_instance=self.instance)


class AdoptionConfiguration(Document):
    """The file `configuration/adoption.json`. Editors read `$schema`, people `Comment`; both are ignored."""

    schema_: str | None = Field(default=None, alias="$schema", exclude=True)
    comment: Any = Field(default=None, alias="Comment", exclude=True)
    rules: tuple[AdoptionRule, ...] = Field(default=(), max_length=MOST_RULES)
