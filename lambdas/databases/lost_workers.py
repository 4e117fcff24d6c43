"""Whether the worker that has a job is lost. EC2 may not show for a while what runs, an agent may be late, and SSM says of a command whose
agent is gone that it is in progress, for up to 48 hours. So one look means nothing, and what the program writes counts too.
"""

from typing import Any

from botocore.exceptions import ClientError

from dbrestore.contract import keys
from dbrestore.contract.errors import NotReady, RestoreError, WorkerLost, WorkerTimedOut
from dbrestore.contract.refusals import error_code
from lambdas.databases.job_rows import JobRow, age, save
from lambdas.runtime.aws import TargetAccount
from lambdas.runtime.state import Restore
from lambdas.worker import agent, shown_instances


def looked_for(restore: Restore, target: TargetAccount, row: JobRow) -> tuple[JobRow, str | None]:
    """The row and the worker's state after a look. That EC2 doesn't show it once means nothing: raises NotReady until a second look, some
    time later, doesn't find it either."""
    if status := shown_instances.state_of(target.ec2, row.instance_id):
        return (_noted(restore, row, missed_at=None) if row.missed_at else row), status
    since = row.missed_at or restore.now()
    row = row if row.missed_at else _noted(restore, row, missed_at=since)
    if age(row, restore.now()) < restore.bounds.shown_within or (restore.now() - since).total_seconds() < restore.bounds.looks_apart:
        raise NotReady(f"EC2 does not show the worker {row.instance_id}: waiting for a second look")
    return row, None


def _noted(restore: Restore, row: JobRow, **seen: Any) -> JobRow:
    row = row.model_copy(update=seen)
    save(restore.ledger, row)
    return row


def listened_for(restore: Restore, target: TargetAccount, row: JobRow) -> JobRow:
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


def lost(status: str | None, row: JobRow, minutes: int, restore: Restore) -> RestoreError | None:
    """Why no result can be expected any more, whatever the command says."""
    now = restore.now()
    work = f"while it worked on the job {row.name}{_of_several(row)}: start the restore again"
    if status not in shown_instances.ALIVE:
        return WorkerLost(f"The worker {row.instance_id} is {status or 'gone'} {work}")
    if row.unheard_since and (now - row.unheard_since).total_seconds() >= restore.bounds.agent_unheard_within:
        return WorkerLost(
            f"The worker {row.instance_id} is {status}, and SSM has not heard its agent since {row.unheard_since:%H:%M} UTC {work}"
        )
    if age(row, now) > minutes * 60:
        return WorkerTimedOut(f"The job {row.name} was not done after {minutes} minutes: raise worker.maxRunHours")
    return None


def _of_several(row: JobRow) -> str:
    return f", as {row.workers - 1} before it" if row.workers > 1 else ""
