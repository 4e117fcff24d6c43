"""Reading byte ranges of the repository's objects. Invariant: a range is delivered once, in order, without a gap, or an error is raised.

A connection that drops is taken up again at the byte that was reached. Nothing here is shared between two reads, so threads
may read through one client.
"""

import hashlib
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Final

from botocore.config import Config
from botocore.exceptions import ClientError, HTTPClientError, IncompleteReadError, ResponseStreamingError
from urllib3.exceptions import SSLError

from dbrestore.contract.errors import BackupArchived, BackupDamaged, RestoreError, SourceAccessDenied
from dbrestore.contract.keys import StoredPlace

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

CHUNK: Final = 1 << 20
# Drops in a row without a single byte; a read that moves on may be taken up again any number of times.
FRUITLESS_ATTEMPTS: Final = 5
CLIENT_CONFIG: Final = Config(
    connect_timeout=10,
    read_timeout=60,
    tcp_keepalive=True,
    max_pool_connections=32,
    retries={"mode": "standard", "total_max_attempts": 5},
)

# botocore translates a broken protocol but not a broken TLS session in the middle of a body.
_VERSION_GONE: Final = ("NoSuchVersion", "MethodNotAllowed", "405")
ALLOW_IN_PLACE: Final = (
    "name the place in configuration/in_place.json and deploy both stacks; a bucket of another account must allow the role in its policy, "
    "and the policy of the object's KMS key kms:Decrypt"
)
_DROPPED: Final = (HTTPClientError, ResponseStreamingError, IncompleteReadError, SSLError)


def verified_range(s3: "S3Client", place: StoredPlace, *, offset: int, length: int, sha256: str, what: str) -> Iterator[bytes]:
    """`read_range` and `verified` in one: the bytes of a member, refused at their end if they aren't what the manifest says."""
    return verified(read_range(s3, place, offset=offset, length=length), length=length, sha256=sha256, what=what)


def read_range(s3: "S3Client", place: StoredPlace, *, offset: int, length: int) -> Iterator[bytes]:
    """`length` bytes of the object from `offset`, in pieces of 1 MiB (the last one, and one at a dropped connection, may be smaller).

    Raises BackupDamaged if the object is gone or too short, BackupArchived if S3 must retrieve it first,
    SourceAccessDenied for what lies in somebody's bucket and is denied, and the SDK's own error when it can't be read at all."""
    position, end, fruitless = offset, offset + length, 0
    while position < end:
        before = position
        try:
            for piece in _attempt(s3, place, position, end):
                position += len(piece)
                yield piece
        except _DROPPED:
            fruitless = 0 if position > before else fruitless + 1
            if fruitless >= FRUITLESS_ATTEMPTS:
                raise
            time.sleep(0.2 * 2**fruitless)


def verified(stream: Iterable[bytes], *, length: int, sha256: str, what: str) -> Iterator[bytes]:
    """The stream itself; at its end raises BackupDamaged, naming `what`, if its length or SHA-256 (hex) is another."""
    digest, seen = hashlib.sha256(), 0
    for piece in stream:
        digest.update(piece)
        seen += len(piece)
        yield piece
    if seen != length:
        raise BackupDamaged(f"{what}: {seen} bytes were read where the manifest says {length}")
    if digest.hexdigest() != sha256:
        raise BackupDamaged(f"{what}: the SHA-256 of the stored bytes is {digest.hexdigest()}, the manifest says {sha256}")


def _attempt(s3: "S3Client", place: StoredPlace, position: int, end: int) -> Iterator[bytes]:
    try:
        response = s3.get_object(**place.arguments, Range=f"bytes={position}-{end - 1}")
    except ClientError as error:
        if damage := _damage(error, place, position, end):
            raise damage from error
        raise
    if response["ContentLength"] != end - position:
        response["Body"].close()
        raise BackupDamaged(f"{place}: the object ends before byte {end}")
    # Entering the body itself would give the bare HTTP response, which takes a cut body for a whole one.
    with closing(response["Body"]) as body:
        while piece := body.read(CHUNK):
            yield piece


def _damage(error: ClientError, place: StoredPlace, position: int, end: int) -> RestoreError | None:
    code = error.response.get("Error", {}).get("Code", "")
    if code in ("NoSuchKey", "404"):
        return BackupDamaged(f"{place}: the object is no longer in the repository")
    if code in _VERSION_GONE:
        return BackupDamaged(f"{place}: somebody deleted this version, which the restore point refers to: choose another restore point")
    if code in ("AccessDenied", "403") and place.version_id:
        told = error.response.get("Error", {}).get("Message", "")
        return SourceAccessDenied(f"{place}: S3 denies it to the worker ({told}): {ALLOW_IN_PLACE}")
    if code == "InvalidObjectState":
        return BackupArchived(f"{place}: the object is archived, and its retrieved copy is gone")
    if code in ("InvalidRange", "416"):
        return BackupDamaged(f"{place}: the object has no bytes {position} to {end - 1}")
    return None
