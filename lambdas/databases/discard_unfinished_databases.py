"""Before step 6: what is unfinished in the database server goes, by the worker or, if it died, by another one.

Of PostgreSQL these are temporary databases and login roles; of SQL Server RDS's tasks, and databases that were restored and not verified.
Names that a worker was exchanging when it was lost are looked at: which name holds what is known before the restore ends.
The database server is reached only by a worker, so while something may be left a worker is needed even to prove that nothing is.
"""

from datetime import datetime, timedelta

from dbrestore.contract import limits, names
from dbrestore.contract.anchor import Anchor
from dbrestore.contract.errors import LeftoversRemain, NotReady, WorkerNotStarted
from dbrestore.contract.job import Result
from dbrestore.contract.record import ResourceRow
from dbrestore.contract.things import INSTANCE, SWAP
from dbrestore.ledger import reading
from dbrestore.ledger.reading import jobs_of
from dbrestore.ledger.stored_rows import Meta
from lambdas.databases import commands, discard_job, swaps
from lambdas.databases.engines import ENGINES
from lambdas.databases.job_rows import JobRow, job_row
from lambdas.databases.jobs import ensure_job, note_unasked, result
from lambdas.databases.outcomes import error_of
from lambdas.databases.repeated_jobs import told_so_far
from lambdas.databases.replay_dumps import JOB_NAME as REPLAY
from lambdas.databases.restore_native_backups import JOB_NAME as RESTORE
from lambdas.databases.rows import KINDS, settle_verified
from lambdas.databases.swap_databases import JOB_NAME as EXCHANGE
from lambdas.databases.verify_databases import JOB_NAME as VERIFY
from lambdas.pairing import list_owner
from lambdas.pairing.list_owner import ListOwner
from lambdas.pairing.security_groups import pair
from lambdas.runtime import open_restores
from lambdas.runtime.aws import TargetAccount
from lambdas.runtime.inputs import RemoverInput
from lambdas.runtime.state import Restore, state
from lambdas.runtime.telemetry import log
from lambdas.worker import agent, shown_instances
from lambdas.worker import instance as worker_instance

ROLE = "discard-worker"
FIRST = "discard-1"


@state("DiscardUnfinishedDatabases", RemoverInput)
def discard_unfinished_databases(section: RemoverInput, restore: Restore) -> None:
    """No temporary database or role, unverified database or task of the restore is left, and a database server said so."""
    restore.ledger.advance("DISCARDING")
    meta = restore.ledger.meta()
    verified = _verification(restore, meta.anchor)
    if verified:
        settle_verified(restore.ledger, verified, meta.anchor)
    if swapped := result(restore, EXCHANGE):
        swaps.settle(restore.ledger, meta.anchor, swapped)
    rows = restore.ledger.unsettled(*KINDS, SWAP)
    if not rows or _stay(restore, meta, in_clean_up=section.clean_up_execution is not None):
        return
    if not any(job_row(restore.ledger, name) for name in (REPLAY, RESTORE, EXCHANGE)):
        # The job's row comes before its command, and after DISCARDING none can be written: the server was never asked for anything.
        _settle_never_begun(restore, rows, "no job was ever sent to a worker")
    elif _nobody_logged_in(restore):
        _settle_never_begun(restore, rows, "no worker ever had a session with the server")
    elif (owner := _owner(restore.target(meta.anchor), meta.anchor)) is None:
        for row in rows:
            restore.ledger.deleted(row, "the DB instance itself is gone")
    else:
        _discard(restore, meta, _where_it_is_now(meta.anchor, owner), rows, verified)


def _stay(restore: Restore, meta: Meta, *, in_clean_up: bool) -> bool:
    """Whether these are copies of a drill that passed, and stay for a while. A clean-up execution drops them: it is started when their time
    is over, by whoever wants them gone before, or because the drill's own execution broke off."""
    drill = meta.anchor.drill
    if in_clean_up or drill is None or drill.keep_hours <= 0:
        return False
    phases = reading.phases(restore.ledger.table, restore.ledger.restore_id)
    passed = next((row for row in phases if row.state == "VerifyDatabases" and row.status == "SUCCEEDED"), None)
    if passed is None or passed.ended_at is None:
        return False
    open_restores.keep_copies(restore.ledger, passed.ended_at, passed.ended_at + timedelta(hours=drill.keep_hours))
    return True


def _verification(restore: Restore, where: Anchor) -> Result | None:
    """A verification whose end nobody saw still counts, unless databases that bear the asked names are being dropped."""
    if where.engine and ENGINES[where.engine].under_asked_names and job_row(restore.ledger, FIRST):
        return None
    note_unasked(restore, VERIFY, followed=REPLAY)
    return told_so_far(restore, VERIFY)


def _nobody_logged_in(restore: Restore) -> bool:
    """Whether every job that makes something has ended, and no worker of the restore ever had a session with the server, as when the secret
    is gone or no worker could boot: then there is nothing to drop, and perhaps no worker that could look."""
    begun = jobs_of(restore.ledger.table, restore.ledger.restore_id, REPLAY, RESTORE, EXCHANGE)
    return bool(begun) and all(_had_no_session(restore, name) for name in begun)


def _had_no_session(restore: Restore, name: str) -> bool:
    if told := result(restore, name):
        return told.error is not None and not told.logged_in
    row = job_row(restore.ledger, name)
    # With more than one, the worker before may have begun it.
    return row is not None and row.workers == 1 and row.instance_id in _never_booted(restore)


