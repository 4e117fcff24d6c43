"""A version in another account's bucket needs the right for versions, and its key's: whoever lacks one is told which."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dbrestore.contract.errors import SourceAccessDenied
from dbrestore.contract.manifest import ObjectReference, StoredFile
from dbrestore.points.ranges import read_range
from lambdas.archive import files as archive_files
from lambdas.archive import references
from localcloud import cloud as local
from localcloud.base.clients import ACCOUNT, Place
from localcloud.cloud import Cloud

OTHER = Place("222222222222", local.REGION)
US = f"arn:aws:iam::{ACCOUNT}:root"


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Cloud]:
    running = local.start(tmp_path, schedules=False)
    try:
        yield running
    finally:
        running.stop()


def allow(theirs: Any, *actions: str) -> None:
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": US},
        "Action": list(actions),
        "Resource": ["arn:aws:s3:::theirs", "arn:aws:s3:::theirs/*"],
    }
    theirs.put_bucket_policy(Bucket="theirs", Policy=json.dumps({"Statement": [statement]}))


def test_each_right_that_a_reading_needs_is_missed(running: Cloud) -> None:
    theirs, ours = running.client("s3", place=OTHER), running.client("s3")
    theirs.create_bucket(Bucket="theirs", CreateBucketConfiguration={"LocationConstraint": running.region})
    theirs.put_bucket_versioning(Bucket="theirs", VersioningConfiguration={"Status": "Enabled"})
    kms = running.client("kms", place=OTHER)
    key = kms.create_key()["KeyMetadata"]["Arn"]
    told = theirs.put_object(Bucket="theirs", Key="a.dump", Body=b"backup", ServerSideEncryption="aws:kms", SSEKMSKeyId=key)
    reference = ObjectReference(bucket="theirs", key="a.dump", version_id=told["VersionId"], etag=told["ETag"])
    file = StoredFile(key="crm/p/crm/dump.pgdump", length=6, sha256=None, reference=reference)

    # The right to read what is there now isn't that to read a version.
    allow(theirs, "s3:GetObject", "s3:ListBucket")
    with pytest.raises(SourceAccessDenied, match=r"S3 denies it: name the place in configuration/in_place\.json"):
        archive_files.look_at(ours, "repository", file)
    with pytest.raises(SourceAccessDenied, match="S3 denies it to the worker"):
        list(read_range(ours, reference.place, offset=0, length=6))

    # Looking needs no key, reading does.
    allow(theirs, "s3:GetObjectVersion", "s3:ListBucket")
    assert archive_files.look_at(ours, "repository", file).length == 6
    with pytest.raises(SourceAccessDenied, match=f"its KMS key {key} refuses kms:Decrypt"):
        references.require_decryptable(ours, [file])

    allowed = {"Effect": "Allow", "Principal": {"AWS": US}, "Action": "kms:Decrypt", "Resource": "*"}
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=json.dumps({"Statement": [allowed]}))
    references.require_decryptable(ours, [file])
    assert b"".join(read_range(ours, reference.place, offset=0, length=6)) == b"backup"
