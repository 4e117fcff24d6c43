"""Evidence of a drill that could not begin, because it was skipped or refused: it proves nothing, and the gap has a page all the same."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from dbrestore.contract.drills import MOST_DATABASES, Drill, DrillOrder, DrillVerdict, RandomPoint, Rotation, Sample
from dbrestore.contract.errors import DrillSkipped
from dbrestore.contract.evidence import Asked, Declared, Evidence, Question, RecoveryEvidence, Versions
from dbrestore.contract.job import ErrorNote
from dbrestore.evidence import methods, verdict
from dbrestore.evidence.words import listed, plural

_UNTOUCHED: Final = "Its instances were not touched: nothing was restored, nothing was made, and nothing had to be removed."


@dataclass(frozen=True)
class Refused:
    """A drill that ended before it had a plan."""

    restore_id: str
    execution_arn: str
    drill: Drill
    order: DrillOrder
    error: ErrorNote
    started_at: datetime
    ended_at: datetime

    @property
    def requested_by(self) -> str | None:
        """A person, or the schedule."""
        return self.order.requested_by or self.order.schedule_arn

    @property
    def reason(self) -> str:
        """As a drill that runs has it."""
        return f"the drill {self.drill.name}"

    @property
    def verdict(self) -> DrillVerdict:
        """SKIPPED is not a pass either."""
        skipped = self.error.name == DrillSkipped.__name__
        return DrillVerdict(name=self.drill.name, verdict="SKIPPED" if skipped else "FAILED", why=self.error.in_short)


def gathered(refused: Refused, tool: str, code: str) -> Evidence:
    """The whole document; `code` is the fingerprint of the control plane's code."""
    return Evidence(
        restore_id=refused.restore_id,
        execution_arn=refused.execution_arn,
        mode="drill",
        status="FAILED",
        verdict=verdict.of_refused(refused.error),
        asked=Asked(requested_by=refused.requested_by, scheduled_time=refused.order.scheduled_time, reason=refused.reason),
        written_at=refused.ended_at,
        started_at=refused.started_at,
        ended_at=refused.ended_at,
        error=refused.error,
        drill=refused.verdict,
        declared=_declared(refused.drill),
        damage=refused.order.with_damage,
        recovery=RecoveryEvidence(total_seconds=(refused.ended_at - refused.started_at).total_seconds()),
        methods=methods.used(()),
        versions=Versions(tool=tool, code=code),
        notices=(_UNTOUCHED,),
    )


def _declared(drill: Drill) -> Declared:
    target = (drill.target.db_instance, f"account {drill.target.account}" if drill.target.account else "", drill.target.region or "")
    return Declared(
        name=drill.name,
        schedule=f"{drill.schedule.expression}, on the clock of {drill.schedule.time_zone}",
        source=drill.source.db_instance,
        restore_point=_point(drill),
        databases=_databases(drill),
        target=", ".join(part for part in target if part),
        recovery_minutes=drill.objectives.recovery_minutes,
        point_hours=drill.objectives.point_hours,
        questions=tuple(Question(name=one.name, database=one.database, sql=one.sql, expected=one.told) for one in drill.checks),
    )


def _point(drill: Drill) -> str:
    wanted = drill.source.restore_point
    if not isinstance(wanted, RandomPoint):
        return "the latest restore point"
    return f"one of the restore points of the last {plural(wanted.random.within_days, 'day')}, drawn at random"


def _databases(drill: Drill) -> str:
    wanted = drill.databases
    if isinstance(wanted, Rotation):
        return f"{wanted.rotate}, in turn"
    if isinstance(wanted, Sample):
        return f"{wanted.random}, drawn at random"
    return listed(wanted, MOST_DATABASES) if isinstance(wanted, tuple) else "all of the restore point"
