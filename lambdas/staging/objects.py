"""What lies in the temporary bucket under a prefix, removed and seen absent: objects with all their versions, and unfinished uploads."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from dbrestore.contract.errors import NotReady
from dbrestore.contract.refusals import error_code

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import DeleteTypeDef, MultipartUploadTypeDef, ObjectIdentifierTypeDef

MOST_DELETED_AT_ONCE = 1000


def remove(s3: "S3Client", bucket: str, prefix: str, owner: str) -> bool:
    """Delete everything under the prefix and look again; whether S3 knew the bucket. Raises NotReady."""
    try:
        for upload in uploads(s3, bucket, prefix, owner):
            _abort(s3, bucket, upload["Key"], upload["UploadId"], owner)
        _delete(s3, bucket, list(versions(s3, bucket, prefix, owner)), owner)
        left = [found["Key"] for found in (*uploads(s3, bucket, prefix, owner), *versions(s3, bucket, prefix, owner))]
    except ClientError as error:
        if error_code(error) != "NoSuchBucket":
            raise
        return False
    if left:
        raise NotReady(f"waiting for {len(left)} objects under {bucket}/{prefix} to be gone")
    return True


def uploads(s3: "S3Client", bucket: str, prefix: str, owner: str) -> "Iterator[MultipartUploadTypeDef]":
    """Uploads that were begun and neither completed nor aborted."""
    pages = s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=prefix, ExpectedBucketOwner=owner)
    return (upload for page in pages for upload in page.get("Uploads", []))


def versions(s3: "S3Client", bucket: str, prefix: str, owner: str) -> "Iterator[ObjectIdentifierTypeDef]":
    """Every version of every object, and the markers of deleted ones: all of them keep a bucket from being deleted."""
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix, ExpectedBucketOwner=owner)
    for page in pages:
        found: list[Any] = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        for item in found:
            yield {"Key": item["Key"], "VersionId": item["VersionId"]}


def _abort(s3: "S3Client", bucket: str, key: str, upload_id: str, owner: str) -> None:
    try:
        s3.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload_id, ExpectedBucketOwner=owner)
    except ClientError as error:
        if error_code(error) != "NoSuchUpload":
            raise


def _delete(s3: "S3Client", bucket: str, found: "list[ObjectIdentifierTypeDef]", owner: str) -> None:
    for first in range(0, len(found), MOST_DELETED_AT_ONCE):
        some: DeleteTypeDef = {"Objects": found[first : first + MOST_DELETED_AT_ONCE], "Quiet": True}
        refused = s3.delete_objects(Bucket=bucket, Delete=some, ExpectedBucketOwner=owner).get("Errors", [])
        if refused:
            why = refused[0]
            raise NotReady(f"waiting for S3 to delete {why.get('Key')} ({why.get('Code')}: {why.get('Message')})")
