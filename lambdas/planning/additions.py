"""The plan of a restore point that is made of dumps in S3: where the worker stands that reads them. Nothing of a database is planned."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from botocore.exceptions import ClientError
from pydantic import ValidationError

from dbrestore.contract import keys, names
from dbrestore.contract.errors import InternalContradiction, RestorePointNotFound, RestoreRequestInvalid
from dbrestore.contract.plan import Plan, PlannedAddition, PlannedSource
from dbrestore.contract.questions.additions import AdditionOrder, AdditionStart
from dbrestore.contract.refusals import error_code
from dbrestore.contract.request_problems import Problems
from dbrestore.ledger import stored_plan
from dbrestore.points.in_s3 import ordered, unfinished
from dbrestore.points.in_s3.unfinished import Unfinished
from lambdas.lookup import target as target_lookup
from lambdas.planning import targets
from lambdas.planning import worker as worker_plan
from lambdas.planning.findings import Place
from lambdas.planning.target_account import assume
from lambdas.planning.worker import Site, WorkerPart
from lambdas.runtime.inputs import PlanInput
from lambdas.runtime.state import Surroundings

MOST_NAMES = 40
NEAR = "/add/near/dbInstance"


def is_ordered(request: Mapping[str, Any]) -> bool:
    """Whether the input of the state machine orders a restore point."""
    return "add" in request


def look_up(section: PlanInput, surroundings: Surroundings) -> Plan:
    """The plan; nothing is written. Raises every error that can be told before anything is made, all problems in one."""
    order = _order(section.request)
    note = _note(order, surroundings)
    if note.ordered:
        ordered.of(note, surroundings.settings.own_buckets)
    place = _place(order, section.execution_arn)
    size = sum(dump.length for dump in note.dumps)
    problems = Problems()
    target = problems.collect("/add/near", lambda: assume(surroundings, place, section.execution_arn))
    instance = problems.collect(NEAR, lambda: target_lookup.find_instance(target, order.near.db_instance)) if target else None
    worker: WorkerPart | None = None
    if target and instance:
        site = Site(place.partition, place.account, place.region, section.execution_arn.split(":")[3])
        worker = worker_plan.part(target, instance, site, size, order.worker, surroundings.settings, problems, _buckets(note))
    problems.raise_if_any()
    if not (instance and worker and worker.planned):
        raise InternalContradiction(f"A look-up gave no answer and no reason. Nothing was made. {stored_plan.WHERE_TO_REPORT}")
    bucket = surroundings.settings.repository_bucket
    manifest = f"s3://{bucket}/{keys.manifest_key(order.instance, order.point_id)}"
    return Plan(
        restore_id=names.restore_id(section.execution_arn),
        execution_arn=section.execution_arn,
        mode="add",
        planned_at=surroundings.clock(),
        engine="postgres",
        archived=False,
        target=targets.planned(place, instance, credentials=None),
        source=PlannedSource(db_instance=order.instance, restore_point=order.point_id, manifest=manifest),
        databases=(),
        worker=worker.planned,
        network=worker.network,
        addition=_addition(note, bucket, size),
        copies=note.ordered,
        requested_by=order.requested_by,
    )


def _addition(note: Unfinished, bucket: str, size: int) -> PlannedAddition:
    return PlannedAddition(
        instance=note.instance,
        point_id=note.point_ids[0],
        note=f"s3://{bucket}/{note.key}",
        bytes=size,
        databases=tuple(dump.name for dump in note.dumps)[:MOST_NAMES],
    )


def _buckets(note: Unfinished) -> set[str]:
    return {file.reference.bucket for dump in note.dumps for file in dump.files if file.reference}


def _order(request: Mapping[str, Any]) -> AdditionOrder:
    try:
        return AdditionStart.model_validate(request).add
    except ValidationError as error:
        raise RestoreRequestInvalid("\n".join(stored_plan.problems(error))) from error


def _place(order: AdditionOrder, execution_arn: str) -> Place:
    home = Place.home(execution_arn)
    return replace(home, region=order.near.region or home.region, account=order.near.account or home.account)


def _note(order: AdditionOrder, surroundings: Surroundings) -> Unfinished:
    s3, bucket = surroundings.control.s3, surroundings.settings.repository_bucket
    key = unfinished.key(order.instance, order.point_id)
    try:
        note = unfinished.read(s3, bucket, key)
    except ClientError as error:
        if error_code(error) != "NoSuchKey":
            raise
        raise RestorePointNotFound(
            f"/add/pointId: s3://{bucket}/{key} isn't there: nothing was copied for this point, or it is made"
        ) from error
    if not note.dumps:
        raise RestorePointNotFound(f"/add/pointId: the copies of {order.point_id} aren't complete: run `dbrestore points add` again")
    return note
