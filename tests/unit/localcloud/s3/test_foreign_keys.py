"""A backup under a KMS key of another account: the error names the key and who needs which right, and nothing stays; with it, it is
added."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from dbrestore.contract.errors import SourceAccessDenied
from dbrestore.points.in_s3 import copying, postgresql, sqlserver
from dbrestore.points.in_s3.copying import Repository
from dbrestore.points.in_s3.source import Source
from localcloud import cloud as local
from localcloud.base.clients import ACCOUNT, Place
from localcloud.cloud import Cloud
from tests.unit.localcloud.iam.test_accounts import make_role
from tests.unit.points.pgdump import archives
from tests.unit.points.sqlserver.backups import Written, backup

OTHER = Place("222222222222", local.REGION)
US = f"arn:aws:iam::{ACCOUNT}:root"


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Cloud]:
    running = local.start(tmp_path, schedules=False)
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture
def key(running: Cloud) -> str:
    """Of the other account, whose bucket `theirs` has backups under it, and lets us read them."""
    theirs = running.client("s3", place=OTHER)
    where = {"CreateBucketConfiguration": {"LocationConstraint": running.region}}
    theirs.create_bucket(Bucket="theirs", **where)
    running.client("s3").create_bucket(Bucket="repository", **where)
    allowed = {"Effect": "Allow", "Principal": {"AWS": US}, "Action": "s3:*", "Resource": ["arn:aws:s3:::theirs", "arn:aws:s3:::theirs/*"]}
    theirs.put_bucket_policy(Bucket="theirs", Policy=json.dumps({"Statement": [allowed]}))
    made = running.client("kms", place=OTHER).create_key()["KeyMetadata"]["Arn"]
    for name, body in {"a.bak": backup(Written()), "a.dump": archives.custom(archives.shop("zstd"))}.items():
        theirs.put_object(Bucket="theirs", Key=name, Body=body, ServerSideEncryption="aws:kms", SSEKMSKeyId=made)
    return str(made)


def test_a_key_of_others_is_named_with_who_needs_which_right(running: Cloud, key: str) -> None:
    ours = running.client("s3")

    for add in (
        lambda: sqlserver.add(Source(ours, "theirs"), Repository(ours, "repository"), "crm", ["a.bak"]),
        lambda: postgresql.prepare(Source(ours, "theirs"), Repository(ours, "repository"), "crm", [(None, "a.dump")]),
    ):
        with pytest.raises(SourceAccessDenied) as told:
            add()
        assert f"its KMS key {key} refuses kms:Decrypt to {US}: account 222222222222 must allow {US} kms:Decrypt" in str(told.value)
        assert f", and a policy of {US} must, too" in str(told.value)
    assert "Contents" not in ours.list_objects_v2(Bucket="repository")


def test_a_copy_is_judged_like_a_read(running: Cloud, key: str) -> None:
    ours = running.client("s3")
    pinned = Source(ours, "theirs").pinned("a.dump")

    with pytest.raises(SourceAccessDenied, match="kms:Decrypt"):
        copying.copy([copying.Wanted(pinned, "points/a.dump")], Repository(ours, "repository"), "points/", copying.UNHURRIED)


def test_with_the_right_it_is_added(running: Cloud, key: str) -> None:
    allowed = {"Effect": "Allow", "Principal": {"AWS": US}, "Action": "kms:Decrypt", "Resource": "*"}
    running.client("kms", place=OTHER).put_key_policy(KeyId=key, PolicyName="default", Policy=json.dumps({"Statement": [allowed]}))
    ours = running.client("s3")

    added = sqlserver.add(Source(ours, "theirs"), Repository(ours, "repository"), "crm", ["a.bak"])

    assert len(added.points) == 1


@pytest.mark.parametrize(("service", "may_read"), [("s3.*.amazonaws.com", True), ("dynamodb.*.amazonaws.com", False)])
def test_s3_asks_for_the_key_in_its_own_name(running: Cloud, key: str, service: str, may_read: bool) -> None:
    reader = f"arn:aws:iam::{ACCOUNT}:role/reader"
    make_role(
        running,
        reader,
        {"Principal": {"Service": "lambda.amazonaws.com"}},
        {"Action": "s3:*"},
        {"Action": "kms:Decrypt", "Condition": {"StringLike": {"kms:ViaService": service}}},
    )
    by_us = {"Effect": "Allow", "Principal": {"AWS": US}, "Action": "kms:Decrypt", "Resource": "*"}
    running.client("kms", place=OTHER).put_key_policy(KeyId=key, PolicyName="default", Policy=json.dumps({"Statement": [by_us]}))

    def read() -> object:
        return running.client("s3", reader).get_object(Bucket="theirs", Key="a.dump")

    if may_read:
        assert read()
    else:
        with pytest.raises(ClientError, match="kms:Decrypt"):
            read()
