"""Jobs of the worker: one document in S3, one SSM command with its URI, one result document.

SendCommand has no token, so a job may be sent twice: the worker's own lock makes two commands one job. A job's row is written before its
first command, under the same condition as every other beginning; what ended without a result is told from the command and the instance.
SSM says of a command whose agent is gone that it is in progress, for up to 48 hours: so the agent's ping counts too, and what the program
writes while nobody hears the agent.

A job that replays dumps or verifies them is carried on, a few times: by another command when the program ended, by another worker when the
first one is gone. Invariant: never by two at once: the second worker is only made when the first was seen to be over.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError
from pydantic import AwareDatetime, ValidationError

from dbrestore.contract import keys, limits
from dbrestore.contract.anchor import Whereabouts
from dbrestore.contract.document import Document
from dbrestore.contract.errors import (
    InternalContradiction,
    NotReady,
    RestoreClosed,
    RestoreError,
    WorkerLost,
    WorkerTimedOut,
    WorkerToReplace,
)
from dbrestore.contract.job import Job, JobKind, Result
from dbrestore.contract.manifest import Engine
from dbrestore.contract.refusals import error_code
from dbrestore.ledger import stored_plan
from dbrestore.ledger.reading import JOB
from dbrestore.ledger.stored_rows import Status, readable
from dbrestore.ledger.table import ConditionFailed
from lambdas.databases import commands
from lambdas.pairing import group_list
from lambdas.runtime.aws import TargetAccount
from lambdas.runtime.ledger import Ledger
from lambdas.runtime.state import Restore
from lambdas.worker import agent, shown_instances

if TYPE_CHECKING:
    pass

# What RDS does, not the worker: its tasks run on, and a program that begins again finds them by their keys.
RENEWABLE = ("restore",)
# Which jobs another program or worker carries on.
ENGINES: Final[dict[Engine, tuple[JobKind, ...]]] = {"postgres": ("replay", "verify"), "sqlserver": ()}


class JobRow(Document):
    """One job in the ledger. `error` is the name of the error that it ended with when there is no result to read; `missed_at` when EC2 did
    not show the worker for the first time in a row; `unheard_since` when SSM didn't hear its agent for the first time in a row, or when
    the program went on all the same: `last_progress` is the ETag of what it told then; `workers` how many had the job, `failed_commands`
    how many of this one's ended before it."""

    name: str
    instance_id: str
    sent_at: AwareDatetime
    command_id: str | None = None
    error: str | None = None
    missed_at: AwareDatetime | None = None
    unheard_since: AwareDatetime | None = None
    last_progress: str | None = None
    workers: int = 1
    failed_commands: int = 0


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
    """The job's result, once it is there. Raises NotReady, WorkerLost, WorkerFailed, WorkerTimedOut, and WorkerToReplace for a job that
    goes on when it is asked for with another worker."""
    if found := result(restore, name):
        return found
    row = job_row(restore.ledger, name) or _begin(restore, name, instance_id, work, while_)
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
    row, status = _looked_for(restore, target, row)
    row = _listened_for(restore, target, row) if status in shown_instances.ALIVE else row
    error = _lost(status, row, minutes, restore)
    # What SSM says of its command means nothing while it doesn't hear the agent.
    may_run = error is None and (row.unheard_since is not None or _may_run(target, row, restore.now()))
    # It may have been written between the two looks.
    if not may_run and (found := result(restore, name)):
        return found
    if may_run or (error is None and _renewed(restore, target, where, row, work)):
        if while_ == "RUNNING":
            group_list.keep(restore, where)
        raise NotReady(f"waiting for the worker {row.instance_id} to finish the job {name}")
    error = error or commands.end(target, row)
    _save(restore.ledger, row.model_copy(update={"error": type(error).__name__}))
    raise error


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


def job_row(ledger: Ledger, name: str) -> JobRow | None:
    """A job's row, or None if it was never begun."""
    item = ledger.table.get(ledger.restore_id, JOB + name)
    return readable(JobRow, item) if item else None


def _begin(restore: Restore, name: str, instance_id: str, work: Job, while_: Status) -> JobRow:
    row = JobRow(name=name, instance_id=instance_id, sent_at=restore.now())
    restore.surroundings.control.s3.put_object(
        Bucket=restore.settings.evidence_bucket,
        Key=keys.job_prefix(work.restore_id, name) + "job.json",
        Body=_text(work).encode(),
        ContentType="application/json",
    )
    ledger = restore.ledger
    try:
        ledger.table.write(ledger.table.put(_item(ledger, row), "attribute_not_exists(pk)"), ledger.while_status(while_))
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
        ledger.table.write(ledger.table.put(_item(ledger, row)), ledger.while_status(while_))
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
    _save(restore.ledger, row)
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
        row, status = _looked_for(restore, target, row)
        if status in shown_instances.ALIVE and _age(row, restore.now()) <= limits.WORKER_ONLINE_WITHIN:
            raise NotReady(f"waiting for SSM to reach {row.instance_id}, which it does not know at this moment") from error
        lost = WorkerLost(f"The worker {row.instance_id} is {status or 'gone'}: it could not be given the job {row.name}")
        _save(restore.ledger, row.model_copy(update={"error": WorkerLost.__name__}))
        raise lost from error
    return command["Command"]["CommandId"]