def _never_booted(restore: Restore) -> set[str]:
    """The instances on which a job found that the boot script had failed: no other was ever begun there, whatever became of its command."""
    rows = (job_row(restore.ledger, name) for name in reading.job_names(restore.ledger.table, restore.ledger.restore_id))
    return {row.instance_id for row in rows if row and row.error == WorkerNotStarted.__name__}


def _settle_never_begun(restore: Restore, rows: tuple[ResourceRow, ...], why: str) -> None:
    for row in rows:
        restore.ledger.never_begun(row, why)


def _owner(target: TargetAccount, where: Anchor) -> ListOwner | None:
    where.require("target.db_instance")
    return list_owner.find(target.rds, where)


def _where_it_is_now(where: Anchor, owner: ListOwner) -> Anchor:
    """A renamed instance has another address, and its databases."""
    address = owner.address or where.target.host
    return where.model_copy(update={"target": where.target.model_copy(update={"host": address})})


def _discard(restore: Restore, meta: Meta, where: Anchor, rows: tuple[ResourceRow, ...], verified: Result | None) -> None:
    name, row = _next_job(restore, meta)
    found = result(restore, name) if row else None
    if found is None:
        instance_id = row.instance_id if row else _idle_worker(restore, meta)
        if _verification(restore, where) != verified:
            raise NotReady("the verification ended while it was being stopped: what it found counts first")
        pair(restore, where, instance_id, while_="DISCARDING")
        work = discard_job.of(restore, where, rows, swaps.unsettled(restore, where))
        minutes = limits.DISCARD_MINUTES
        found = ensure_job(restore, where, instance_id, name, work, minutes=minutes, while_="DISCARDING")
    # A worker that died before it could say so may have finished a database: then what was found is that it stays.
    settle_verified(restore.ledger, found, where)
    swaps.settle(restore.ledger, where, found)
    left = restore.ledger.unsettled(*KINDS, SWAP)
    if found.error:
        raise error_of(found.error)
    if left:
        raise LeftoversRemain("\n".join(_why_left(row, found) for row in left))


def _why_left(row: ResourceRow, found: Result) -> str:
    if row.kind == SWAP:
        return f"No worker could look which database bears the name {row.role!r}: it may have been exchanged"
    seen = next((a for a in found.absences if (a.kind, a.name) == (row.kind, row.name)), None)
    note = seen.note if seen and seen.note else "drop it by hand if this goes on"
    return f"The {row.kind} {row.name} is still in the instance: {note}"


def _next_job(restore: Restore, meta: Meta) -> tuple[str, JobRow | None]:
    """The first discard job that hasn't failed; each clean-up execution adds some attempts."""
    for n in range(1, limits.DISCARD_ATTEMPTS * (meta.clean_ups + 1) + 1):
        row = job_row(restore.ledger, f"discard-{n}")
        if row is None or (row.error is None and not _left_something(result(restore, row.name))):
            return f"discard-{n}", row
    raise WorkerNotStarted("Every attempt to drop the unfinished databases failed: the report lists them")


def _left_something(found: Result | None) -> bool:
    return found is not None and (found.error is not None or not all(a.seen_absent for a in found.absences))


def _idle_worker(restore: Restore, meta: Meta) -> str:
    """A worker on which no job runs: the first one if it lives, otherwise a replacement."""
    target = restore.target(meta.anchor)
    rows = restore.ledger.unsettled(INSTANCE)
    roles = {row.physical_id: row.role for row in rows}
    for instance in shown_instances.find(target.ec2, restore.ledger.restore_id, rows):
        instance_id = instance["InstanceId"]
        if instance["State"]["Name"] == "running" and agent.is_online(target, instance_id):
            _stop_jobs(restore, target, instance_id)
            return instance_id
        if roles.get(instance_id, names.tag(instance, names.ROLE)) != ROLE:
            # It worked once and answers no more: never two workers at a time.
            shown_instances.end(target.ec2, instance_id)
            raise NotReady(f"waiting for {instance_id} to end: SSM can no longer reach it")
    for row in rows:
        if row.role != ROLE:
            worker_instance.require_gone(restore, target.ec2, row)
    attempts = limits.WORKER_ATTEMPTS * (meta.clean_ups + 1)
    return worker_instance.deploy(restore, meta.anchor, ROLE, "DISCARDING", attempts)


def _stop_jobs(restore: Restore, target: TargetAccount, instance_id: str) -> None:
    _wait_for_late_commands(restore, instance_id)
    active = commands.active(target, instance_id)
    if not active:
        return
    if restore.waited > limits.JOB_STOPPED_WITHIN:
        # Cancelling a command promises nothing; the end of the instance does.
        log.warning("terminating %s: its job did not stop", instance_id)
        shown_instances.end(target.ec2, instance_id)
    for command in active:
        target.ssm.cancel_command(CommandId=command["CommandId"], InstanceIds=[instance_id])
    raise NotReady(f"waiting for the job on {instance_id} to stop")


def _wait_for_late_commands(restore: Restore, instance_id: str) -> None:
    """A command whose sending was not recorded may still arrive, while its sender can still run."""
    names = jobs_of(restore.ledger.table, restore.ledger.restore_id, REPLAY, RESTORE, VERIFY, EXCHANGE)
    rows = [row for name in names if (row := job_row(restore.ledger, name))]
    unrecorded = [row for row in rows if row.instance_id == instance_id and row.command_id is None]
    if any(_age(row, restore.now()) < restore.bounds.visible_after for row in unrecorded):
        raise NotReady("waiting until a command that was sent would have to be visible")


def _age(row: JobRow, now: datetime) -> float:
    return (now - row.sent_at).total_seconds()
