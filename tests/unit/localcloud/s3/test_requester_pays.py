"""A bucket of another account whose requester pays: only who says so reads and copies from it, and `points add` says so if told to."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from dbrestore.contract.errors import SourceAccessDenied
from dbrestore.points.in_s3 import sqlserver
from dbrestore.points.in_s3.copying import Repository
from dbrestore.points.in_s3.source import Source
from localcloud import cloud as local
from localcloud.base.clients import ACCOUNT, Place
from localcloud.cloud import Cloud
from tests.unit.points.sqlserver.backups import Written, backup

OTHER = Place("222222222222", local.REGION)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Cloud]:
    running = local.start(tmp_path, schedules=False)
    try:
        yield running
    finally:
        running.stop()


def test_whoever_pays_says_so(running: Cloud) -> None:
    theirs, ours = running.client("s3", place=OTHER), running.client("s3")
    where = {"CreateBucketConfiguration": {"LocationConstraint": running.region}}
    theirs.create_bucket(Bucket="theirs", **where)
    ours.create_bucket(Bucket="repository", **where)
    theirs.put_object(Bucket="theirs", Key="a.bak", Body=backup(Written()))
    allowed = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "s3:*"}
    resources = {"Resource": ["arn:aws:s3:::theirs", "arn:aws:s3:::theirs/*"]}
    with pytest.raises(SourceAccessDenied, match="of another account the bucket's policy must allow it"):
        sqlserver.add(Source(ours, "theirs"), Repository(ours, "repository"), "crm", ["a.bak"])
    theirs.put_bucket_policy(Bucket="theirs", Policy=json.dumps({"Statement": [allowed | resources]}))
    theirs.put_bucket_request_payment(Bucket="theirs", RequestPaymentConfiguration={"Payer": "Requester"})
    assert theirs.get_bucket_request_payment(Bucket="theirs")["Payer"] == "Requester"

    with pytest.raises(SourceAccessDenied, match="give --requester-pays"):
        sqlserver.add(Source(ours, "theirs"), Repository(ours, "repository"), "crm", ["a.bak"])
    assert "Contents" not in ours.list_objects_v2(Bucket="repository")
    added = sqlserver.add(
        Source(ours, "theirs", requester_pays=True), Repository(ours, "repository", requester_pays=True), "crm", ["a.bak"]
    )

    assert len(added.points) == 1
