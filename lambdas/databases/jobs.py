"""Jobs of the worker: one document in S3, one SSM command with its URI, one result document.

SendCommand has no token, so a job may be sent twice: the worker's own lock makes two commands one job. A job's row is written before its
first command, under the same condition as every other beginning; what ended without a result is told from the command and the instance.

A job that replays dumps or verifies them is carried on, a few times: by another command when the program ended, by another worker when the
first one is gone. Invariant: never by two at once: the second worker is only made when the first was seen to be over.
"""

from datetime import datetime
from typing import Final

from botocore.exceptions import ClientError
from pydantic import ValidationError

from dbrestore.contract import keys, limits
from dbrestore.contract.anchor import Whereabouts
from dbrestore.contract.errors import (
    CredentialsNotUsable,
    InternalContradiction,
    NotReady,
    RestoreClosed,
    RestoreError,
    TargetNotUsable,
    WorkerLost,
    WorkerToReplace,
)
from dbrestore.contract.job import ErrorNote, Job, JobKind, Result
from dbrestore.contract.manifest import Engine
from dbrestore.contract.refusals import error_code
from dbrestore.contract.sqlserver_errors import LoginRefused, ServerUnreachable
from dbrestore.ledger import stored_plan
from dbrestore.ledger.stored_rows import Status
from dbrestore.ledger.table import ConditionFailed
from lambdas.databases import commands, lost_workers
from lambdas.databases.job_rows import JobRow, age, item, job_row, save
from lambdas.pairing import group_list
from lambdas.runtime.aws import TargetAccount
from lambdas.runtime.state import Restore
from lambdas.worker import boot_log, shown_instances

# What RDS does, not the worker: its tasks run on, and a program that begins again finds them by their keys.
RENEWABLE = ("restore",)
# How a job ends that found the server's door closed.
OUTSIDE = frozenset(error.__name__ for error in (CredentialsNotUsable, LoginRefused, ServerUnreachable))
# Which jobs another program or worker carries on.
ENGINES: Final[dict[Engine, tuple[JobKind, ...]]] = {"postgres": ("replay", "verify"), "sqlserver": ()}


def ensure_job(
    restore: Restore,
    where: Whereabouts,
    instance_id: str,
    name: str,
    work: Job,
    *,
    minutes: int,
    while_: Status = "RUNNING",
) -> Result:
    """The job's result, once it is there. Raises NotReady, WorkerLost, WorkerFailed, WorkerNotStarted, WorkerTimedOut, and WorkerToReplace
    for a job that goes on when it is asked for with another worker."""
    found = result(restore, name)
    # What follows another job may be done before anybody asked for it: its row says so to whoever counts the jobs that were begun.
    row = job_row(restore.ledger, name) or _begin(restore, name, instance_id, work, while_)
    if found:
        return _explained(restore, where, found, while_)
    if row.error == WorkerLost.__name__ and row.instance_id != instance_id and _is_carried_on(work):
        row = _handed_on(restore, row, instance_id, while_)
    try:
        return _ensure(restore, where, row, work, minutes=minutes, while_=while_)
    except WorkerLost as lost:
        if not _is_carried_on(work) or row.workers >= limits.JOB_WORKERS:
            raise
        raise WorkerToReplace(f"{lost}".replace("start the restore again", "another worker carries on")) from lost


def _ensure(restore: Restore, where: Whereabouts, row: JobRow, work: Job, *, minutes: int, while_: Status) -> Result:
    name = row.name
    target = restore.target(where)
    if row.command_id is None:
        row = _send(restore, target, where, row)
    row, status = lost_workers.looked_for(restore, target, row)
    row = lost_workers.listened_for(restore, target, row) if status in shown_instances.ALIVE else row
    error = lost_workers.lost(status, row, minutes, restore)
    # What SSM says of its command means nothing while it doesn't hear the agent.
    may_run = error is None and (row.unheard_since is not None or _may_run(target, row, restore.now()))
    # It may have been written between the two looks.
    if not may_run and (found := result(restore, name)):
        return _explained(restore, where, found, while_)
    if may_run or (error is None and _renewed(restore, target, where, row, work)):
        if while_ == "RUNNING":
            group_list.keep(restore, where)
        raise NotReady(f"waiting for the worker {row.instance_id} to finish the job {name}")
    error = error or _why_ended(restore, target, row)
    save(restore.ledger, row.model_copy(update={"error": type(error).__name__}))
    raise error


def _explained(restore: Restore, where: Whereabouts, found: Result, while_: Status) -> Result:
    """The result, but for a worker that could not get to the server: what became of the target says more than that."""
    if while_ != "RUNNING" or found.error is None or found.error.name not in OUTSIDE:
        return found
    try:
        group_list.require_reachable(restore, where)
    except TargetNotUsable as error:
        note = ErrorNote(name=TargetNotUsable.__name__, message=f"{error}. The worker met: {found.error.message}")
        return found.model_copy(update={"error": note})
    return found


def _why_ended(restore: Restore, target: TargetAccount, row: JobRow) -> RestoreError:
    if not commands.never_booted(target, row):
        return commands.end(target, row)
    return commands.not_booted(target, row, boot_log.keep(restore, target.ec2, row.instance_id))


