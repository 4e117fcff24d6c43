"""S3 in memory, with nothing of the developer's own AWS settings."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import boto3
import moto.s3.models
import pytest
from moto import mock_aws

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

BUCKET = "backup-repository"


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator["S3Client"]:
    for name, value in (
        ("AWS_ACCESS_KEY_ID", "testing"),
        ("AWS_SECRET_ACCESS_KEY", "testing"),
        ("AWS_DEFAULT_REGION", "eu-central-1"),
    ):
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    # In memory whatever the size: where the local cloud ran in this process before, objects in files can only be read over HTTP.
    monkeypatch.setattr(moto.s3.models, "get_s3_default_key_buffer_size", lambda: 1 << 30)
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        yield client


def leftovers(s3: "S3Client") -> list[str]:
    """Everything in the bucket that somebody would pay for: objects, all their versions, unfinished uploads."""
    versions = s3.list_object_versions(Bucket=BUCKET)
    found = [v["Key"] for v in (*versions.get("Versions", []), *versions.get("DeleteMarkers", []))]
    return found + [u["Key"] for u in s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])]
