"""The commands of SSM to a worker, and what it means that one is over."""

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from dbrestore.contract import limits
from dbrestore.contract.deployed.job_document import NEVER_BOOTED
from dbrestore.contract.errors import RestoreError, WorkerFailed, WorkerNotStarted, WorkerTimedOut
from lambdas.runtime.aws import TargetAccount
from lambdas.worker import agent

if TYPE_CHECKING:
    from mypy_boto3_ssm.type_defs import CommandTypeDef, GetCommandInvocationResultTypeDef

    from lambdas.databases.job_rows import JobRow

ACTIVE = ("Pending", "InProgress", "Delayed", "Cancelling")


def of(target: TargetAccount, instance_id: str) -> "list[CommandTypeDef]":
    """The newest commands to the instance."""
    return target.ssm.list_commands(InstanceId=instance_id, MaxResults=50)["Commands"]


def active(target: TargetAccount, instance_id: str) -> "tuple[CommandTypeDef, ...]":
    """Commands that may still run on the instance."""
    return tuple(command for command in of(target, instance_id) if command.get("Status") in ACTIVE)


def is_cut_off(target: TargetAccount, row: "JobRow") -> bool:
    """Whether SSM ended the row's command, which ran."""
    told = next((c for c in of(target, row.instance_id) if c["CommandId"] == row.command_id), None)
    # "Execution Timed Out", not "Delivery Timed Out": it ran, for as long as the document lets it.
    return told is not None and told.get("StatusDetails", "").startswith("Execution")


def never_booted(target: TargetAccount, row: "JobRow") -> bool:
    """Whether the row's command found a worker whose boot script has failed: no command of it ever began the program, and none will."""
    try:
        return _told(target, row).get("ResponseCode") == NEVER_BOOTED
    except ClientError:
        return False


def not_booted(target: TargetAccount, row: "JobRow", console: str | None) -> WorkerNotStarted:
    """What it means; `console` says where the text of the instance's console lies."""
    kept = f"; what it said while it booted lies in {console}" if console else ""
    return WorkerNotStarted(f"The job {row.name} was not begun on {row.instance_id}: {_tail(_told(target, row))}{kept}")


def end(target: TargetAccount, row: "JobRow") -> RestoreError:
    """What it means that the command is over and there is no result."""
    if is_cut_off(target, row):
        return WorkerTimedOut(
            f"The job {row.name} was not done after {limits.COMMAND_HOURS} hours, the longest that SSM lets a command run: restore fewer "
            "databases at a time"
        )
    about_agent = agent.remark(agent.version(target, row.instance_id))
    return WorkerFailed(". ".join(filter(None, (_last_words(target, row), about_agent))))


def _last_words(target: TargetAccount, row: "JobRow") -> str:
    try:
        told = _told(target, row)
    except ClientError as error:
        return f"The worker's command for the job {row.name} ended without a result, and SSM says: {error}"
    return (
        f"The worker's program ended without a result for the job {row.name} ({told.get('StatusDetails')}, exit code "
        f"{told.get('ResponseCode')}). Its last words: {_tail(told) or 'none'}"
    )


def _told(target: TargetAccount, row: "JobRow") -> "GetCommandInvocationResultTypeDef":
    return target.ssm.get_command_invocation(CommandId=row.command_id or "", InstanceId=row.instance_id)


def _tail(told: "GetCommandInvocationResultTypeDef") -> str:
    return told.get("StandardErrorContent", "")[-limits.ERROR_TAIL_CHARACTERS :].strip()
