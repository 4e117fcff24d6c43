"""A drill becomes a restore: its declaration and the order to run it, turned into a request of mode `drill`.

Which restore point and which databases is decided here, once: what is drawn at random follows from the execution, so that a call that is
repeated draws the same. The copies have names that no request may ask for, made from the restore's id.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from pydantic import ValidationError

from dbrestore.contract import names
from dbrestore.contract.drills import (
    MOST_DATABASES,
    Drill,
    DrillOrder,
    DrillStart,
    PlannedDrill,
    RandomPoint,
    RepeatedDelivery,
    Rotation,
    Sample,
    named,
)
from dbrestore.contract.errors import RestorePointNotFound, RestoreRequestInvalid
from dbrestore.contract.manifest import Manifest
from dbrestore.contract.request import DatabaseRequest, RestoreRequest, SourceRequest, SqlServerRequest
from dbrestore.ledger import stored_plan
from dbrestore.points import stored_points
from lambdas.configuration import drills as drill_configuration
from lambdas.runtime.drill_rows import DrillRows
from lambdas.runtime.inputs import PlanInput
from lambdas.runtime.state import Surroundings

# A plan travels through every state.
_NAMED: Final = 50


@dataclass(frozen=True)
class Ordered:
    """A drill that is to run: what was declared, and what was ordered."""

    drill: Drill
    order: DrillOrder
    rows: DrillRows


@dataclass(frozen=True)
class Chosen:
    """The restore that a drill becomes, and what stands of the drill in its plan."""

    request: RestoreRequest
    drill: PlannedDrill


def is_ordered(request: Mapping[str, Any]) -> bool:
    """Whether the input of the state machine orders a drill."""
    return "drill" in request


def ordered(section: PlanInput, surroundings: Surroundings) -> Ordered:
    """The drill that the input orders. Raises RestoreRequestInvalid, DrillNotFound."""
    try:
        order = DrillStart.model_validate(section.request).drill
    except ValidationError as error:
        raise RestoreRequestInvalid("\n".join(stored_plan.problems(error))) from error
    drill = named(drill_configuration.deployed(surroundings.settings.drill_configuration).drills, order.name)
    return Ordered(drill, order, DrillRows(surroundings.table, drill.name))


def repeated(ordered_drill: Ordered, execution_arn: str) -> RepeatedDelivery | None:
    """Whether another execution is this start of the drill already."""
    arn = ordered_drill.rows.delivered_to(ordered_drill.order, execution_arn)
    return None if arn == execution_arn else RepeatedDelivery(drill=ordered_drill.drill.name, same_as=arn)


def chosen(ordered_drill: Ordered, section: PlanInput, surroundings: Surroundings) -> Chosen:
    """What this run of the drill restores. Raises RestorePointNotFound, RestoreRequestInvalid."""
    drill, order = ordered_drill.drill, ordered_drill.order
    draw = random.Random(section.execution_arn)
    manifest = _point(drill, surroundings, draw)
    there = sorted(backup.name for backup in manifest.backups)
    databases = _databases(drill, there, ordered_drill.rows, draw)
    return Chosen(
        request=_request(drill, order, manifest, databases, names.restore_id(section.execution_arn)),
        drill=PlannedDrill(
            name=drill.name,
            schedule_arn=order.schedule_arn,
            scheduled_time=order.scheduled_time,
            objectives=drill.objectives,
            keep_hours=drill.keep_hours,
            with_damage=order.with_damage,
            pause_seconds=drill.pause_seconds,
            point_made_at=manifest.created_at,
            not_chosen=tuple(name for name in there if name not in databases)[:_NAMED],
        ),
    )


def _point(drill: Drill, surroundings: Surroundings, draw: random.Random) -> Manifest:
    s3, bucket, instance = surroundings.control.s3, surroundings.settings.repository_bucket, drill.source.db_instance
    if not isinstance(drill.source.restore_point, RandomPoint):
        return stored_points.load(s3, bucket, instance)
    days = drill.source.restore_point.random.within_days
    within = "day" if days == 1 else f"{days} days"
    oldest = surroundings.clock() - timedelta(days=days)
    young = [point.point_id for point in stored_points.list_points(s3, bucket, instance) if point.written_at >= oldest]
    if not young:
        raise RestorePointNotFound(f"{instance!r} has no restore point of the last {within} to choose from: is it still backed up?")
    return stored_points.load(s3, bucket, instance, draw.choice(young))


def _databases(drill: Drill, there: list[str], rows: DrillRows, draw: random.Random) -> tuple[str, ...]:
    wanted = drill.databases
    if isinstance(wanted, Rotation):
        last = rows.last_begun()
        return tuple(sorted(there, key=lambda name: (last.get(name, ""), name))[: wanted.rotate])
    if isinstance(wanted, Sample):
        return tuple(sorted(draw.sample(there, min(wanted.random, len(there)))))
    if isinstance(wanted, tuple):
        return wanted
    if len(there) > MOST_DATABASES:
        raise RestoreRequestInvalid(
            f"the restore point has {len(there)} databases, and one drill restores {MOST_DATABASES} at most: declare the drill "
            f'{drill.name} with {{"rotate": {MOST_DATABASES}}} instead of "all"'
        )
    return tuple(there)


def _request(drill: Drill, order: DrillOrder, manifest: Manifest, databases: tuple[str, ...], restore_id: str) -> RestoreRequest:
    numbered = enumerate(databases, start=1)
    return RestoreRequest(
        target=drill.target,
        source=SourceRequest(db_instance=manifest.instance, restore_point=manifest.point_id),
        databases=tuple(DatabaseRequest(name=name, as_=names.temporary_database(restore_id, number)) for number, name in numbered),
        checks=tuple(check for check in drill.checks if check.database is None or check.database in databases),
        mode="drill",
        archive=drill.archive,
        sqlserver=SqlServerRequest(check_database=drill.sqlserver.check_database),
        reason=f"the drill {drill.name}" + (", with damage on purpose" if order.with_damage else ""),
        requested_by=order.requested_by or order.schedule_arn,
    )
