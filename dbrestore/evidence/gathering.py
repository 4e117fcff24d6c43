"""Evidence out of the documents of a restore: pure, so that whoever has the documents can make it again."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from dbrestore.contract.drills import PlannedDrill
from dbrestore.contract.evidence import Asked, Digest, Evidence, PointEvidence, TargetEvidence, Versions
from dbrestore.contract.job import PostgresOptions, Result
from dbrestore.contract.plan import Plan
from dbrestore.contract.record import Report
from dbrestore.evidence import databases, methods, recovery, segregation, verdict

# A restore of 40 databases makes some 200 things.
LISTED_RESOURCES: Final = 1_000
LISTED_NAMES: Final = 1_000


@dataclass(frozen=True)
class Material:
    """What evidence is made of. `results` are the worker's, by the job's name, in the order of the jobs. `plan` is None where it can't be
    read; `code` is the fingerprint of the control plane's code."""

    report: Report
    results: Mapping[str, Result]
    plan: Plan | None
    point: PointEvidence
    documents: tuple[Digest, ...]
    written_at: datetime
    tool: str
    code: str


def gathered(material: Material) -> Evidence:
    """The whole document."""
    report, plan = material.report, material.plan
    drill = plan.drill if plan else None
    found = databases.gathered(report.databases, material.results.values(), plan.checks if plan else ())
    return Evidence(
        restore_id=report.restore_id,
        execution_arn=report.execution_arn,
        mode=_mode(material),
        status=report.status,
        verdict=verdict.judged(report, found, material.point),
        asked=_asked(report, drill),
        written_at=material.written_at,
        started_at=report.started_at,
        ended_at=report.ended_at,
        error=report.error,
        plan_trouble=report.plan_trouble,
        leftovers=report.leftovers,
        drill=report.drill,
        damage=drill.with_damage if drill else False,
        not_chosen=drill.not_chosen[:LISTED_NAMES] if drill else (),
        point=material.point,
        target=_target(report),
        segregation=segregation.judged(report),
        recovery=recovery.measured(report),
        archive=report.archive,
        phases=report.phases,
        databases=found,
        swaps=report.swaps,
        swap_of=plan.swap.of if plan and plan.swap else None,
        kept_until=report.kept_until,
        methods=methods.used(found),
        proofs=report.proofs,
        resources=report.resources[:LISTED_RESOURCES],
        resources_unlisted=max(0, len(report.resources) - LISTED_RESOURCES),
        versions=_versions(material),
        documents=material.documents,
        notices=tuple(_notices(report)),
    )


def _versions(material: Material) -> Versions:
    target = material.report.target
    return Versions(
        source_engine=material.point.engine_version,
        target_engine=f"{target.engine} {target.engine_version}",
        tool=material.tool,
        code=material.code,
    )


def _mode(material: Material) -> str:
    if material.report.drill or (material.plan and material.plan.mode == "drill"):
        return "drill"
    if material.plan and material.plan.addition:
        return "add"
    if material.report.mode == "swap":
        return "swap"
    return "restore" if material.plan else "unknown"


def _asked(report: Report, drill: PlannedDrill | None) -> Asked:
    return Asked(
        requested_by=report.requested_by,
        permitted_by=report.permitted_by,
        approval=report.approval,
        scheduled_time=drill.scheduled_time if drill else None,
        reason=report.reason,
        ticket=report.ticket,
        accepted=tuple(_accepted(report.postgres)),
    )


def _accepted(chosen: PostgresOptions | None) -> Iterator[str]:
    """The choices that let the result differ from the backup."""
    if chosen is None:
        return
    if chosen.skip_unrestorable:
        yield "onUnrestorable skip: what the target refuses is left out, with what depends on it"
    if chosen.skip_missing_extensions:
        yield "extensions skip-missing: extensions that the target lacks or the configuration does not allow are left out"
    if chosen.create_missing_roles:
        yield "roles create-missing: roles that the target lacks are created without login or rights"
    if chosen.owners:
        pairs = ", ".join(f"{role} -> {owner}" for role, owner in sorted(chosen.owners.items()))
        yield f"owners: {pairs}"
    if chosen.encoding or chosen.locale:
        yield f"encoding {chosen.encoding or 'of the dump'}, locale {chosen.locale or 'of the dump'}"
    if chosen.verify == "counts":
        yield "verify counts: rows are counted, values are not compared"


def _target(report: Report) -> TargetEvidence:
    target = report.target
    return TargetEvidence(
        db_instance=target.db_instance,
        arn=target.arn,
        account=target.account,
        region=target.region,
        vpc_id=target.vpc_id,
        engine=target.engine,
        engine_version=target.engine_version,
    )


def _notices(report: Report) -> Iterator[str]:
    target, source = report.target.db_instance, report.source.db_instance
    whose = "the source instance itself" if target == source else f"not the source instance {source}, which this restore did not touch"
    yield (
        f"The next backup of {target} may take longer than usual: snapshots of RDS are incremental, and everything that this restore wrote "
        f"there has changed since the last one. That is {whose}."
    )
