"""Drills: restores that prove, on a schedule or when asked for, that a backup comes back, and leave nothing but evidence.

`Drill` is how one is declared in `configuration/drills.json`. `DrillStart` is the input of the state machine that runs it: `PlanRestore`
chooses restore point and databases, and makes of it a restore of mode `drill`. `PlannedDrill` is what stands of it in the plan, and
`DrillVerdict` what the report says in the end.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from difflib import get_close_matches
from typing import Annotated, Any, Final, Literal

from pydantic import AwareDatetime, BeforeValidator, Field, StringConstraints, ValidationError

from dbrestore.contract.checks.asked import MOST_CHECKS, AskedCheck
from dbrestore.contract.document import Document
from dbrestore.contract.errors import DrillNotFound
from dbrestore.contract.request import ArchiveRequest, InstanceName, TargetRequest

# A stack holds 500 resources (CloudFormation quotas), and each drill is one.
MOST_DRILLS: Final = 200
# Of a schedule's name 64 characters are EventBridge Scheduler's limit.
DRILL_NAME: Final = r"^[a-z0-9]([a-z0-9-]{0,46}[a-z0-9])?$"
LONGEST_KEEPING_HOURS: Final = 30 * 24
# As in a request.
MOST_DATABASES: Final = 40

_POINT_RULE: Final = 'must be "latest" or {"random": {"withinDays": 30}}, with 1 to 3650 days'
_DATABASES_RULE: Final = 'must be a list of names, "all", {"rotate": 3} or {"random": 3}, with 1 to 40 databases'

DrillName = Annotated[str, StringConstraints(pattern=DRILL_NAME)]
DatabaseName = Annotated[str, StringConstraints(min_length=1)]


def schedule_group(installation: str) -> str:
    """The group that holds the schedules of an installation's drills; `installation` is its prefix."""
    return f"{installation}-drills"


class DrillSchedule(Document):
    """When. `expression` is `cron(0 2 ? * SUN *)`, `rate(7 days)` or `at(2027-01-31T02:00:00)`, on the clock of `time_zone`, a name of the
    tz database. The start lies up to `flexible_minutes` after that, so that drills of one hour don't all begin at once; 0: exactly then."""

    expression: str = Field(min_length=1, max_length=256)
    time_zone: str = Field(min_length=1, max_length=50)
    flexible_minutes: int = Field(default=30, ge=0, le=1440)


class PointsWithin(Document):
    """The restore points that are not older than so many days."""

    within_days: int = Field(ge=1, le=3650)


class RandomPoint(Document):
    """One of them, each as likely as the others."""

    random: PointsWithin


def _point(value: Any) -> Any:
    """One sentence instead of one problem per form that it doesn't have."""
    if value == "latest" or isinstance(value, RandomPoint):
        return value
    try:
        return RandomPoint.model_validate(value, strict=True)
    except ValidationError as error:
        raise ValueError(_POINT_RULE) from error


class DrillSource(Document):
    """Whose backups are proven, and which restore point: the latest, or one drawn at random."""

    db_instance: InstanceName
    restore_point: Annotated[Literal["latest"] | RandomPoint, BeforeValidator(_point)] = "latest"


class Rotation(Document):
    """So many databases of the point, those whose last drill by this declaration is the longest ago, never ones first."""

    rotate: int = Field(ge=1, le=MOST_DATABASES)


class Sample(Document):
    """So many databases of the point, drawn at random."""

    random: int = Field(ge=1, le=MOST_DATABASES)


def _databases(value: Any) -> Any:
    if value == "all" or isinstance(value, Rotation | Sample):
        return value
    if isinstance(value, list | tuple) and all(isinstance(name, str) and name for name in value):
        return tuple(value)
    for form in (Rotation, Sample):
        with suppress(ValidationError):
            return form.model_validate(value, strict=True)
    raise ValueError(_DATABASES_RULE)


DrillDatabases = Annotated[tuple[DatabaseName, ...] | Literal["all"] | Rotation | Sample, BeforeValidator(_databases)]


class Objectives(Document):
    """What a drill must keep to. `recovery_minutes`: from the start of the drill to the verified databases, waiting for the archive
    included. `point_hours`: the age of the restore point at the drill's start. Without one nothing is measured against."""

    recovery_minutes: float | None = Field(default=None, gt=0)
    point_hours: float | None = Field(default=None, gt=0)


class DrillSqlServer(Document):
    """`check_database`: DBCC CHECKDB in the restored copy; without it the installation's SQL Server configuration decides."""

    check_database: bool | None = None