def _looked_for(restore: Restore, target: TargetAccount, row: JobRow) -> tuple[JobRow, str | None]:
    """The row and the worker's state after a look. That EC2 doesn't show it once means nothing: raises NotReady until a second look, some
    time later, doesn't find it either."""
    if status := shown_instances.state_of(target.ec2, row.instance_id):
        return (_noted(restore, row, missed_at=None) if row.missed_at else row), status
    since = row.missed_at or restore.now()
    row = row if row.missed_at else _noted(restore, row, missed_at=since)
    if _age(row, restore.now()) < restore.bounds.shown_within or (restore.now() - since).total_seconds() < restore.bounds.looks_apart:
        raise NotReady(f"EC2 does not show the worker {row.instance_id}: waiting for a second look")
    return row, None


def _noted(restore: Restore, row: JobRow, **seen: Any) -> JobRow:
    row = row.model_copy(update=seen)
    _save(restore.ledger, row)
    return row


def _listened_for(restore: Restore, target: TargetAccount, row: JobRow) -> JobRow:
    """The row after a look whether SSM hears the worker. A program that still tells its progress works on, whatever the agent does."""
    is_heard = agent.is_heard(target, row.instance_id)
    if is_heard is None or (is_heard and row.unheard_since is None):
        return row
    if is_heard:
        return _noted(restore, row, unheard_since=None, last_progress=None)
    progress = _progress(restore, row.name)
    if row.unheard_since is None or progress != row.last_progress:
        return _noted(restore, row, unheard_since=restore.now(), last_progress=progress)
    return row


def _progress(restore: Restore, name: str) -> str | None:
    """The ETag of what the job's program last told of itself; None if it has told nothing yet."""
    key = keys.job_prefix(restore.ledger.restore_id, name) + "progress.json"
    try:
        return restore.surroundings.control.s3.head_object(Bucket=restore.settings.evidence_bucket, Key=key)["ETag"]
    except ClientError as error:
        if error_code(error) in ("NoSuchKey", "404"):
            return None
        raise


def _lost(status: str | None, row: JobRow, minutes: int, restore: Restore) -> RestoreError | None:
    """Why no result can be expected any more, whatever the command says."""
    now = restore.now()
    work = f"while it worked on the job {row.name}{_of_several(row)}: start the restore again"
    if status not in shown_instances.ALIVE:
        return WorkerLost(f"The worker {row.instance_id} is {status or 'gone'} {work}")
    if row.unheard_since and (now - row.unheard_since).total_seconds() >= restore.bounds.agent_unheard_within:
        return WorkerLost(
            f"The worker {row.instance_id} is {status}, and SSM has not heard its agent since {row.unheard_since:%H:%M} UTC {work}"
        )
    if _age(row, now) > minutes * 60:
        return WorkerTimedOut(f"The job {row.name} was not done after {minutes} minutes: raise worker.maxRunHours")
    return None


def _of_several(row: JobRow) -> str:
    return f", as {row.workers - 1} before it" if row.workers > 1 else ""


def _may_run(target: TargetAccount, row: JobRow, now: datetime) -> bool:
    # Any command of the instance counts: a job that was sent twice is done by the first.
    sent = commands.of(target, row.instance_id)
    if any(command.get("Status") in commands.ACTIVE for command in sent):
        return True
    return row.command_id not in [c.get("CommandId") for c in sent] and _age(row, now) < limits.COMMAND_LISTED_WITHIN


def _renewed(restore: Restore, target: TargetAccount, where: Whereabouts, row: JobRow, work: Job) -> bool:
    """Whether another command goes on with a job whose command SSM has ended."""
    is_cut_off = commands.is_cut_off(target, row)
    failed = row.failed_commands + (not is_cut_off)
    if not (_is_carried_on(work) and failed < limits.JOB_COMMANDS) and not (work.kind in RENEWABLE and is_cut_off):
        return False
    command_id = _send_command(restore, target, where, row)
    _save(restore.ledger, row.model_copy(update={"command_id": command_id, "failed_commands": failed}))
    return True


def _age(row: JobRow, now: datetime) -> float:
    return (now - row.sent_at).total_seconds()


def _save(ledger: Ledger, row: JobRow) -> None:
    ledger.table.write(ledger.table.put(_item(ledger, row)))


def _item(ledger: Ledger, row: JobRow) -> dict[str, Any]:
    return {"pk": ledger.restore_id, "sk": JOB + row.name} | row.to_state()
