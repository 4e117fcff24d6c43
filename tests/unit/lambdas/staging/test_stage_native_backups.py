"""Native backups on their way into the temporary bucket: what is copied, what is compared, and what is left when it ends."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from moto.core.botocore_stubber import BotocoreStubber
from moto.s3.models import S3Backend

from dbrestore.contract.errors import NotReady
from tests.statemachine.plain_moto import Died
from tests.unit.lambdas.staging.staged_backups import BUCKET, LOG, UNEQUAL, _died, files, parts, requests, stage_until, stored, there
from tests.unit.lambdas.staging.staged_restores import (
    ACCOUNT,
    MIB,
    ROLE,
    Account,
    big,
    until_done,
)
from tests.unit.points.sqlserver.backups import Written

__all__ = ["parts", "there"]


def test_small_and_large_files_lie_where_rds_will_read_them(there: Account) -> None:
    point = there.point(big(12, stripe=1, stripes=2, free=UNEQUAL), Written(stripe=2, stripes=2, free=UNEQUAL), LOG)
    restore = there.restore(point)

    told = until_done(restore.stage)

    found = there.objects(BUCKET)
    places = ["1/01-full/s-01.bak", "1/01-full/s-02.bak", "1/02-log/s-01.bak"]
    assert list(found) == [restore.prefix + place for place in places]
    for source, copy in zip(files(point), found, strict=True):
        assert stored(there, "repository", source) == stored(there, BUCKET, copy)
    expected = {"bucket": BUCKET, "prefix": restore.prefix, "objects": 3, "bytes": sum(found.values())}
    assert told == expected
    assert restore.stage() == expected
    assert there.uploads(BUCKET) == []


def test_only_what_the_point_in_time_needs_is_copied(there: Account) -> None:
    later = replace(LOG, set_id=UUID(int=4), first=(21, 180, 1), last=(21, 190, 1), begun=datetime(2023, 3, 2))
    point = there.point(Written(finished=Written.begun), LOG, later)
    restore = there.restore(point, stop_at=datetime(2023, 2, 28, 23, 59, 59))

    until_done(restore.stage)

    assert [key.removeprefix(restore.prefix) for key in there.objects(BUCKET)] == [
        "1/01-full/s-01.bak",
        "1/02-log/s-01.bak",
    ]


def test_rows_stand_in_the_ledger_before_what_they_are_about(there: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    restore = there.restore(there.point(big(6)))
    rows: dict[str, dict[str, str]] = {}
    for name in ("create_bucket", "create_multipart_upload"):
        make = getattr(S3Backend, name)

        def noting(*arguments: Any, _name: str = name, _make: Any = make, **more: Any) -> Any:
            rows[_name] = {row.kind: row.state for row in restore.ledger.rows()}
            return _make(*arguments, **more)

        monkeypatch.setattr(S3Backend, name, noting)

    until_done(restore.stage)

    assert rows["create_bucket"] == {"bucket": "INTENT"}
    assert rows["create_multipart_upload"] == {"bucket": "CREATED", "staged-objects": "INTENT"}
    assert restore.row("staged-objects").name == f"{BUCKET}/{restore.prefix}"
    assert restore.row("bucket").name == BUCKET


def test_the_bucket_is_closed_to_everybody_but_the_role_of_the_option(there: Account) -> None:
    restore = there.restore(there.point(Written()))

    until_done(restore.stage)

    s3, bucket = there.s3, {"Bucket": BUCKET}
    assert set(s3.get_public_access_block(**bucket)["PublicAccessBlockConfiguration"].values()) == {True}
    owner = s3.get_bucket_ownership_controls(**bucket)["OwnershipControls"]["Rules"]
    assert owner == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    (encryption,) = s3.get_bucket_encryption(**bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert encryption["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    assert s3.get_bucket_tagging(**bucket)["TagSet"] == [
        {"Key": "dbrestore:managed", "Value": "true"},
        {"Key": "dbrestore:installation", "Value": "123456789012/eu-central-1/dbrestore"},
    ]
    (rule,) = s3.get_bucket_lifecycle_configuration(**bucket)["Rules"]
    assert (rule["Expiration"]["Days"], rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"]) == (31, 7)
    statements = json.loads(s3.get_bucket_policy(**bucket)["Policy"])["Statement"]
    arn = f"arn:aws:s3:::{BUCKET}"
    assert [(s["Effect"], s["Action"], s["Resource"]) for s in statements] == [
        ("Deny", "s3:*", [arn, f"{arn}/*"]),
        ("Allow", "s3:GetObject", [f"{arn}/{restore.prefix}*"]),
        ("Allow", "s3:ListBucket", arn),
        ("Allow", "s3:GetBucketLocation", arn),
    ]
    assert statements[0]["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert [s["Principal"] for s in statements[1:]] == [{"AWS": ROLE}, {"AWS": ROLE}, {"AWS": [ROLE]}]
    assert statements[2]["Condition"] == {"StringLikeIfExists": {"s3:prefix": [f"{restore.prefix}*"]}}


def test_every_call_about_a_bucket_names_whose_it_must_be(there: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    restore = there.restore(there.point(big(6), LOG))
    without = []
    through = BotocoreStubber.__call__

    def listen(stub: Any, event_name: str, request: Any, **more: Any) -> Any:
        name = event_name.split(".")[-1]
        if "dbrestore-staging" in request.url and "x-amz-expected-bucket-owner" not in request.headers:
            without.append(name)
        if "Copy" in name:
            assert request.headers["x-amz-source-expected-bucket-owner"].decode() == ACCOUNT
        return through(stub, event_name, request, **more)

    monkeypatch.setattr(BotocoreStubber, "__call__", listen)

    until_done(restore.stage)
    until_done(restore.remove)

    assert set(without) == {"CreateBucket"}


@pytest.mark.parametrize("survived", range(6))
def test_who_dies_after_some_parts_is_carried_on(there: Account, parts: list[int], monkeypatch: pytest.MonkeyPatch, survived: int) -> None:
    point = there.point(big(22))
    restore = there.restore(point)
    there.bounds = replace(there.bounds, staging_threads=1)
    copy = S3Backend.upload_part_copy

    def dying(*arguments: Any, **more: Any) -> Any:
        if len(parts) == survived:
            raise Died("between two parts")
        return copy(*arguments, **more)

    with monkeypatch.context() as patch:
        patch.setattr(S3Backend, "upload_part_copy", dying)
        if survived < 5:
            with pytest.raises(Died):
                restore.stage()
    until_done(restore.stage)

    assert parts == [1, 2, 3, 4, 5]
    (copied,) = there.objects(BUCKET)
    assert stored(there, BUCKET, copied) == stored(there, "repository", files(point)[0])


def test_an_invocation_stops_in_time_and_says_how_far_it_came(there: Account, parts: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    restore = there.restore(there.point(big(22)))
    there.bounds = replace(there.bounds, staging_threads=1)

    stage_until(there, restore, lambda: len(parts) == 2, told="2 of 5 parts")
    until_done(restore.stage)

    assert parts == [1, 2, 3, 4, 5]


def test_a_file_that_is_whole_does_not_wait_for_the_others(there: Account, parts: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    point = there.point(big(12, stripe=1, stripes=2, free=UNEQUAL), big(22, stripe=2, stripes=2, free=UNEQUAL))
    restore = there.restore(point)
    there.bounds = replace(there.bounds, staging_threads=1)

    stage_until(there, restore, lambda: len(parts) == 3)
    before = there.objects(BUCKET)
    stage_until(there, restore, lambda: len(parts) == 5)
    after = there.objects(BUCKET)
    until_done(restore.stage)

    assert (list(before), list(after)) == ([], [f"{restore.prefix}1/01-full/s-01.bak"])
    assert len(there.objects(BUCKET)) == 2
    assert parts == [1, 2, 3, 1, 2, 3, 4, 5]


def test_the_file_that_lacks_the_fewest_parts_is_copied_first(there: Account, parts: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    restore = there.restore(there.point(big(22, stripe=1, stripes=2, free=UNEQUAL), big(12, stripe=2, stripes=2, free=UNEQUAL)))
    there.bounds = replace(there.bounds, staging_threads=1)

    until_done(restore.stage)

    assert parts == [1, 2, 3, 1, 2, 3, 4, 5]


def test_two_invocations_at_once_make_one_whole_copy(there: Account) -> None:
    point = there.point(big(16, stripe=1, stripes=2, free=UNEQUAL), big(11, stripe=2, stripes=2, free=UNEQUAL))
    restore = there.restore(point)

    with ThreadPoolExecutor(2) as threads:
        told = list(threads.map(lambda _: until_done(restore.stage, 50), range(2)))

    assert told[0] == told[1]
    for source, copy in zip(files(point), there.objects(BUCKET), strict=True):
        assert stored(there, "repository", source) == stored(there, BUCKET, copy)


def test_of_several_uploads_of_a_file_one_is_carried_on(there: Account, parts: list[int]) -> None:
    restore = there.restore(there.point(big(6)))
    there.s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    key = f"{restore.prefix}1/01-full/s-01.bak"
    begun = sorted(there.s3.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"] for _ in range(3))

    until_done(restore.stage)

    left = [upload["UploadId"] for upload in there.s3.list_multipart_uploads(Bucket=BUCKET)["Uploads"]]
    assert sorted(left) == begun[1:]
    assert sorted(parts) == [1, 2]
    until_done(restore.remove)
    assert there.buckets() == []


def test_an_upload_that_another_invocation_ended_is_no_error(there: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    restore = there.restore(there.point(big(6)))
    complete = S3Backend.complete_multipart_upload

    def twice(backend: Any, bucket: str, upload: str, body: Any) -> Any:
        listed = list(body)
        complete(backend, bucket, upload, iter(listed))
        return complete(backend, bucket, upload, iter(listed))

    with monkeypatch.context() as patch:
        patch.setattr(S3Backend, "complete_multipart_upload", twice)
        with pytest.raises(NotReady, match="another invocation"):
            restore.stage()

    assert until_done(restore.stage)["objects"] == 1


def test_parts_of_another_plan_are_copied_again(there: Account, parts: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    point = there.point(big(12))
    restore = there.restore(point)
    there.bounds = replace(there.bounds, staging_threads=1)
    copy = S3Backend.upload_part_copy
    with monkeypatch.context() as patch:
        patch.setattr(S3Backend, "upload_part_copy", lambda *a, **more: _died() if parts else copy(*a, **more))
        with pytest.raises(Died):
            restore.stage()

    there.bounds = replace(there.bounds, staging_part_bytes=6 * MIB)
    until_done(restore.stage)

    assert parts == [1, 1, 2, 3]
    (copied,) = there.objects(BUCKET)
    assert stored(there, BUCKET, copied) == stored(there, "repository", files(point)[0])


def test_what_is_staged_and_compared_is_not_looked_at_again(there: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    restore = there.restore(there.point(big(6)))
    until_done(restore.stage)
    asked = requests(monkeypatch)

    restore.stage()

    assert [name for service, name in asked if service == "s3"] == ["GetObject"]
