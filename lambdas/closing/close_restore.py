"""The end: the report with the proof of each resource's absence, the event, and the ledger closed last.

The report tells what the ledger and the worker's results say, not what the states carried: so it is the same whether the flow ended,
failed or was stopped and cleaned up later. While a row isn't settled the restore stays open and the sweeper comes again."""

from collections.abc import Mapping
from datetime import datetime

from dbrestore.contract import keys
from dbrestore.contract import left_out_lists as left_out
from dbrestore.contract.errors import LeftoversRemain, RestoreCancelled, RestoreClosed, RestoreFailed
from dbrestore.contract.job import ErrorNote, Result, SwapResult
from dbrestore.contract.record import PhaseRow, Report, ResourceRow, RestoreEvent, RunMode
from dbrestore.contract.sections import DatabaseOutcome, ReportSection
from dbrestore.contract.things import DATABASE, HOLDER_ROLE, NATIVE_TASK
from dbrestore.ledger import exchanges, reading, restore_list
from dbrestore.ledger.stored_rows import Meta
from lambdas.approval import decisions
from lambdas.archive import arrivals
from lambdas.archive import retrieve_archive as archive
from lambdas.closing import drill_verdicts, keep_evidence
from lambdas.databases.engines import ENGINES
from lambdas.databases.jobs import result, uri
from lambdas.databases.outcomes import outcomes, together
from lambdas.runtime import events, phases, telemetry
from lambdas.runtime.executions import message_of
from lambdas.runtime.inputs import CloseInput
from lambdas.runtime.state import Restore, state

STATE = "CloseRestore"
FIRST_REMOVER = "DiscardUnfinishedDatabases"
# What of a drill stays if its copies do.
COPIES = (DATABASE, HOLDER_ROLE, NATIVE_TASK)


@state(STATE, CloseInput)
def close_restore(section: CloseInput, restore: Restore) -> ReportSection:
    """Report and event; CLOSED if everything is settled. Raises LeftoversRemain."""
    meta = restore.ledger.meta()
    if meta.status == "CLOSED":
        return keep_evidence.section(restore)
    keeps = meta.keeps_copies(restore.now()) and not section.clean_up
    leftovers = tuple(
        f"{row.kind} {row.physical_id or row.name}" for row in restore.ledger.unsettled() if not (keeps and row.kind in COPIES)
    )
    error = _first_error(restore, section, meta, leftovers)
    if error:
        restore.ledger.remember(error)
    _end_phases(restore, meta, error)
    results = _results(restore)
    report = _report(restore, meta, results, error, leftovers)
    where = _store(restore, report)
    if meta.kept_until is None or leftovers or keeps:
        _tell(restore, report, where)
    ended = keep_evidence.Ended(report, results, meta.plan_text, None if meta.plan_trouble else meta.plan)
    proof = keep_evidence.proof(ended)
    restore_list.ended(
        restore.ledger.table, report.restore_id, meta.started_at, report.ended_at, error, leftovers=len(leftovers), proof=proof
    )
    if leftovers:
        telemetry.count("Leftovers", len(leftovers))
        keep_evidence.keep(restore, ended)
        raise LeftoversRemain(f"Not seen absent: {', '.join(leftovers)}; the clean-up will be tried again")
    if keeps:
        # It stays open, so that the sweeper finds it when the time of the copies is over.
        _count(restore, meta, report)
        return keep_evidence.keep(restore, ended)
    arrivals.end(restore.ledger)
    restore.ledger.close(meta.anchor)
    if meta.kept_until is None:
        _count(restore, meta, report)
    # Last: whatever it meets, even the end of this function's memory, the restore is closed.
    return keep_evidence.keep(restore, ended)


def _count(restore: Restore, meta: Meta, report: Report) -> None:
    """Once per restore: a restore is closed once, and counted before that if the copies of a drill stay."""
    mode = "unknown" if meta.plan_trouble else report.mode
    dimensions: dict[str, str] = {"outcome": report.status, "engine": meta.anchor.engine or "unknown", "mode": mode}
    telemetry.count("Restores", **dimensions)
    if report.drill and report.error:
        telemetry.count("FailedDrills")
    elif report.drill:
        telemetry.count("PassedDrills")
    elif mode != "add" and report.error and report.error.name != RestoreCancelled.__name__:
        telemetry.count("FailedRestores")
    telemetry.duration("RestoreSeconds", report.started_at, report.ended_at, **dimensions)
    telemetry.size("RestoredBytes", sum(one.bytes for one in report.databases), engine=dimensions["engine"])


