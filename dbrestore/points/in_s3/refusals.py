"""What S3's refusals mean for somebody who wants a backup read or copied from where it lies."""

import re
from typing import Final

from botocore.exceptions import ClientError

from dbrestore.contract.errors import (
    BackupArchived,
    RestoreError,
    SourceAccessDenied,
    SourceChanged,
    SourceNotFound,
)
from dbrestore.contract.refusals import error_code

_NO_BUCKET: Final = "NoSuchBucket"
_MISSING: Final = ("NoSuchKey", "404", "NotFound")
_GONE: Final = ("NoSuchVersion", "PreconditionFailed", "412", "InvalidRange", "416", "405", "MethodNotAllowed")
_DENIED: Final = ("AccessDenied", "403", "Forbidden", "AllAccessDisabled")
_KEY_REFUSED: Final = ("KMS.DisabledException", "KMS.NotFoundException", "KMS.KMSInvalidStateException", "KMS.AccessDeniedException")
# As KMS says it and S3 passes it on: who, what, and of which key.
_OF_KMS: Final = re.compile(
    r"(?P<who>arn:[\w-]+:(?:iam|sts)::\d{12}:\S+) is not authorized to perform: (?P<action>kms:\w+) on (?:the )?resource: "
    r"(?P<key>arn:[\w-]+:kms:[\w-]+:\d{12}:\S+)"
)
# What whoever writes an encrypted copy asks of its key.
_OF_COPIES: Final = "kms:GenerateDataKey"
_ARCHIVED: Final = ("InvalidObjectState", "ObjectNotInActiveTierError")


def explained(error: ClientError, what: str) -> RestoreError | ClientError:
    """The error that says what to do; `what` is the object, the bucket or the prefix. The SDK's own if nothing is known of it."""
    code = error_code(error)
    message = error.response.get("Error", {}).get("Message", "")
    if code == _NO_BUCKET:
        return SourceNotFound(f"{what}: there is no such bucket: compare the name, and --region if it lies in another partition")
    if code in _MISSING:
        return SourceNotFound(f"{what}: there is nothing: compare the name; `dbrestore points discover` lists what is there")
    if code in _GONE:
        return SourceChanged(f"{what}: was replaced or deleted after it had been looked at: wait until the backup is written, then add it")
    if code in _ARCHIVED:
        return archived(what)
    if code in _DENIED and (refused := _OF_KMS.search(message)):
        return _by_key(what, **refused.groupdict())
    if code in _KEY_REFUSED or (code in _DENIED and "kms" in message.lower()):
        return SourceAccessDenied(f"{what}: its KMS key doesn't let the caller decrypt ({message}): allow kms:Decrypt in the key's policy")
    if code in _DENIED:
        return SourceAccessDenied(
            f"{what}: S3 denies it ({message or code}): allow the caller s3:ListBucket on the bucket, s3:GetObject and s3:GetObjectVersion "
            "on its objects; of another account the bucket's policy must allow it too; if the requester pays, give --requester-pays"
        )
    return error


def _by_key(what: str, who: str, action: str, key: str) -> SourceAccessDenied:
    """Who needs which right on which key: S3 passes on what KMS says."""
    owner, asking = key.split(":")[4], role(who)
    both = "" if asking.split(":")[4] == owner else f", and a policy of {asking} must, too"
    whose = "the copy's" if action.startswith(_OF_COPIES) else "its"
    return SourceAccessDenied(
        f"{what}: {whose} KMS key {key} refuses {action} to {who}: account {owner} must allow {asking} {action} in the key's policy{both}. "
        f"AWS's own key (alias aws/s3) can't be shared: then its owner copies the backup under another key"
    )


def role(who: str) -> str:
    """What stands in policies: of an assumed role's session the role, whose path nobody tells."""
    parts = who.split(":", 5)
    kind, _, rest = parts[5].partition("/")
    return f"arn:{parts[1]}:iam::{parts[4]}:role/{rest.partition('/')[0]}" if kind == "assumed-role" else who


def archived(what: str) -> BackupArchived:
    """The error for an object that S3 must retrieve before it can be read or copied."""
    return BackupArchived(
        f"{what}: is archived, so neither read nor copied: retrieve it first (`points add --retrieve`, or aws s3api restore-object), then "
        "add it"
    )
