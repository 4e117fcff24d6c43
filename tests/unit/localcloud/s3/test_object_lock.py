"""Object Lock as S3 has it, as far as the removal of restore points relies on it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from localcloud.s3 import rules

BUCKET = "locked"
YEAR = datetime(2099, 1, 1, tzinfo=UTC)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        rules.install()
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket=BUCKET, ObjectLockEnabledForBucket=True)
        yield client


@pytest.fixture
def retaining(s3: Any) -> Any:
    default = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 3}}}
    s3.put_object_lock_configuration(Bucket=BUCKET, ObjectLockConfiguration=default)
    return s3


def refused(call: Any, **arguments: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(Bucket=BUCKET, **arguments)
    return caught.value.response["Error"]["Code"]


def put(s3: Any, key: str = "k") -> str:
    return str(s3.put_object(Bucket=BUCKET, Key=key, Body=b"1", ChecksumAlgorithm="CRC32")["VersionId"])


def in_parts(s3: Any, key: str) -> None:
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"]
    part = s3.upload_part(Bucket=BUCKET, Key=key, UploadId=upload, PartNumber=1, Body=b"1")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    s3.complete_multipart_upload(Bucket=BUCKET, Key=key, UploadId=upload, MultipartUpload=parts)


def copied(s3: Any, key: str) -> None:
    put(s3, "source")
    s3.copy_object(Bucket=BUCKET, Key=key, CopySource={"Bucket": BUCKET, "Key": "source"})


@pytest.mark.parametrize("make", [put, in_parts, copied])
def test_whatever_becomes_a_version_is_retained_by_the_buckets_default(retaining: Any, make: Any) -> None:
    make(retaining, "k")

    found = retaining.get_object_retention(Bucket=BUCKET, Key="k")["Retention"]

    assert found["Mode"] == "GOVERNANCE"
    assert timedelta(days=2) < found["RetainUntilDate"] - datetime.now(UTC) < timedelta(days=4)
    assert retaining.head_object(Bucket=BUCKET, Key="k")["ObjectLockMode"] == "GOVERNANCE"


def test_a_version_without_a_lock_has_neither_retention_nor_hold_to_show(s3: Any) -> None:
    put(s3)

    assert refused(s3.get_object_retention, Key="k") == "NoSuchObjectLockConfiguration"
    assert refused(s3.get_object_legal_hold, Key="k") == "NoSuchObjectLockConfiguration"


def test_a_retained_version_stays_and_a_delete_marker_may_hide_it(retaining: Any) -> None:
    version = put(retaining)

    assert refused(retaining.delete_object, Key="k", VersionId=version) == "AccessDenied"
    assert retaining.delete_object(Bucket=BUCKET, Key="k")["DeleteMarker"]

    listed = retaining.list_object_versions(Bucket=BUCKET)
    assert [one["VersionId"] for one in listed["Versions"]] == [version]


def test_a_held_version_stays_until_nobody_holds_it(s3: Any) -> None:
    version = put(s3)
    s3.put_object_legal_hold(Bucket=BUCKET, Key="k", LegalHold={"Status": "ON"})

    assert s3.get_object_legal_hold(Bucket=BUCKET, Key="k")["LegalHold"] == {"Status": "ON"}
    assert refused(s3.delete_object, Key="k", VersionId=version, BypassGovernanceRetention=True) == "AccessDenied"

    s3.put_object_legal_hold(Bucket=BUCKET, Key="k", LegalHold={"Status": "OFF"})
    s3.delete_object(Bucket=BUCKET, Key="k", VersionId=version)


def test_a_retention_can_be_made_longer_and_not_shorter(s3: Any) -> None:
    put(s3)
    s3.put_object_retention(Bucket=BUCKET, Key="k", Retention={"Mode": "COMPLIANCE", "RetainUntilDate": YEAR})

    sooner = {"Mode": "COMPLIANCE", "RetainUntilDate": YEAR - timedelta(days=1)}
    assert refused(s3.put_object_retention, Key="k", Retention=sooner) == "AccessDenied"
    s3.put_object_retention(Bucket=BUCKET, Key="k", Retention={**sooner, "RetainUntilDate": YEAR + timedelta(days=1)})


def test_versioning_of_a_bucket_with_locks_cannot_be_suspended(s3: Any) -> None:
    assert refused(s3.put_bucket_versioning, VersioningConfiguration={"Status": "Suspended"}) == "InvalidBucketState"
