"""Files of a restore point that lie in somebody's bucket: whether each is still the version that was added, and may be read.

Nobody keeps them for us: their owner may delete them, archive them, or take rights away, on any day.
"""

from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from dbrestore.contract.errors import BackupDamaged, RestoreError, SourceAccessDenied
from dbrestore.contract.keys import StoredPlace
from dbrestore.contract.manifest import ObjectReference, StoredFile
from dbrestore.contract.refusals import error_code
from dbrestore.points.in_s3.refusals import explained
from dbrestore.points.ranges import ALLOW_IN_PLACE

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef

# HeadObject has no text to an error. 400: what can't be the id of a version; 405: the id is a delete marker's.
_GONE: Final = ("404", "NoSuchKey", "NoSuchVersion", "NoSuchBucket", "400", "405", "MethodNotAllowed")
_DENIED: Final = ("403", "AccessDenied", "Forbidden")
_ADVICE: Final = "choose another restore point; whoever keeps that bucket may say what became of it"


def refused(error: ClientError, reference: ObjectReference) -> RestoreError | ClientError:
    """What S3's refusal of a look means; its own error if nothing is known of it."""
    code = error_code(error)
    if code in _GONE:
        return BackupDamaged(f"{reference.place} is gone, which the restore point refers to: {_ADVICE}")
    if code in _DENIED:
        return denied(reference.place)
    return error


def denied(place: StoredPlace) -> SourceAccessDenied:
    """The error for what this function's role may not do with a version."""
    return SourceAccessDenied(f"{place}: S3 denies it: {ALLOW_IN_PLACE}")


def require_same(file: StoredFile, reference: ObjectReference, head: "HeadObjectOutputTypeDef") -> None:
    """Raises BackupDamaged if S3 tells another ETag or length than when the point was made."""
    if (head["ETag"], head["ContentLength"]) != (reference.etag, file.length):
        told = f"has the ETag {head['ETag']} and {head['ContentLength']:,} bytes"
        raise BackupDamaged(f"{reference.place} {told}, and the manifest says {reference.etag} and {file.length:,}: {_ADVICE}")


def require_decryptable(s3: "S3Client", files: Sequence[StoredFile]) -> None:
    """One byte of one file of each bucket, for a look needs no KMS key and reading does. Raises SourceAccessDenied. `files` must not be
    archived."""
    first = {file.reference.bucket: file.reference for file in reversed(files) if file.reference and file.length}
    for reference in first.values():
        try:
            with closing(s3.get_object(**reference.place.arguments, Range="bytes=0-0")["Body"]) as body:
                body.read()
        except ClientError as error:
            raise explained(error, str(reference.place)) from error
