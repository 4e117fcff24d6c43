"""An exchange of names by itself: a database that was restored before takes its name, gives it back, or the copy that was kept is dropped.

What is exchanged follows from the restore's own plan and from the ledger's rows of exchanges, never from names alone: the request names a
restore. The target must be the very instance that it was then.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from dbrestore.contract import names
from dbrestore.contract.errors import (
    InternalContradiction,
    NotSupportedYet,
    RestoreRequestInvalid,
    SwapRefused,
    TargetNotUsable,
)
from dbrestore.contract.manifest import Engine
from dbrestore.contract.plan import Plan, PlannedDatabase
from dbrestore.contract.request import CredentialsRequest, DatabaseRequest, RestoreRequest, TargetRequest
from dbrestore.contract.request_problems import Problems
from dbrestore.contract.swaps.exchanges import Exchange, PlannedSwap, SwapRecord
from dbrestore.contract.swaps.orders import SwapOrder, SwapStart
from dbrestore.ledger import exchanges as kept_exchanges
from dbrestore.ledger import stored_plan
from dbrestore.ledger.stored_rows import Meta
from lambdas.databases import repeated_jobs
from lambdas.databases.verify_databases import JOB_NAME as VERIFY
from lambdas.lookup import target as target_lookup
from lambdas.lookup.target import POINTER
from lambdas.planning import credentials as credential_plan
from lambdas.planning import replacement, targets
from lambdas.planning import worker as worker_plan
from lambdas.planning.findings import Findings, Place
from lambdas.planning.sqlserver import target as rds_target
from lambdas.planning.target_account import assume
from lambdas.planning.worker import Site, WorkerPart
from lambdas.runtime.inputs import PlanInput
from lambdas.runtime.state import Restore, Surroundings

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import DBInstanceTypeDef

# Why databases of an instance can't be renamed.
ENGINES: Final[dict[Engine, Callable[["DBInstanceTypeDef"], Iterable[str]]]] = {
    "postgres": lambda instance: (),
    "sqlserver": rds_target.unrenamable,
}
_BEFORE: Final = {"undo": "SWAPPED", "drop": "SWAPPED"}
_WORDS: Final = {"undo": "turned back", "drop": "dropped"}


@dataclass(frozen=True)
class Ordered:
    """What was ordered, and the restore that it is about."""

    order: SwapOrder
    meta: Meta
    plan: Plan


def is_ordered(request: Mapping[str, Any]) -> bool:
    """Whether the input of the state machine orders an exchange by itself; a restore may say how it replaces, under the same key."""
    return "swap" in request and "target" not in request


def look_up(section: PlanInput, surroundings: Surroundings) -> Plan:
    """The plan without its estimate; nothing is written. Raises every error that can be told before anything is made."""
    ordered = _ordered(section, surroundings)
    exchanges = _exchanges(ordered, surroundings)
    place, request = _place(ordered.meta), _request(ordered)
    problems = Problems()
    found = _found(section, surroundings, place, request, problems)
    if found.instance is not None:
        _require_same(ordered.meta, found, problems)
    if found.instance is not None and ordered.order.action != "drop":
        _require_renaming(found.instance, ordered.plan.engine, problems)
    credentials = credential_plan.part(found, place, ordered.plan.engine, problems)
    worker = _worker(section, found, place, problems)
    problems.raise_if_any()
    if not (found.instance and credentials and worker and worker.planned):
        raise InternalContradiction(f"A look-up gave no answer and no reason. Nothing was made. {stored_plan.WHERE_TO_REPORT}")
    order = ordered.order
    return Plan(
        restore_id=found.restore_id,
        execution_arn=section.execution_arn,
        mode="restore",
        planned_at=surroundings.clock(),
        engine=ordered.plan.engine,
        archived=False,
        target=targets.planned(place, found.instance, credentials),
        source=ordered.plan.source,
        databases=tuple(_database(one) for one in exchanges),
        worker=worker.planned,
        network=worker.network,
        awaits_approval=order.approval is not None,
        swap=_swap(order, exchanges, surroundings.settings.swap_keep_days),
        swaps="only",
        notes=(*credentials.notes, *(replacement.owner_notes(ordered.plan.engine) if order.action == "swap" else ())),
        **order.model_dump(include={"reason", "requested_by", "permitted_by", "approval"}),
    )


def _swap(order: SwapOrder, exchanges: tuple[Exchange, ...], keep_days: int) -> PlannedSwap:
    return PlannedSwap(
        action=order.action,
        of=order.restore_id,
        exchanges=exchanges,
        sessions=order.sessions,
        minutes=order.minutes,
        keep_days=order.keep_days or keep_days,
    )


def _worker(section: PlanInput, found: Findings, place: Place, problems: Problems) -> WorkerPart | None:
    if found.target is None or found.instance is None:
        return None
    site = Site(place.partition, place.account, place.region, section.execution_arn.split(":")[3])
    return worker_plan.part(found.target, found.instance, site, 0, found.request.worker, found.surroundings.settings, problems)


def _ordered(section: PlanInput, surroundings: Surroundings) -> Ordered:
    try:
        order = SwapStart.model_validate(section.request).swap
    except ValidationError as error:
        raise RestoreRequestInvalid("\n".join(stored_plan.problems(error))) from error
    meta = surroundings.ledger(order.restore_id).meta()
    if meta.plan.swaps == "only" and meta.plan.swap:
        # People have the id of the last exchange at hand, and mean its databases.
        order = order.model_copy(update={"restore_id": meta.plan.swap.of})
        meta = surroundings.ledger(order.restore_id).meta()
    if meta.status != "CLOSED":
        raise RestoreRequestInvalid(f"/swap/restoreId: {order.restore_id} isn't over: wait for its end, or cancel it")
    return Ordered(order, meta, meta.plan)


def _exchanges(ordered: Ordered, surroundings: Surroundings) -> tuple[Exchange, ...]:
    """Which ones are meant, and can be meant as things stand in the ledger. Raises SwapRefused."""
    order = ordered.order
    records = {record.exchange.name: record for record in kept_exchanges.of_restore(surroundings.table, order.restore_id)}
    if order.action == "swap":
        candidates = {one.name: one for one in _restored(ordered, surroundings)}
        candidates |= {name: record.exchange for name, record in records.items() if record.state != "DROPPED"}
    else:
        candidates = {name: record.exchange for name, record in records.items() if record.state == _BEFORE[order.action]}
    wanted = [order.name] if order.name else list(candidates)
    if missing := [name for name in wanted if name not in candidates]:
        raise SwapRefused(_why_not(order, missing[0], records.get(missing[0])))
    if not wanted:
        raise SwapRefused(_why_not(order, "", next(iter(records.values()), None)))
    return tuple(candidates[name] for name in wanted)


def _why_not(order: SwapOrder, name: str, record: SwapRecord | None) -> str:
    of = f"{name!r} of {order.restore_id}" if name else order.restore_id
    if record:
        since = f"{record.changed_at:%Y-%m-%d %H:%M} UTC"
        return f"{of} can't be {_WORDS.get(order.action, 'exchanged')}: its exchange is {record.state} since {since}"
    if order.action == "swap":
        return f"{of} has no database that was verified under another name than it had: there is nothing to exchange"
    return f"{of} has taken no name from another database: there is nothing to be {_WORDS[order.action]}"


def _restored(ordered: Ordered, surroundings: Surroundings) -> list[Exchange]:
    """Those of the restore's verified databases that bear another name than they are to have: that of what they replace, or else their own
    in the restore point. Raises NotSupportedYet for those whose identity nobody noted."""
    plan, order = ordered.plan, ordered.order
    if plan.mode != "restore" or plan.drill:
        raise SwapRefused(f"{order.restore_id} isn't a restore whose databases stay: only such a restore can take over a name")
    planned = {one.restored_as: one for one in (plan.swap.exchanges if plan.swap and plan.swap.of == plan.restore_id else ())}
    ledger = surroundings.ledger(order.restore_id)
    moment = ordered.meta.started_at
    verified = repeated_jobs.told_so_far(Restore(surroundings, ledger, "PlanRestore", moment, moment), VERIFY)
    found = []
    for database in verified.databases if verified else ():
        if database.status != "PROMOTED" or (database.asked_name == database.backup_name and database.asked_name not in planned):
            continue
        if not database.identity:
            raise NotSupportedYet(
                f"{order.restore_id} was verified by a version that noted no identity of {database.asked_name!r}, and by its name alone "
                "nothing is exchanged: restore it again, with onConflict replace"
            )
        one = planned.get(database.asked_name) or replacement.exchange(database.backup_name, order.restore_id, plan.engine)
        found.append(one.model_copy(update={"restored_as": database.asked_name, "restored_id": database.identity}))
    return found


def _place(meta: Meta) -> Place:
    meta.anchor.require("target.db_instance", "target.arn")
    return Place(meta.execution_arn.split(":")[1], meta.anchor.target.region, meta.anchor.target.account)


def _request(ordered: Ordered) -> RestoreRequest:
    """What the look-ups of a restore read. The credentials are those of then, if its request named them."""
    target, credentials = ordered.plan.target, None
    if target.credentials_by == "the request":
        credentials = CredentialsRequest(secret_arn=target.secret_arn or None, iam_user=target.iam_user or None)
    return RestoreRequest(
        target=TargetRequest(db_instance=target.db_instance, account=target.account, region=target.region, credentials=credentials),
        databases=tuple(DatabaseRequest(name=one.name) for one in ordered.plan.databases),
    )


def _found(section: PlanInput, surroundings: Surroundings, place: Place, request: RestoreRequest, problems: Problems) -> Findings:
    target = problems.collect("/swap/restoreId", lambda: assume(surroundings, place, section.execution_arn))
    instance = problems.collect(POINTER, lambda: target_lookup.find_instance(target, request.target.db_instance)) if target else None
    waited = surroundings.clock() - (section.started_at or surroundings.clock())
    if instance:
        for sentence in target_lookup.instance_problems(instance):
            problems.add(TargetNotUsable, POINTER, f"{instance['DBInstanceIdentifier']} {sentence}")
        problems.collect(POINTER, lambda: target_lookup.require_available(instance, waited))
    return Findings(request, names.restore_id(section.execution_arn), waited, surroundings, target, instance, None)


def _require_same(meta: Meta, found: Findings, problems: Problems) -> None:
    """Another instance of the same name may have databases of the same names, and of the same oids."""
    was, instance = meta.anchor.target.resource_id, found.instance
    if instance and was and was != instance["DbiResourceId"]:
        problems.add(
            SwapRefused,
            POINTER,
            f"{instance['DBInstanceIdentifier']} is {instance['DbiResourceId']} now, and was {was} when {meta.anchor.restore_id} ran: it "
            "is another instance, whose databases are not exchanged",
        )


def _require_renaming(instance: "DBInstanceTypeDef", engine: Engine, problems: Problems) -> None:
    for reason in ENGINES[engine](instance):
        sentence = f"{instance['DBInstanceIdentifier']} {reason}: change that, or exchange the databases by hand"
        problems.add(NotSupportedYet, POINTER, sentence)


def _database(one: Exchange) -> PlannedDatabase:
    return PlannedDatabase(name=one.name, asked_name=one.name, temporary_name=one.name, bytes=0, rows=0, tables=0)