def _first_error(restore: Restore, section: CloseInput, meta: Meta, leftovers: tuple[str, ...]) -> ErrorNote | None:
    """What the execution fails with: the first error, whatever happened while cleaning up."""
    if meta.error:
        return meta.error
    if section.failure:
        return ErrorNote(name=section.failure.error, message=message_of(section.failure.cause))
    if section.clean_up and meta.kept_until is None:
        return _stopped(restore, meta)
    if section.leftovers or leftovers:
        told = [f"{what}: {caught.error}: {message_of(caught.cause)}" for what, caught in section.leftovers.items()]
        return ErrorNote.of(LeftoversRemain("\n".join([*leftovers, *told])))
    return None


def _stopped(restore: Restore, meta: Meta) -> ErrorNote:
    """Why there was something to clean up: the error of the state that failed, if one did before the execution was stopped. A function that
    outlives its execution meets the clean-up: that it may make nothing any more isn't a cause."""
    told = [phase.error for phase in reading.phases(restore.ledger.table, restore.ledger.restore_id) if phase.error]
    failed = [error for error in told if error.name != RestoreClosed.__name__]
    if failed:
        return failed[0]
    if meta.cancel_requested:
        return ErrorNote.of(RestoreCancelled("The restore was asked to stop"))
    message = "The execution ended before it could report (stopped, timed out or aborted); a clean-up removed what it had made"
    return ErrorNote.of(RestoreFailed(message))


def _end_phases(restore: Restore, meta: Meta, error: ErrorNote | None) -> None:
    """No state runs any more, but one that waited, or broke off, when the execution went on without it could not note its own end."""
    rows = reading.phases(restore.ledger.table, restore.ledger.restore_id)
    clearing_up = next((row.started_at for row in rows if row.state == FIRST_REMOVER), None)
    for row in rows:
        if row.status != "RUNNING" or row.state == STATE:
            continue
        # The first remover begins when the last state that makes things is over; a remover's own end nobody saw.
        before = clearing_up is not None and row.started_at < clearing_up
        ended_at = clearing_up if before else restore.now()
        phases.failed(restore.ledger, row.state, _broken_off(row, meta, error if before else None), ended_at)


def _broken_off(row: PhaseRow, meta: Meta, error: ErrorNote | None) -> ErrorNote:
    """Why a state has no end of its own; `error` is the restore's, None for a state that it did not end."""
    if error and meta.cancel_requested:
        return ErrorNote.of(RestoreCancelled("The restore was asked to stop"))
    if error:
        return error
    waited = f": {row.waiting_for}" if row.waiting_for else ""
    return ErrorNote.of(RestoreFailed(f"The execution ended while this state waited{waited}"))


def _report(restore: Restore, meta: Meta, results: Mapping[str, Result], error: ErrorNote | None, leftovers: tuple[str, ...]) -> Report:
    now = restore.now()
    trouble = meta.plan_trouble
    told = meta.parts if trouble else meta.plan
    return Report(
        restore_id=meta.anchor.restore_id,
        execution_arn=meta.execution_arn,
        mode=_mode(meta),
        plan_trouble=str(trouble) if trouble else None,
        status="FAILED" if error else "SUCCEEDED",
        error=error,
        leftovers=leftovers,
        started_at=meta.started_at,
        ended_at=meta.kept_since or now,
        target=meta.anchor.planned_target,
        source=meta.anchor.planned_source,
        databases=_databases(restore, results),
        phases=tuple(_ended(phase, now) for phase in reading.phases(restore.ledger.table, restore.ledger.restore_id)),
        resources=restore.ledger.rows(),
        postgres=told.postgres,
        proofs=() if trouble else ENGINES[meta.plan.engine].proofs(meta.plan, results.values()),
        swaps=_swaps(results),
        kept_until=_kept_until(restore, meta),
        network=told.network,
        archive=archive.retrieved(restore.ledger),
        estimate=told.estimate,
        results=tuple(uri(restore, name, "result.json") for name in results),
        ticket=told.ticket,
        reason=told.reason,
        requested_by=told.requested_by,
        permitted_by=told.permitted_by,
        approval=decisions.find(restore.ledger.table, restore.ledger.restore_id),
        drill=drill_verdicts.of(restore, meta, None if trouble else meta.plan.drill, error),
    )


