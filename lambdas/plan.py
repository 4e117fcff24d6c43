"""Step 0: the request is validated, everything is looked up, all names are fixed, and what can't work is refused, all problems in one
answer.

Nothing is created before the last act, which opens the ledger: a request that is refused here leaves nothing to clean up. With mode
`plan` not even that happens."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from lambdas import limits, names, phases, source_lookup, target_lookup
from lambdas.aws import TargetAccount, error_code, target_account
from lambdas.contract import Plan, PlanInput, PlannedDatabase, PlannedSource, PlannedTarget, PlannedWorker
from lambdas.ledger import Ledger
from lambdas.request import RestoreRequest
from lambdas.request_problems import Problems, read
from lambdas.state import Surroundings, handler
from lambdas.target_lookup import Offer
from repository import dump_contents, keys, points
from repository.errors import (
    EngineMismatch,
    NotEnoughStorage,
    RestoreRequestInvalid,
    TargetNotUsable,
    TargetVersionTooOld,
)
from repository.manifest import DatabaseBackup, Manifest

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import DBInstanceTypeDef

STATE = "PlanRestore"
TARGET = "/target/dbInstance"


@dataclass(frozen=True)
class Place:
    """Where the target lies; by default where the state machine runs."""

    partition: str
    region: str
    account: str

    @classmethod
    def of(cls, request: RestoreRequest, execution_arn: str) -> "Place":
        _, partition, _, region, account, *_ = execution_arn.split(":")
        return cls(partition, request.target.region or region, request.target.account or account)


@dataclass(frozen=True)
class Network:
    """What a worker needs around it."""

    offer: Offer
    standing_group_id: str
    subnet_ids: tuple[str, ...]
    instance_type: str


@handler(STATE, PlanInput)
def plan_restore(section: PlanInput, surroundings: Surroundings) -> Plan:
    """The plan. Raises every error that can be told before anything is made."""
    began = datetime.now(UTC)
    plan = _plan(section, surroundings)
    if plan.mode == "plan":
        return plan
    ledger = Ledger(surroundings.table, plan.restore_id)
    plan = ledger.open(plan, section.started_at or began)
    phases.passed(ledger, STATE, began)
    return plan


def _plan(section: PlanInput, surroundings: Surroundings) -> Plan:
    problems = Problems()
    request = read(section.request, problems)
    if request is None:
        problems.raise_if_any()
        raise RestoreRequestInvalid("/: is no request")
    place = Place.of(request, section.execution_arn)
    target = problems.collect("/target", lambda: _assume(surroundings, place, section.execution_arn))
    instance = target and problems.collect(
        TARGET, lambda: target_lookup.find_instance(target, request.target.db_instance)
    )
    manifest = _manifest(surroundings, request, problems)
    backups = source_lookup.backups(manifest, request, problems) if manifest else []
    _check_source(surroundings, request, backups, problems)
    notes = [f"{backup.name}: {note}" for backup in backups for note in dump_contents.notes(backup)]
    network = None
    if target and instance:
        _check_instance(section, instance, manifest, backups, problems)
        notes += _check_storage(target, instance, backups, problems)
        network = _network(target, instance, request, problems)
    problems.raise_if_any()
    if not (instance and manifest and network):
        raise RestoreRequestInvalid("/: a look-up gave no answer and no reason; report this as a bug")
    return Plan(
        restore_id=names.restore_id(section.execution_arn),
        execution_arn=section.execution_arn,
        mode=request.mode,
        planned_at=datetime.now(UTC),
        engine="postgres",
        archived=False,
        target=_target(place, instance),
        source=_source(surroundings, manifest),
        databases=_databases(names.restore_id(section.execution_arn), request, backups),
        worker=_worker(request, network),
        notes=tuple(notes),
        ticket=request.ticket,
        reason=request.reason,
    )


def _assume(surroundings: Surroundings, place: Place, execution_arn: str) -> TargetAccount:
    role = surroundings.settings.target_role_name.replace("{region}", place.region)
    try:
        return target_account(
            surroundings.control,
            surroundings.settings,
            partition=place.partition,
            account=place.account,
            region=place.region,
            restore_id=names.restore_id(execution_arn),
        )
    except ClientError as error:
        if error_code(error) != "AccessDenied":
            raise
        raise TargetNotUsable(
            f"the role {role} of account {place.account} can't be assumed: deploy the TargetStack there, with this control account "
            "and its external id"
        ) from error


def _manifest(surroundings: Surroundings, request: RestoreRequest, problems: Problems) -> Manifest | None:
    instance = request.source.db_instance or request.target.db_instance
    s3, bucket = surroundings.control.s3, surroundings.settings.repository_bucket
    pointer = "/source/dbInstance" if request.source.restore_point == points.LATEST else "/source/restorePoint"
    return problems.collect(pointer, lambda: points.load(s3, bucket, instance, request.source.restore_point))


def _check_source(
    surroundings: Surroundings, request: RestoreRequest, backups: Sequence[DatabaseBackup], problems: Problems
) -> None:
    s3, settings = surroundings.control.s3, surroundings.settings
    places = {database.name: n for n, database in enumerate(request.databases)}
    for backup in backups:
        pointer = f"/databases/{places[backup.name]}/name"
        problems.collect(pointer, lambda b=backup: source_lookup.require_readable(s3, settings.repository_bucket, b))  # type: ignore[misc]
    problems.collect("/", lambda: source_lookup.require_ca_bundle(s3, settings.evidence_bucket))


def _check_instance(
    section: PlanInput,
    instance: "DBInstanceTypeDef",
    manifest: Manifest | None,
    backups: list[DatabaseBackup],
    problems: Problems,
) -> None:
    name = instance["DBInstanceIdentifier"]
    for sentence in target_lookup.instance_problems(instance):
        problems.add(TargetNotUsable, TARGET, f"{name} {sentence}")
    waited = datetime.now(UTC) - (section.started_at or datetime.now(UTC))
    problems.collect(TARGET, lambda: target_lookup.require_available(instance, waited))
    family = problems.collect(TARGET, lambda: target_lookup.engine_of(instance))
    if manifest is None or family is None:
        return
    if manifest.engine != family:
        sentence = f"{name} is a {family} instance, the restore point {manifest.point_id} is of {manifest.engine}"
        problems.add(EngineMismatch, TARGET, f"{sentence}: choose another target or source")
        return
    for sentence in source_lookup.version_problems(backups, instance["EngineVersion"]):
        problems.add(TargetVersionTooOld, TARGET, f"{name} {sentence}")


def _check_storage(
    target: TargetAccount, instance: "DBInstanceTypeDef", backups: list[DatabaseBackup], problems: Problems
) -> list[str]:
    storage = target_lookup.free_storage(target, instance)
    needed = int(sum(backup.uncompressed_length for backup in backups) * limits.STORAGE_FACTOR)
    if needed > storage.free:
        told = f" ({storage.note})" if storage.note else ""
        sentence = f"needs about {_gib(needed)} for the data and its indexes, free are {_gib(storage.free)}{told}: grow its storage"
        problems.add(NotEnoughStorage, TARGET, f"{instance['DBInstanceIdentifier']} {sentence}")
    return [storage.note] if storage.note else []


def _gib(number: int) -> str:
    return f"{number / 1024**3:.1f} GiB"


def _network(
    target: TargetAccount, instance: "DBInstanceTypeDef", request: RestoreRequest, problems: Problems
) -> Network | None:
    wish = request.worker
    offer = problems.collect("/target", lambda: target_lookup.offer(target))
    vpc_id = instance["DBSubnetGroup"]["VpcId"]
    group = problems.collect("/target", lambda: target_lookup.standing_group(target, vpc_id))
    subnets = problems.collect("/worker/subnetId", lambda: target_lookup.subnets(target, instance, wish.subnet_id))
    kind = problems.collect("/worker/instanceType", lambda: target_lookup.instance_type(target, wish.instance_type))
    return Network(offer, group, subnets, kind) if offer and group and subnets and kind else None


def _target(place: Place, instance: "DBInstanceTypeDef") -> PlannedTarget:
    secret = instance["MasterUserSecret"]
    return PlannedTarget(
        account=place.account,
        region=place.region,
        db_instance=instance["DBInstanceIdentifier"],
        arn=instance["DBInstanceArn"],
        engine=instance["Engine"],
        engine_version=instance["EngineVersion"],
        host=instance["Endpoint"]["Address"],
        port=instance["Endpoint"]["Port"],
        vpc_id=instance["DBSubnetGroup"]["VpcId"],
        availability_zone=instance["AvailabilityZone"],
        secret_arn=secret["SecretArn"],
        kms_key_id=secret.get("KmsKeyId"),
    )


def _source(surroundings: Surroundings, manifest: Manifest) -> PlannedSource:
    key = keys.manifest_key(manifest.instance, manifest.point_id)
    uri = f"s3://{surroundings.settings.repository_bucket}/{key}"
    return PlannedSource(db_instance=manifest.instance, restore_point=manifest.point_id, manifest=uri)


def _databases(
    restore_id: str, request: RestoreRequest, backups: Sequence[DatabaseBackup]
) -> tuple[PlannedDatabase, ...]:
    stem = "dbrestore_" + restore_id.removeprefix("r-")
    return tuple(
        PlannedDatabase(
            name=backup.name,
            asked_name=asked.asked_name,
            temporary_name=f"{stem}_{n}",
            login_role=f"{stem}_{n}_owner",
            bytes=backup.uncompressed_length,
            rows=backup.rows,
            tables=len(backup.tables),
        )
        for n, (asked, backup) in enumerate(zip(request.databases, backups, strict=True), start=1)
    )


def _worker(request: RestoreRequest, network: Network) -> PlannedWorker:
    return PlannedWorker(
        instance_type=network.instance_type,
        subnet_id=network.subnet_ids[0],
        fallback_subnet_ids=network.subnet_ids[1:],
        standing_group_id=network.standing_group_id,
        instance_profile_arn=network.offer.instance_profile_arn,
        document_name=network.offer.document_name,
        program_uri=network.offer.program_uri,
        streams=request.worker.streams,
        keep_toast_compression=request.worker.keep_toast_compression,
        max_run_minutes=request.worker.max_run_hours * 60,
    )
