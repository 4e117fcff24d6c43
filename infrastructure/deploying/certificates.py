"""The certificates by which workers know the databases: from AWS's own site, whose certificate is checked, into the evidence bucket."""

import ssl
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from dbrestore.contract.names import CA_BUNDLE_KEY
from dbrestore.contract.refusals import error_code

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SECONDS = 60


class CertificatesNotProvided(Exception):
    """The message says what is wrong with the source."""


def provide(s3: "S3Client", bucket: str, source: str) -> bool:
    """Put the PEM bundle from a path or an https URL where workers read it, unless one is there: it may be somebody's own. Whether it was
    put. Raises CertificatesNotProvided."""
    if _is_there(s3, bucket):
        return False
    bundle = _checked(read(source), source)
    try:
        # Whom workers trust is never overwritten, by nobody who was late either.
        s3.put_object(Bucket=bucket, Key=CA_BUNDLE_KEY, Body=bundle, IfNoneMatch="*")
    except ClientError as error:
        if error_code(error) not in ("PreconditionFailed", "ConditionalRequestConflict"):
            raise
        return False
    return True


def _is_there(s3: "S3Client", bucket: str) -> bool:
    try:
        s3.head_object(Bucket=bucket, Key=CA_BUNDLE_KEY)
    except ClientError as error:
        if error_code(error) not in ("404", "NoSuchKey"):
            raise
        return False
    return True


def read(source: str) -> bytes:
    """A path's or an https URL's content. Raises CertificatesNotProvided."""
    try:
        if not source.startswith("https://"):
            return Path(source).read_bytes()
        with urllib.request.urlopen(source, timeout=SECONDS) as answer:  # noqa: S310 - https alone
            return bytes(answer.read())
    except OSError as error:
        raise CertificatesNotProvided(
            f"{source} can't be read ({error}): download it on a computer that reaches it, and name the file with CERTIFICATES=FILE"
        ) from error


def _checked(bundle: bytes, source: str) -> bytes:
    """A proxy's page of refusal is no trust store."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=bundle.decode("ascii"))
    except (ssl.SSLError, ValueError) as error:
        raise CertificatesNotProvided(f"{source} holds no certificates that can be read ({error})") from error
    return bundle