def result(restore: Restore, name: str) -> Result | None:
    """A job's result document, or None while there is none: the worker's program may be of another version, as it was when it was
    launched. Raises InternalContradiction."""
    key = keys.job_prefix(restore.ledger.restore_id, name) + "result.json"
    try:
        body = restore.surroundings.control.s3.get_object(Bucket=restore.settings.evidence_bucket, Key=key)["Body"]
    except ClientError as error:
        if error_code(error) in ("NoSuchKey", "404"):
            return None
        raise
    try:
        return Result.from_json_of_any_version(body.read())
    except ValidationError as error:
        told = stored_plan.told(stored_plan.problems(error))
        raise InternalContradiction(
            f"What the worker wrote as {uri(restore, name, 'result.json')} can't be read: {told}. {stored_plan.WHERE_TO_REPORT}"
        ) from error


def uri(restore: Restore, name: str, document: str) -> str:
    """The s3:// URI of one of a job's documents."""
    return f"s3://{restore.settings.evidence_bucket}/{keys.job_prefix(restore.ledger.restore_id, name)}{document}"


def write(restore: Restore, name: str, work: Job) -> None:
    """The job's document, over what was there."""
    restore.surroundings.control.s3.put_object(
        Bucket=restore.settings.evidence_bucket,
        Key=keys.job_prefix(work.restore_id, name) + "job.json",
        Body=_text(work).encode(),
        ContentType="application/json",
    )


def note_unasked(restore: Restore, name: str, followed: str) -> None:
    """Give the job its row if a worker has done it after another, and nobody had asked for it yet."""
    ledger = restore.ledger
    if job_row(ledger, name) is None and result(restore, name) and (row := job_row(ledger, followed)):
        save(ledger, row.model_copy(update={"name": name}))


def _begin(restore: Restore, name: str, instance_id: str, work: Job, while_: Status) -> JobRow:
    row = JobRow(name=name, instance_id=instance_id, sent_at=restore.now())
    write(restore, name, work)
    ledger = restore.ledger
    try:
        ledger.table.write(ledger.table.put(item(ledger, row), "attribute_not_exists(pk)"), ledger.while_status(while_))
    except ConditionFailed:
        ledger.require(while_)
        found = job_row(ledger, name)
        if found is None:
            raise RestoreClosed(f"Restore {ledger.restore_id} changed while the job {name} was begun") from None
        return found
    return row


def _is_carried_on(work: Job) -> bool:
    return work.kind in ENGINES[work.engine]


def _handed_on(restore: Restore, row: JobRow, instance_id: str, while_: Status) -> JobRow:
    """The job is another worker's from now on."""
    row = JobRow(name=row.name, instance_id=instance_id, sent_at=restore.now(), workers=row.workers + 1)
    ledger = restore.ledger
    try:
        ledger.table.write(ledger.table.put(item(ledger, row)), ledger.while_status(while_))
    except ConditionFailed:
        ledger.require(while_)
        raise NotReady(f"the ledger changed while the job {row.name} was handed on") from None
    return row


def _text(work: Job) -> str:
    """The document. What drops databases names only what it needs: the worker's program may be older than this function."""
    return work.model_dump_json(by_alias=True, exclude_unset=True) if work.kind == "discard" else work.to_json()


def _send(restore: Restore, target: TargetAccount, where: Whereabouts, row: JobRow) -> JobRow:
    sent = _sent_before(target, row, uri(restore, row.name, "job.json")) or _send_command(restore, target, where, row)
    row = row.model_copy(update={"command_id": sent})
    save(restore.ledger, row)
    return row


def _sent_before(target: TargetAccount, row: JobRow, job_uri: str) -> str | None:
    sent = commands.of(target, row.instance_id)
    return next((c["CommandId"] for c in sent if c.get("Parameters", {}).get("JobUri") == [job_uri]), None)


def _send_command(restore: Restore, target: TargetAccount, where: Whereabouts, row: JobRow) -> str:
    try:
        command = target.ssm.send_command(
            DocumentName=where.worker.document_name,
            InstanceIds=[row.instance_id],
            Parameters={"JobUri": [uri(restore, row.name, "job.json")]},
            TimeoutSeconds=limits.COMMAND_DELIVERED_WITHIN,
            Comment=f"dbrestore {where.restore_id} {row.name}",
        )
    except ClientError as error:
        if error_code(error) != "InvalidInstanceId":
            raise
        row, status = lost_workers.looked_for(restore, target, row)
        if status in shown_instances.ALIVE and age(row, restore.now()) <= limits.WORKER_ONLINE_WITHIN:
            raise NotReady(f"waiting for SSM to reach {row.instance_id}, which it does not know at this moment") from error
        lost = WorkerLost(f"The worker {row.instance_id} is {status or 'gone'}: it could not be given the job {row.name}")
        save(restore.ledger, row.model_copy(update={"error": WorkerLost.__name__}))
        raise lost from error
    return command["Command"]["CommandId"]


def _may_run(target: TargetAccount, row: JobRow, now: datetime) -> bool:
    # Any command of the instance counts: a job that was sent twice is done by the first.
    sent = commands.of(target, row.instance_id)
    if any(command.get("Status") in commands.ACTIVE for command in sent):
        return True
    return row.command_id not in [c.get("CommandId") for c in sent] and age(row, now) < limits.COMMAND_LISTED_WITHIN


def _renewed(restore: Restore, target: TargetAccount, where: Whereabouts, row: JobRow, work: Job) -> bool:
    """Whether another command goes on with a job whose command SSM has ended."""
    if commands.never_booted(target, row):
        return False
    is_cut_off = commands.is_cut_off(target, row)
    failed = row.failed_commands + (not is_cut_off)
    if not (_is_carried_on(work) and failed < limits.JOB_COMMANDS) and not (work.kind in RENEWABLE and is_cut_off):
        return False
    command_id = _send_command(restore, target, where, row)
    save(restore.ledger, row.model_copy(update={"command_id": command_id, "failed_commands": failed}))
    return True
