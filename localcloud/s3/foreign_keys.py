"""Objects under KMS keys of other accounts.

| moto 5.2.5 | fixed to |
|---|---|
| whoever may read an object reads it, whatever its key | a key of another account must allow the caller kms:Decrypt, as must its own role |

HeadObject needs no key. Observed: the message, quoted by many who met it. Keys of the caller's own account aren't judged, as nothing of it
is (localcloud.s3.accounts); a key that nobody made, as AWS's own `aws/s3` of another account, allows nobody.
"""

from collections.abc import Sequence
from typing import Any, Final

from moto.kms.models import kms_backends
from moto.s3.exceptions import S3ClientError
from moto.s3.models import s3_backends

from localcloud.iam import access_policies
from localcloud.iam.access_policies import Question, Statement, statements

DECRYPT: Final = "kms:Decrypt"
_REFUSED: Final = (
    "User: {who} is not authorized to perform: {action} on resource: {key} because the resource does not exist in this Region, no "
    "resource-based policies allow access, or a resource-based policy explicitly denies access"
)


class KeyRefusedError(S3ClientError):  # type: ignore[misc]
    """As S3 passes on what KMS said."""

    code = 403

    def __init__(self, who: str, key: str) -> None:
        super().__init__("AccessDenied", _REFUSED.format(who=who, action=DECRYPT, key=key))


def require_key(response: Any, bucket: str, key: str | None, version_id: str | None, principal: str, own: Sequence[Statement]) -> None:
    """Raises KeyRefusedError for what the caller can't decrypt."""
    arn = _key_of(bucket, key, version_id)
    account = arn.split(":")[4] if arn else response.current_account
    if account == response.current_account:
        return
    # An object's key lies in its bucket's Region, where S3 asks for it in the caller's name (KMS Developer Guide, "kms:ViaService").
    context = {"aws:principalarn": principal, "kms:viaservice": f"s3.{arn.split(':')[3]}.amazonaws.com"}
    question = Question(principal, DECRYPT, arn, context)
    if not access_policies.may(question, own, statements(_policy(arn, account)), account):
        raise KeyRefusedError(principal, arn)


def _key_of(bucket: str, key: str | None, version_id: str | None) -> str:
    """The ARN of the key that the object is encrypted with; empty if it is S3's own."""
    if not key or bucket not in s3_backends.bucket_accounts:
        return ""
    partition, account = s3_backends.bucket_accounts[bucket]
    found = s3_backends[account][partition].get_object(bucket, key, version_id=version_id)
    told = getattr(found, "kms_key_id", None) or ""
    return told if told.startswith("arn:") else ""


def _policy(arn: str, account: str) -> str | None:
    found = kms_backends[account][arn.split(":")[3]].keys.get(arn.rpartition("/")[2])
    return found.policy if found else None
