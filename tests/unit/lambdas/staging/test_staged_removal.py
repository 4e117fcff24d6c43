"""The remover takes everything, sees it gone, and waits for who is still at work."""

import threading
from dataclasses import replace
from typing import Any

import pytest
from moto.core.botocore_stubber import BotocoreStubber
from moto.s3.models import S3Backend

from dbrestore.contract.errors import NotReady, RestoreClosed
from tests.statemachine.plain_moto import Died
from tests.unit.lambdas.staging.staged_backups import BUCKET, LOG, _died, requests, there
from tests.unit.lambdas.staging.staged_restores import (
    ROLE,
    Account,
    big,
    bucket_name,
    until_done,
)
from tests.unit.points.sqlserver.backups import Written

__all__ = ["there"]


def test_the_remover_takes_everything_and_saw_it_gone(there: Account) -> None:
    restore = there.restore(there.point(big(6), LOG))
    until_done(restore.stage)

    until_done(restore.remove)

    assert there.buckets() == []
    for kind in ("bucket", "staged-objects"):
        row = restore.row(kind)
        assert row.state == "DELETED"
        assert row.seen_absent_at
    assert restore.remove() == {}


def test_a_bucket_that_is_still_there_is_not_called_gone(there: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    restore = there.restore(there.point(Written()))
    until_done(restore.stage)

    with monkeypatch.context() as patch:
        patch.setattr(S3Backend, "delete_bucket", S3Backend.get_bucket)
        with pytest.raises(NotReady, match="to be gone"):
            restore.remove()

    assert restore.row("bucket").state == "CREATED"
    until_done(restore.remove)
    assert there.buckets() == []


def test_versions_uploads_and_strangers_objects_do_not_keep_the_bucket(there: Account) -> None:
    restore = there.restore(there.point(big(6)))
    until_done(restore.stage)
    there.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    for key in (f"{restore.prefix}1/01-full/s-01.bak", "somebody/else"):
        there.s3.put_object(Bucket=BUCKET, Key=key, Body=b"1")
        there.s3.put_object(Bucket=BUCKET, Key=key, Body=b"2")
        there.s3.delete_object(Bucket=BUCKET, Key=key)
        there.s3.create_multipart_upload(Bucket=BUCKET, Key=key)

    until_done(restore.remove)

    assert there.buckets() == []


def test_a_restore_that_staged_nothing_is_removed_by_the_ledger_alone(there: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    restore = there.restore(there.point(Written()))
    asked = requests(monkeypatch)

    assert restore.remove() == {}

    # And the bus is told that the state began.
    assert {service for service, _ in asked} == {"dynamodb", "eventbridge"}


def test_one_restore_ends_while_another_still_reads(there: Account) -> None:
    other_role = ROLE + "-of-another-instance"
    point = there.point(big(6), LOG)
    first, second = there.restore(point), there.restore(point, "restore-2", other_role)
    until_done(first.stage)
    until_done(second.stage)

    until_done(first.remove)

    assert {key.split("/")[0] for key in there.objects(BUCKET)} == {second.plan.restore_id}
    policy = there.s3.get_bucket_policy(Bucket=BUCKET)["Policy"]
    assert other_role in policy
    assert first.plan.restore_id not in policy
    assert first.row("bucket").seen_absent_at is None
    assert second.plan.restore_id in (first.row("bucket").note or "")
    assert first.row("staged-objects").seen_absent_at
    until_done(second.remove)
    assert there.buckets() == []
    third = there.restore(point, "restore-3")
    assert until_done(third.stage)["bucket"] == bucket_name(2)


@pytest.mark.parametrize("lost", ["CreateBucket", "PutBucketPolicy", "CreateMultipartUpload", "UploadPartCopy", "CompleteMultipartUpload"])
def test_who_dies_after_any_request_is_carried_on_and_removed(there: Account, monkeypatch: pytest.MonkeyPatch, lost: str) -> None:
    restore = there.restore(there.point(big(6)))
    dead = threading.Event()
    through = BotocoreStubber.__call__

    def dying(stub: Any, event_name: str, request: Any, **more: Any) -> Any:
        answer = through(stub, event_name, request, **more)
        if event_name.endswith(f".{lost}") and not dead.is_set():
            dead.set()
            raise Died("after the request")
        return answer

    monkeypatch.setattr(BotocoreStubber, "__call__", dying)
    with pytest.raises(Died):
        restore.stage()

    assert until_done(restore.stage)["objects"] == 1
    until_done(restore.remove)
    assert there.buckets() == []


def test_the_remover_waits_for_an_invocation_that_did_not_end_properly(there: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    restore = there.restore(there.point(big(6)))
    there.bounds = replace(there.bounds, visible_after=150)
    with monkeypatch.context() as patch:
        patch.setattr(S3Backend, "create_multipart_upload", _died)
        with pytest.raises(Died):
            restore.stage()

    for _ in range(2):
        with pytest.raises(NotReady, match="did not end properly"):
            restore.remove()


def test_the_remover_waits_for_nobody_after_invocations_that_ended(there: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    restore = there.restore(there.point(big(6)))
    there.bounds = replace(there.bounds, visible_after=150)
    until_done(restore.stage)

    restore.remove()

    assert there.buckets() == []


def test_a_restore_that_closes_stages_nothing_more(there: Account) -> None:
    restore = there.restore(there.point(Written()))
    restore.ledger.advance("CLOSING")

    with pytest.raises(RestoreClosed):
        restore.stage()

    assert there.buckets() == []
    assert restore.ledger.rows() == ()
