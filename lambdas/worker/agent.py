"""The SSM agent on a worker: whether SSM still hears it, and how old it is, for whoever looks for the reason why a job was not done.

Every agent that AWS has put on an image of Amazon Linux 2023 runs the job document; one that is too old for its parameter's way runs it by
the fallback that AWS documents, which is told and refuses nothing.
"""

import re
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from dbrestore.contract.deployed.job_document import KNOWS_VARIABLES
from lambdas.runtime.aws import TargetAccount
from lambdas.runtime.telemetry import log

if TYPE_CHECKING:
    from mypy_boto3_ssm.type_defs import InstanceInformationTypeDef

VERSION = r"\d+(\.\d+){1,3}"


def is_online(target: TargetAccount, instance_id: str) -> bool:
    """Whether SSM hears the instance's agent. Raises ClientError."""
    found = _information(target, instance_id)
    return found is not None and found.get("PingStatus") == "Online"


def is_heard(target: TargetAccount, instance_id: str) -> bool | None:
    """The same of a worker that was online once; None if SSM can't be asked, which is no reason for a restore to fail."""
    try:
        return is_online(target, instance_id)
    except (ClientError, BotoCoreError) as error:
        log.warning("whether SSM hears %s can't be had: %s", instance_id, error)
        return None


def version(target: TargetAccount, instance_id: str) -> str | None:
    """As SSM knows it, also of an instance that it has lost; None if it can't be had: no reason for a restore to fail otherwise."""
    try:
        found = _information(target, instance_id)
    except (ClientError, BotoCoreError) as error:
        log.warning("the version of the SSM agent on %s can't be had: %s", instance_id, error)
        return None
    return found.get("AgentVersion") if found else None


def _information(target: TargetAccount, instance_id: str) -> "InstanceInformationTypeDef | None":
    found = target.ssm.describe_instance_information(Filters=[{"Key": "InstanceIds", "Values": [instance_id]}])
    return next(iter(found["InstanceInformationList"]), None)


def remark(found: str | None) -> str | None:
    """What is to be said about an agent of this version; None if it is new enough, or nobody knows."""
    if not found or not re.fullmatch(VERSION, found) or _numbers(found) >= KNOWS_VARIABLES:
        return None
    newest_known = ".".join(map(str, KNOWS_VARIABLES))
    return (
        f"The worker's image has the SSM agent {found}, which is older than {newest_known} and gets jobs in another way: take a newer "
        "image, or none in worker.imageId for Amazon's newest"
    )


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))