def _results(restore: Restore) -> dict[str, Result]:
    """Of all jobs that ended, by the job's name."""
    names = sorted(
        reading.job_names(restore.ledger.table, restore.ledger.restore_id),
        key=lambda name: (reading.kind_of(name), len(name), name),
    )
    return {name: told for name in names if (told := result(restore, name))}


def _swaps(found: Mapping[str, Result]) -> tuple[SwapResult, ...]:
    """Each exchange as it was seen last: by the job that did it, or by one that looked after it."""
    jobs = sorted((name for name in found if reading.kind_of(name) in ("swap", "discard")), key=lambda name: name != "swap")
    last = {swap.name: swap for name in jobs for swap in found[name].swaps}
    return tuple(last.values())


def _kept_until(restore: Restore, meta: Meta) -> datetime | None:
    """When the sweeper drops the databases that were replaced."""
    if meta.anchor.swap is None:
        return None
    records = exchanges.of_restore(restore.ledger.table, meta.anchor.swap.of)
    return min((record.keep_until for record in records if record.keep_until), default=None)


def _databases(restore: Restore, found: Mapping[str, Result]) -> tuple[DatabaseOutcome, ...]:
    """Each database's last outcome that isn't its clean-up."""
    last = together(*(outcomes(told) for name, told in found.items() if reading.kind_of(name) in ("replay", "restore", "verify", "read")))
    counted = left_out.counted(last, left_out.by_database(found.values()))
    rows = {row.role: row for row in restore.ledger.rows(DATABASE)}
    is_drill = restore.ledger.meta().anchor.drill is not None
    return tuple(_as_it_ended(outcome, rows.get(outcome.asked_name), is_drill=is_drill) for outcome in counted)


def _as_it_ended(outcome: DatabaseOutcome, row: ResourceRow | None, *, is_drill: bool) -> DatabaseOutcome:
    """What stood under the asked name and was dropped again is not told as if it stood there still, and what a worker finished before it
    died is told as finished. A drill's copy is dropped when all is well, too: then it is told that it was verified."""
    if row and row.state == "DELETED" and row.name == outcome.asked_name and outcome.status != "FAILED":
        return outcome.model_copy(update={"status": "VERIFIED" if is_drill and outcome.status == "PROMOTED" else "DISCARDED"})
    if row and row.state == "KEPT" and outcome.status == "REPLAYED":
        return outcome.model_copy(update={"status": "PROMOTED"})
    return outcome


def _ended(phase: PhaseRow, now: datetime) -> PhaseRow:
    # The report can't hold the end of the state that writes it: its own row ends with the report.
    return phase.model_copy(update={"ended_at": now, "status": "SUCCEEDED"}) if phase.state == STATE else phase


def _store(restore: Restore, report: Report) -> str:
    restore.surroundings.control.s3.put_object(
        Bucket=restore.settings.evidence_bucket,
        Key=keys.report_key(report.restore_id),
        Body=report.to_json().encode(),
        ContentType="application/json",
    )
    return f"s3://{restore.settings.evidence_bucket}/{keys.report_key(report.restore_id)}"


def _tell(restore: Restore, report: Report, where: str) -> None:
    event = RestoreEvent(
        restore_id=report.restore_id,
        execution_arn=report.execution_arn,
        mode=report.mode,
        drill_name=report.drill.name if report.drill else None,
        status=report.status,
        error=report.error,
        target=report.target.arn,
        databases=report.databases,
        # How much could not be carried over is without bound, and an event is not.
        swaps=tuple(swap.model_copy(update={"fix_ups": ()}) for swap in report.swaps),
        kept_until=report.kept_until,
        leftovers=report.leftovers,
        started_at=report.started_at,
        ended_at=report.ended_at,
        report=where,
        drill=report.drill,
        ticket=report.ticket,
        caller=events.caller(report),
    )
    kinds = ["Cleanup Incomplete" if report.leftovers else _kind(report, event)]
    if report.drill and any(not objective.met for objective in report.drill.objectives):
        kinds.append("Objective Missed")
    events.tell(restore.surroundings.control, event, *kinds)


def _mode(meta: Meta) -> RunMode:
    if not meta.plan_trouble and meta.plan.addition:
        return "add"
    return events.mode_of(meta.anchor)


def _kind(report: Report, event: RestoreEvent) -> str:
    if report.drill:
        return "Drill Completed"
    succeeded, failed = {"add": ("Point Added", "Point Not Added"), "swap": ("Swap Succeeded", "Swap Failed")}.get(
        event.mode, ("Restore Succeeded", "Restore Failed")
    )
    return succeeded if report.status == "SUCCEEDED" else failed
