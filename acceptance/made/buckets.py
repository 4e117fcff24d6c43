"""Buckets: made for the run, and removed with every version of what is in them."""

from typing import Any

from botocore.exceptions import ClientError

from acceptance import tags
from acceptance.account import TriedAccount
from acceptance.diary import Diary
from acceptance.made.kinds import Kind, absent

BUCKET = "bucket"
# The only Region whose name CreateBucket doesn't take.
WITHOUT_A_NAME = "us-east-1"


def create(account: TriedAccount, diary: Diary, name: str) -> str:
    """A private bucket of the run's; its name."""
    s3 = account.client("s3")
    diary.note(BUCKET, name)
    where: dict[str, Any] = {} if account.here == WITHOUT_A_NAME else {"CreateBucketConfiguration": {"LocationConstraint": account.here}}
    s3.create_bucket(Bucket=name, **where)
    s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": tags.upper(diary.run)})
    closed = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True)
    s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=closed)
    return name


def _remove(account: TriedAccount, name: str) -> None:
    s3 = account.client("s3")
    try:
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=name):
            found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
            versions = [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in found]
            if versions:
                s3.delete_objects(Bucket=name, Delete={"Objects": versions, "Quiet": True})
        for upload in s3.list_multipart_uploads(Bucket=name).get("Uploads", []):
            s3.abort_multipart_upload(Bucket=name, Key=upload["Key"], UploadId=upload["UploadId"])
        s3.delete_bucket(Bucket=name)
    except ClientError as error:
        # Meanwhile S3 may have written another file of the access log: the next look removes it.
        absent(error, "NoSuchBucket", "BucketNotEmpty")


def exists(account: TriedAccount, name: str) -> bool:
    """Whether the account has it."""
    try:
        account.client("s3").head_bucket(Bucket=name)
    except ClientError as error:
        return not absent(error, "404", "NoSuchBucket")
    return True


KINDS = {BUCKET: Kind(_remove, exists)}
