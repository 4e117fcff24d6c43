"""The buckets of the rules of adoption: whether each tells EventBridge of what arrives in it. Nothing in them is read, and their
notifications are changed by nobody but whoever runs the command in the finding.
"""

import json
import shlex
from collections.abc import Iterator
from typing import Any, Final

from botocore.exceptions import ClientError

from dbrestore.contract.refusals import error_code
from lambdas.configuration import adoption as adoption_configuration
from lambdas.doctor.findings import ASK_FOR_ACCESS, Check, Outcome, doubtful, fine, unseen, wrong
from lambdas.doctor.sides import ControlSide
from lambdas.runtime.aws import translated

COMMAND: Final = "aws s3api put-bucket-notification-configuration --bucket {bucket} --notification-configuration {wanted}"
_ON: Final = "EventBridgeConfiguration"


def announced(control: ControlSide) -> Iterator[Outcome]:
    """Each bucket once, with the rules that wait for its events."""
    rules = adoption_configuration.deployed(control.surroundings.settings.adoption_configuration).rules
    if not rules:
        yield fine("there is no rule of adoption")
    for bucket in sorted({rule.bucket for rule in rules}):
        yield _announced(control, bucket, ", ".join(rule.name for rule in rules if rule.bucket == bucket))


def _announced(control: ControlSide, bucket: str, rules: str) -> Outcome:
    try:
        # In another Region S3 says which, and botocore asks there.
        found = control.surroundings.control.s3.get_bucket_notification_configuration(Bucket=bucket)
    except ClientError as error:
        if error_code(error) == "NoSuchBucket":
            return wrong(f"does not exist: nothing can arrive ({rules})", bucket, f"make the bucket, or correct the rule {rules}")
        told = f"whether it tells EventBridge what arrives ({rules}) can't be seen: {translated(error)}"
        return unseen(told, bucket, f"let the function's role s3:GetBucketNotification in the bucket's policy; {ASK_FOR_ACCESS}")
    if _ON in found:
        return fine(f"tells EventBridge what arrives ({rules})", bucket)
    slow = f"tells EventBridge nothing: what arrives ({rules}) is found by the slow look alone, every lookHours"
    return doubtful(slow, bucket, _command(bucket, dict(found)))


def _command(bucket: str, found: dict[str, Any]) -> str:
    """It replaces everything, so what the bucket tells others is repeated in it."""
    others = {name: value for name, value in found.items() if name != "ResponseMetadata"}
    return COMMAND.format(bucket=bucket, wanted=shlex.quote(json.dumps({**others, _ON: {}})))


CHECKS: Final[tuple[Check[ControlSide], ...]] = (
    Check("adoption-events", "the buckets of the rules of adoption", "run the command in docs/adoption.md (The bucket)", announced),
)