class Drill(Document):
    """One declared drill. `keep_hours`: how long the copies stay after a drill that passed; 0 drops them at once. `pause_seconds`: how long
    the drill waits between two databases, so that the target's other users notice less of it."""

    comment: Any = Field(default=None, alias="Comment", exclude=True)
    name: DrillName
    schedule: DrillSchedule
    source: DrillSource
    databases: DrillDatabases = "all"
    target: TargetRequest
    objectives: Objectives = Objectives()
    checks: tuple[AskedCheck, ...] = Field(default=(), max_length=MOST_CHECKS)
    keep_hours: float = Field(default=0, ge=0, le=LONGEST_KEEPING_HOURS)
    archive: ArchiveRequest = ArchiveRequest()
    sqlserver: DrillSqlServer = DrillSqlServer()
    pause_seconds: int = Field(default=0, ge=0, le=3600)


class DrillConfiguration(Document):
    """The file `configuration/drills.json`. Editors read `$schema`, people `Comment`; both are ignored."""

    schema_: str | None = Field(default=None, alias="$schema", exclude=True)
    comment: Any = Field(default=None, alias="Comment", exclude=True)
    drills: tuple[Drill, ...] = Field(default=(), max_length=MOST_DRILLS)


def named(drills: Sequence[Drill], name: str) -> Drill:
    """The declared drill of that name. Raises DrillNotFound, with the names that are like it."""
    found = next((drill for drill in drills if drill.name == name), None)
    if found is not None:
        return found
    if not drills:
        raise DrillNotFound(f"There is no drill {name!r}, and no other: configuration/drills.json declares them. Deploy after a change.")
    near = get_close_matches(name, [drill.name for drill in drills])
    hint = f"Did you mean {' or '.join(near)}?" if near else f"There are {', '.join(drill.name for drill in drills[:10])}."
    raise DrillNotFound(f"No drill {name!r} is declared. {hint} `dbrestore drill list` shows all of them.")


class DrillListQuestion(Document):
    """Which drills are declared? There is nothing to choose."""


class DrillListAnswer(Document):
    """The drills as they were deployed, in the order of the file."""

    drills: tuple[Drill, ...] = ()


class DrillOrder(Document):
    """What a schedule or a person asks for. A schedule gives `schedule_arn` and `scheduled_time`, which together are one drill however
    often they are delivered; a person gives `requested_by`. `with_damage`: the backups are read as if one bit of each file had changed, and
    the drill must end red: the proof that it can."""

    name: str = Field(min_length=1)
    schedule_arn: str | None = None
    scheduled_time: AwareDatetime | None = None
    requested_by: str | None = Field(default=None, min_length=1, max_length=1000)
    with_damage: bool = False


class DrillStart(Document):
    """The input of the state machine that starts a drill: `{"drill": {"name": "orders-weekly"}}`."""

    comment: Any = Field(default=None, alias="Comment", exclude=True)
    drill: DrillOrder


class PlannedDrill(Document):
    """What stands of a drill in the plan. `point_made_at` is the time of the restore point; `not_chosen` names databases of the point that
    this drill leaves for another time."""

    name: str
    schedule_arn: str | None = None
    scheduled_time: datetime | None = None
    objectives: Objectives = Objectives()
    keep_hours: float = 0
    with_damage: bool = False
    pause_seconds: int = 0
    point_made_at: datetime
    not_chosen: tuple[str, ...] = ()


class RepeatedDelivery(Document):
    """What PlanRestore answers to a start that was delivered before: nothing is done, because `same_as` is the execution that does it."""

    drill: str
    same_as: str


class MeasuredObjective(Document):
    """One objective: what was asked, what was measured (None if the drill did not come so far), both in the unit of its name."""

    name: Literal["recoveryMinutes", "pointHours"]
    asked: float
    measured: float | None
    met: bool


class DrillVerdict(Document):
    """How a drill ended. `why` is the first reason of a drill that did not pass. `recovery_seconds`: from its start to the verified
    databases; `point_age_seconds`: the age of the restore point at its start. `copies` is AWS Backup's word for what became of what was
    restored, and `copies_until` when they will go."""

    name: str
    verdict: Literal["PASSED", "FAILED", "SKIPPED"]
    why: str = ""
    recovery_seconds: float | None = None
    point_age_seconds: float | None = None
    objectives: tuple[MeasuredObjective, ...] = ()
    copies: Literal["SUCCESSFUL", "FAILED", "DELETING", "NONE"] = "NONE"
    copies_until: AwareDatetime | None = None
