"""What S3's refusals mean for somebody who wants a backup read or copied from where it lies."""

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
    if code in _KEY_REFUSED or (code in _DENIED and "kms" in message.lower()):
        return SourceAccessDenied(f"{what}: its KMS key doesn't let the caller decrypt ({message}): allow kms:Decrypt in the key's policy")
    if code in _DENIED:
        return SourceAccessDenied(
            f"{what}: S3 denies it ({message or code}): allow the caller s3:ListBucket on the bucket, s3:GetObject and s3:GetObjectVersion "
            "on its objects; of another account the bucket's policy must allow it too; if the requester pays, give --requester-pays"
        )
    return error


def archived(what: str) -> BackupArchived:
    """The error for an object that S3 must retrieve before it can be read or copied."""
    return BackupArchived(
        f"{what}: is archived, so neither read nor copied: retrieve it first (aws s3api restore-object, with Days for the time of "
        "copying), then add it"
    )
