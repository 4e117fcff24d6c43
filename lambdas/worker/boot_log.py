"""What an instance said while it booted, kept in the evidence when no worker came of it: EC2 forgets it within an hour of the instance's
end."""

from contextlib import suppress
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from dbrestore.contract import keys
from lambdas.runtime.state import Restore
from lambdas.runtime.telemetry import log

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client


def keep(restore: Restore, ec2: "EC2Client", instance_id: str) -> str | None:
    """Copy the console's text, at most the 64 KB that EC2 keeps. Returns where it lies, or None if there is none or it can't be had: that
    a restore lacks a log is no reason for it to fail otherwise."""
    try:
        text = _console(ec2, instance_id)
        if not text:
            return None
        key = keys.boot_log_key(restore.ledger.restore_id, instance_id)
        bucket = restore.settings.evidence_bucket
        restore.surroundings.control.s3.put_object(Bucket=bucket, Key=key, Body=text.encode(), ContentType="text/plain; charset=utf-8")
    except (ClientError, BotoCoreError) as error:
        log.warning("the console of %s could not be kept: %s", instance_id, error)
        return None
    return f"s3://{bucket}/{key}"


def _console(ec2: "EC2Client", instance_id: str) -> str:
    """The newest text where EC2 gives it (of instances on Nitro that still run), else what it fetched last."""
    with suppress(ClientError):
        return ec2.get_console_output(InstanceId=instance_id, Latest=True).get("Output", "")
    return ec2.get_console_output(InstanceId=instance_id).get("Output", "")
