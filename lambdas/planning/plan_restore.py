"""Step 0: the request is validated, everything is looked up, all names are fixed, and what can't work is refused, all problems in one
answer.

Nothing is created before the last act, which opens the ledger: a request that is refused here leaves nothing to clean up. With mode
`plan` not even that happens. What the two engines ask for stands in lambdas.planning.postgresql and lambdas.planning.sqlserver."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from dbrestore.contract import anchor, keys, names
from dbrestore.contract.checks.asked import AskedCheck
from dbrestore.contract.drills import PlannedDrill, RepeatedDelivery
from dbrestore.contract.errors import (
    EngineMismatch,
    InternalContradiction,
    NotReady,
    RestoreCancelled,
    RestoreError,
    TargetNotUsable,
)
from dbrestore.contract.job import ErrorNote
from dbrestore.contract.manifest import Engine, Manifest
from dbrestore.contract.plan import Plan, PlannedSource
from dbrestore.contract.request import RestoreRequest
from dbrestore.contract.request_problems import Problems, read
from dbrestore.ledger import restore_list
from dbrestore.ledger.stored_plan import WHERE_TO_REPORT
from dbrestore.points import stored_points
from dbrestore.points.manifest_reading import Stored
from lambdas.archive import plan as archive_plan
from lambdas.estimate import estimate
from lambdas.lookup import clusters
from lambdas.lookup import source as source_lookup
from lambdas.lookup import target as target_lookup
from lambdas.lookup.target import POINTER
from lambdas.planning import additions, drill_refusals, drills, exchanges, refusals, replacement, targets
from lambdas.planning import credentials as credential_plan
from lambdas.planning import worker as worker_plan
from lambdas.planning.findings import EnginePart, Findings, Place
from lambdas.planning.postgresql import part as postgresql
from lambdas.planning.sqlserver import part as sqlserver
from lambdas.planning.target_account import assume
from lambdas.planning.worker import Site, WorkerPart
from lambdas.runtime import events, open_restores, phases, telemetry
from lambdas.runtime.executions import described, is_running
from lambdas.runtime.inputs import PlanInput
from lambdas.runtime.ledger import Ledger
from lambdas.runtime.state import Surroundings, handler

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import DBInstanceTypeDef

STATE = "PlanRestore"
Answer = TypeVar("Answer")
ENGINES: Final[dict[Engine, Callable[[Findings, Problems], EnginePart]]] = {
    "postgres": postgresql.part,
    "sqlserver": sqlserver.part,
}


@handler(STATE, PlanInput)
def plan_restore(section: PlanInput, surroundings: Surroundings) -> Plan | RepeatedDelivery:
    """The plan. Raises every error that can be told before anything is made."""
    began = surroundings.clock()
    telemetry.concerns(names.restore_id(section.execution_arn), section.execution_arn)
    if additions.is_ordered(section.request):
        return _opened(_counted(lambda: additions.look_up(section, surroundings)), section, surroundings, began)
    if drills.is_ordered(section.request):
        return _drill(section, surroundings, began)
    find = exchanges.look_up if exchanges.is_ordered(section.request) else look_up
    with refusals.told(section, surroundings, began):
        return _opened(_counted(lambda: find(section, surroundings)), section, surroundings, began)


def _drill(section: PlanInput, surroundings: Surroundings, began: datetime) -> Plan | RepeatedDelivery:
    drill = _counted(lambda: drills.ordered(section, surroundings))
    if twice := drills.repeated(drill, section.execution_arn):
        return twice
    with drill_refusals.told(drill, section, surroundings, began):
        drill.rows.begin(names.restore_id(section.execution_arn), section.execution_arn, partial(is_running, surroundings))
        chosen = drills.chosen(drill, section, surroundings)
        narrowed = section.model_copy(update={"request": chosen.request.to_state()})
        plan = _opened(look_up(narrowed, surroundings, chosen.drill), section, surroundings, began)
        drill.rows.note_begun(tuple(database.name for database in plan.databases), began)
    return plan


def _opened(plan: Plan, section: PlanInput, surroundings: Surroundings, began: datetime) -> Plan:
    """With its estimate, and, unless it is only to be shown, written into the ledger."""
    if plan.addition is None:
        plan = plan.model_copy(update={"estimate": estimate.of(plan)})
    if plan.mode == "plan":
        return plan
    ledger = surroundings.ledger(plan.restore_id)
    plan = ledger.open(plan, section.started_at or began)
    _close_if_stopped(surroundings, ledger, plan)
    is_known = phases.is_noted(ledger, STATE)
    phases.passed(ledger, STATE, began)
    if not is_known:
        started = partial(events.under_way, plan, section.started_at or began, STATE, plan)
        events.mention(surroundings.control, events.STARTED, started)
    return plan


def _counted(work: Callable[[], Answer]) -> Answer:
    try:
        return work()
    except NotReady:
        raise
    except RestoreError as error:
        telemetry.count("Refusals", error=type(error).__name__)
        raise


def _close_if_stopped(surroundings: Surroundings, ledger: Ledger, plan: Plan) -> None:
    """A stop before the ledger was open woke a sweeper that found nothing, and the next one comes with the clock: until then the databases
    would stay locked for a restore that will never be. A stop after this look wakes a sweeper that finds the row.

    Raises RestoreCancelled."""
    execution = described(surroundings, plan.execution_arn)
    ended = execution["status"] if execution and execution["status"] != "RUNNING" else None
    if ended or open_restores.was_cancelled_early(ledger):
        why = f"The execution ended ({ended})" if ended else "The restore was asked to stop"
        stopped = RestoreCancelled(f"{why} while it was being planned")
        note = ErrorNote.of(stopped)
        restore_list.ended(ledger.table, plan.restore_id, ledger.meta().started_at, surroundings.clock(), note)
        ledger.close(anchor.of(plan))
        raise stopped


def look_up(section: PlanInput, surroundings: Surroundings, drill: PlannedDrill | None = None) -> Plan:
    """The plan without its estimate; nothing is written. Raises every error that can be told before anything is made."""
    problems = Problems()
    request = read(section.request, problems, of_drill=drill is not None)
    if request is None:
        problems.raise_if_any()
        raise InternalContradiction(f"The request was refused without a reason. Nothing was made. {WHERE_TO_REPORT}")
    place = Place.of(request, section.execution_arn)
    found = replace(_find(section, surroundings, request, place, problems), drill=drill)
    instance = found.instance
    engine, part = _engine_part(found, problems)
    _require_certificates(surroundings, problems)
    worker = _worker(found, place, section, part, problems)
    credentials = credential_plan.part(found, place, engine, problems)
    archive = archive_plan.part(part.files, request.archive.tier, part.reading_hours, problems, surroundings.bounds.archive_batch)
    problems.raise_if_any()
    if not (instance and found.manifest and worker and worker.planned and engine and credentials):
        raise InternalContradiction(f"A look-up gave no answer and no reason. Nothing was made. {WHERE_TO_REPORT}")
    plan = Plan(
        restore_id=found.restore_id,
        execution_arn=section.execution_arn,
        mode=request.mode,
        planned_at=surroundings.clock(),
        engine=engine,
        archived=archive.objects > 0,
        archive=archive,
        target=targets.planned(place, instance, credentials),
        source=_source(surroundings, found.manifest, found.manifest_sha256),
        databases=part.databases,
        worker=worker.planned,
        network=worker.network,
        native=part.native,
        postgres=part.postgres,
        checks=_checks(request),
        drill=drill,
        awaits_approval=request.approval is not None,
        notes=(*part.notes, *credentials.notes, *_namesakes(found)),
        **request.model_dump(include={"ticket", "reason", "requested_by", "permitted_by", "approval"}),
    )
    return replacement.planned(plan, request.swap, surroundings.settings) if request.on_conflict == "replace" else plan


def _require_certificates(surroundings: Surroundings, problems: Problems) -> None:
    evidence = surroundings.settings.evidence_bucket
    problems.collect("/", lambda: source_lookup.require_ca_bundle(surroundings.control.s3, evidence))


def _checks(request: RestoreRequest) -> tuple[AskedCheck, ...]:
    only = request.databases[0].name
    return tuple(check.model_copy(update={"database": check.database or only}) for check in request.checks)


def _find(section: PlanInput, surroundings: Surroundings, request: RestoreRequest, place: Place, problems: Problems) -> Findings:
    target = problems.collect("/target", lambda: assume(surroundings, place, section.execution_arn))
    name = request.target.db_instance
    instance = problems.collect(POINTER, lambda: target_lookup.find_instance(target, name)) if target else None
    stored = _stored(surroundings, request, _source_name(request, instance), problems)
    return Findings(
        request=request,
        restore_id=names.restore_id(section.execution_arn),
        waited=surroundings.clock() - (section.started_at or surroundings.clock()),
        surroundings=surroundings,
        target=target,
        instance=instance,
        manifest=stored.manifest if stored else None,
        manifest_sha256=stored.sha256 if stored else None,
        at_home=place == Place.home(section.execution_arn),
    )


def _source_name(request: RestoreRequest, instance: "DBInstanceTypeDef | None") -> str:
    """Under which name the restore point was added: by default the target's, and a cluster's own when the request names a member."""
    asked = request.target.db_instance
    is_member = instance is not None and clusters.is_cluster(instance["DBInstanceArn"])
    return request.source.db_instance or (instance["DBInstanceIdentifier"] if instance and is_member else asked)


def _stored(surroundings: Surroundings, request: RestoreRequest, instance: str, problems: Problems) -> Stored | None:
    s3, bucket = surroundings.control.s3, surroundings.settings.repository_bucket
    pointer = "/source/dbInstance" if request.source.restore_point == stored_points.LATEST else "/source/restorePoint"
    return problems.collect(pointer, lambda: stored_points.find(s3, bucket, instance, request.source.restore_point))


def _engine_part(found: Findings, problems: Problems) -> tuple[Engine | None, EnginePart]:
    """The engine, by the instance or else by the restore point, and what its part of the plan is."""
    instance, manifest = found.instance, found.manifest
    family = _check_instance(found, instance, problems) if instance else None
    if instance and family and manifest and manifest.engine != family:
        told = f"{instance['DBInstanceIdentifier']} is a {family} instance"
        sentence = f"{told}, but the restore point {manifest.point_id} is of {manifest.engine}"
        problems.add(EngineMismatch, POINTER, f"{sentence}: choose another target or source")
        # What one engine asks of the instance and the other of the files would only distract.
        found = replace(found, instance=None, manifest=None)
    engine = family or (manifest.engine if manifest else None)
    if engine is None:
        return None, EnginePart()
    return engine, ENGINES[engine](found if family else replace(found, instance=None), problems)


def _check_instance(found: Findings, instance: "DBInstanceTypeDef", problems: Problems) -> Engine | None:
    family = problems.collect(POINTER, lambda: target_lookup.engine_of(instance))
    if family is None:
        # What else is wrong with an instance of another kind, nobody has to put right.
        return None
    for sentence in target_lookup.instance_problems(instance):
        problems.add(TargetNotUsable, POINTER, f"{instance['DBInstanceIdentifier']} {sentence}")
    problems.collect(POINTER, lambda: target_lookup.require_available(instance, found.waited))
    problems.collect(POINTER, lambda: target_lookup.require_supported(instance, family))
    return family


def _namesakes(found: Findings) -> list[str]:
    return target_lookup.namesakes(found.target, found.instance) if found.target and found.instance else []


def _worker(found: Findings, place: Place, section: PlanInput, part: EnginePart, problems: Problems) -> WorkerPart | None:
    if found.target is None or found.instance is None:
        return None
    # The repository lies where the state machine runs.
    site = Site(place.partition, place.account, place.region, section.execution_arn.split(":")[3])
    size = sum(database.bytes for database in part.databases)
    asked, settings = found.request.worker, found.surroundings.settings
    return worker_plan.part(found.target, found.instance, site, size, asked, settings, problems, part.read_by_worker)


def _source(surroundings: Surroundings, manifest: Manifest, sha256: str | None) -> PlannedSource:
    key = keys.manifest_key(manifest.instance, manifest.point_id)
    uri = f"s3://{surroundings.settings.repository_bucket}/{key}"
    return PlannedSource(db_instance=manifest.instance, restore_point=manifest.point_id, manifest=uri, manifest_sha256=sha256)
