"""Archived objects behave as S3's do: unreadable until retrieved, retrieved as their class allows, cold again after their days."""

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from localcloud.base import clock
from localcloud.base.clients import HOME
from localcloud.s3 import glacier, glacier_objects
from localcloud.s3 import objects as s3
from localcloud.s3.glacier import HOUR, MINUTE, WAITS

BUCKET = "archive"
BYTES = b"0123456789"
TIERED = ("ARCHIVE_ACCESS", "DEEP_ARCHIVE_ACCESS")
PAIRS = [(archive, tier) for archive, tiers in WAITS.items() for tier in tiers]


@pytest.fixture(scope="module")
def objects(endpoint: str, home: Any) -> Any:
    s3.install(home)
    client = boto3.client("s3")
    client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    return client


@pytest.fixture
def set_scale() -> Iterator[Callable[[float], None]]:
    with clock.scales() as set_scale:
        yield set_scale


@pytest.fixture
def by_hand(objects: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(glacier_objects, "by_hand", True)


@pytest.fixture
def archived(objects: Any) -> Callable[[str], str]:
    """Puts an object into a class or tier; its key."""

    def put(archive: str) -> str:
        key = uuid.uuid4().hex
        storage_class = "INTELLIGENT_TIERING" if archive in TIERED else archive
        objects.put_object(Bucket=BUCKET, Key=key, Body=BYTES, StorageClass=storage_class)
        if archive in TIERED:
            glacier_objects.move(BUCKET, key, archive)
        return key

    return put


def restore(objects: Any, key: str, tier: str | None = None, days: int | None = 2) -> int:
    """The status of the answer."""
    request: dict[str, Any] = {"Days": days} if days is not None else {}
    if tier:
        request["GlacierJobParameters"] = {"Tier": tier}
    answer = objects.restore_object(Bucket=BUCKET, Key=key, RestoreRequest=request)
    return int(answer["ResponseMetadata"]["HTTPStatusCode"])


def refusal(call: Callable[..., Any], *arguments: Any, **keywords: Any) -> tuple[int, str]:
    """Status and code of the error."""
    with pytest.raises(ClientError) as refused:
        call(*arguments, **keywords)
    response: Any = refused.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


def read(objects: Any, key: str) -> bytes:
    return bytes(objects.get_object(Bucket=BUCKET, Key=key)["Body"].read())


def days_for(archive: str) -> int | None:
    return None if archive in TIERED else 2


@pytest.mark.parametrize("archive", list(WAITS))
def test_what_is_archived_can_be_looked_at_but_not_read_or_copied(
    objects: Any, by_hand: None, archived: Callable[[str], str], archive: str
) -> None:
    key = archived(archive)
    source = {"Bucket": BUCKET, "Key": key}
    upload = objects.create_multipart_upload(Bucket=BUCKET, Key="copy")["UploadId"]
    part: dict[str, Any] = {"Bucket": BUCKET, "Key": "copy", "CopySource": source, "UploadId": upload, "PartNumber": 1}

    head = objects.head_object(Bucket=BUCKET, Key=key)
    refusals = [
        refusal(objects.get_object, Bucket=BUCKET, Key=key),
        refusal(objects.get_object, Bucket=BUCKET, Key=key, Range="bytes=0-3"),
        refusal(objects.copy_object, Bucket=BUCKET, Key="copy", CopySource=source),
        refusal(objects.upload_part_copy, **part),
    ]

    assert refusals == [(403, "InvalidObjectState")] * 4
    assert (head["ContentLength"], head.get("ArchiveStatus"), "Restore" in head) == (
        len(BYTES),
        archive if archive in TIERED else None,
        False,
    )


@pytest.mark.parametrize("archive", ["DEEP_ARCHIVE", "DEEP_ARCHIVE_ACCESS"])
def test_the_refusal_tells_class_and_tier(objects: Any, by_hand: None, archived: Callable[[str], str], archive: str) -> None:
    with pytest.raises(ClientError) as refused:
        read(objects, archived(archive))

    told: Any = refused.value.response
    tiers = ("INTELLIGENT_TIERING", archive) if archive in TIERED else (archive, None)
    assert (told.get("StorageClass"), told.get("AccessTier")) == tiers


@pytest.mark.parametrize("storage_class", ["STANDARD", "STANDARD_IA", "GLACIER_IR"])
def test_what_is_not_archived_is_read_at_once_and_cannot_be_retrieved(
    objects: Any, archived: Callable[[str], str], storage_class: str
) -> None:
    key = archived(storage_class)

    assert read(objects, key) == BYTES
    assert refusal(restore, objects, key) == (403, "InvalidObjectState")


def test_intelligent_tiering_that_is_not_archived_is_in_an_active_tier(objects: Any, archived: Callable[[str], str]) -> None:
    key = archived("INTELLIGENT_TIERING")

    assert read(objects, key) == BYTES
    assert refusal(restore, objects, key, days=None) == (403, "ObjectAlreadyInActiveTierError")


@pytest.mark.parametrize(("archive", "tier"), PAIRS)
def test_a_retrieval_is_accepted_refused_a_second_time_and_ends_readable(
    objects: Any, by_hand: None, archived: Callable[[str], str], archive: str, tier: str
) -> None:
    key = archived(archive)

    first = restore(objects, key, tier, days_for(archive))
    second = refusal(restore, objects, key, tier, days_for(archive))
    under_way = objects.head_object(Bucket=BUCKET, Key=key)["Restore"]
    unreadable = refusal(read, objects, key)
    finished = glacier_objects.finish(BUCKET, key)

    assert (first, second) == (202, (409, "RestoreAlreadyInProgress"))
    assert (under_way, unreadable) == ('ongoing-request="true"', (403, "InvalidObjectState"))
    assert finished == [key]
    assert read(objects, key) == BYTES


@pytest.mark.parametrize("archive", list(WAITS))
def test_without_a_tier_it_is_the_standard_one(objects: Any, by_hand: None, archived: Callable[[str], str], archive: str) -> None:
    key = archived(archive)

    restore(objects, key, None, days_for(archive))

    assert refusal(restore, objects, key, "Standard", days_for(archive)) == (409, "RestoreAlreadyInProgress")
    assert refusal(restore, objects, key, "Bulk", days_for(archive)) == (409, "RestoreAlreadyInProgress")


@pytest.mark.parametrize(
    ("archive", "slow", "fast"),
    [("GLACIER", "Bulk", "Standard"), ("GLACIER", "Standard", "Expedited"), ("DEEP_ARCHIVE", "Bulk", "Standard")],
)
def test_a_faster_tier_speeds_a_retrieval_up(
    objects: Any, set_scale: Callable[[float], None], archived: Callable[[str], str], archive: str, slow: str, fast: str
) -> None:
    key = archived(archive)
    # The faster one is over in half a second, or in 7 ms; the slower one takes seconds.
    set_scale(WAITS[archive]["Standard"] * 2)
    restore(objects, key, slow)

    upgraded = restore(objects, key, fast)

    assert upgraded == 202
    _wait_until(lambda: objects.head_object(Bucket=BUCKET, Key=key)["Restore"].startswith('ongoing-request="false"'), 1)


@pytest.mark.parametrize(
    ("archive", "tier", "days", "expected"),
    [
        ("DEEP_ARCHIVE", "Expedited", 2, (400, "InvalidArgument")),
        ("DEEP_ARCHIVE_ACCESS", "Expedited", None, (400, "InvalidArgument")),
        ("GLACIER", "Standard", None, (400, "MalformedXML")),
        ("DEEP_ARCHIVE", "Bulk", None, (400, "MalformedXML")),
        ("GLACIER", "Standard", 0, (400, "InvalidArgument")),
        ("ARCHIVE_ACCESS", "Standard", 2, (400, "InvalidArgument")),
        ("DEEP_ARCHIVE_ACCESS", "Bulk", 2, (400, "InvalidArgument")),
    ],
)
def test_what_a_class_does_not_offer_is_refused_and_starts_nothing(
    objects: Any,
    by_hand: None,
    archived: Callable[[str], str],
    archive: str,
    tier: str,
    days: int | None,
    expected: Any,
) -> None:
    key = archived(archive)

    assert refusal(restore, objects, key, tier, days) == expected
    assert "Restore" not in objects.head_object(Bucket=BUCKET, Key=key)


def test_an_object_that_does_not_exist_is_missing(objects: Any) -> None:
    assert refusal(restore, objects, "nothing") == (404, "NoSuchKey")


def test_expedited_may_have_no_capacity_while_standard_has(
    objects: Any, by_hand: None, archived: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    key = archived("GLACIER")
    monkeypatch.setattr(glacier, "expedited_has_capacity", False)
    impatient = boto3.client("s3", config=boto3.session.Config(retries={"total_max_attempts": 1}))

    refused = refusal(restore, impatient, key, "Expedited")

    assert refused == (503, "GlacierExpeditedRetrievalNotAvailable")
    assert restore(objects, key, "Standard") == 202


def test_a_temporary_copy_has_a_date_at_midnight_and_a_later_request_extends_it(
    objects: Any, by_hand: None, archived: Callable[[str], str]
) -> None:
    key = archived("GLACIER")
    restore(objects, key, days=2)
    glacier_objects.finish(BUCKET, key)

    first = objects.head_object(Bucket=BUCKET, Key=key)["Restore"]
    again = restore(objects, key, days=9)
    second = objects.head_object(Bucket=BUCKET, Key=key)["Restore"]

    assert again == 200
    assert (first, second) == (_restored_until(3), _restored_until(10))


def _restored_until(days: int) -> str:
    midnight = (datetime.now(UTC) + timedelta(days=days)).replace(hour=0, minute=0, second=0, microsecond=0)
    return f'ongoing-request="false", expiry-date="{format_datetime(midnight, usegmt=True)}"'


def test_a_copy_that_goes_leaves_the_object_cold_and_it_can_be_retrieved_again(
    objects: Any, by_hand: None, archived: Callable[[str], str]
) -> None:
    key = archived("DEEP_ARCHIVE")
    restore(objects, key, "Bulk")
    glacier_objects.finish()

    gone = glacier_objects.expire(BUCKET, key)

    assert gone == [key]
    assert refusal(read, objects, key) == (403, "InvalidObjectState")
    assert "Restore" not in objects.head_object(Bucket=BUCKET, Key=key)
    assert restore(objects, key, "Bulk") == 202


def test_a_retrieval_takes_an_object_out_of_its_access_tier_for_good(objects: Any, by_hand: None, archived: Callable[[str], str]) -> None:
    key = archived("ARCHIVE_ACCESS")
    restore(objects, key, days=None)
    glacier_objects.finish(BUCKET, key)

    gone = glacier_objects.expire(BUCKET, key)

    head = objects.head_object(Bucket=BUCKET, Key=key)
    assert (gone, head["StorageClass"]) == ([], "INTELLIGENT_TIERING")
    assert "Restore" not in head
    assert "ArchiveStatus" not in head
    assert read(objects, key) == BYTES


def test_time_ends_retrievals_and_takes_copies_away(
    objects: Any, archived: Callable[[str], str], set_scale: Callable[[float], None]
) -> None:
    key = archived("GLACIER")
    # 5 hours are half a second, a day is 2.4 seconds.
    set_scale(10 * HOUR)
    started = time.monotonic()

    restore(objects, key, "Standard", days=1)
    # No one has to look at it for that.
    clock.forget()

    assert refusal(read, objects, key) == (403, "InvalidObjectState")
    _wait_until(lambda: "false" in objects.head_object(Bucket=BUCKET, Key=key)["Restore"])
    assert time.monotonic() - started >= 0.5
    assert read(objects, key) == BYTES
    _wait_until(lambda: "Restore" not in objects.head_object(Bucket=BUCKET, Key=key))
    assert time.monotonic() - started >= 2.9
    assert refusal(read, objects, key) == (403, "InvalidObjectState")


def test_lists_tell_classes_and_where_asked_for_how_retrievals_stand(objects: Any, by_hand: None, archived: Callable[[str], str]) -> None:
    bucket = f"listed-{uuid.uuid4().hex[:8]}"
    objects.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    for name in ("at hand", "cold", "retrieved é", "under way"):
        storage_class = "STANDARD" if name == "at hand" else "GLACIER"
        objects.put_object(Bucket=bucket, Key=name, Body=BYTES, StorageClass=storage_class)
    for name in ("retrieved é", "under way"):
        objects.restore_object(Bucket=bucket, Key=name, RestoreRequest={"Days": 2})
    glacier_objects.finish(bucket, "retrieved é")

    told = objects.list_objects_v2(Bucket=bucket, OptionalObjectAttributes=["RestoreStatus"])["Contents"]
    untold = objects.list_objects_v2(Bucket=bucket)["Contents"]

    assert [item["StorageClass"] for item in told] == ["STANDARD", "GLACIER", "GLACIER", "GLACIER"]
    statuses = {item["Key"]: item.get("RestoreStatus") for item in told}
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=3)
    assert statuses == {
        "at hand": None,
        "cold": None,
        "retrieved é": {"IsRestoreInProgress": False, "RestoreExpiryDate": midnight},
        "under way": {"IsRestoreInProgress": True},
    }
    assert not any("RestoreStatus" in item for item in untold)


def test_an_object_changes_its_class_by_a_copy_onto_itself(objects: Any, archived: Callable[[str], str]) -> None:
    key = archived("STANDARD")

    objects.copy_object(Bucket=BUCKET, Key=key, CopySource={"Bucket": BUCKET, "Key": key}, StorageClass="DEEP_ARCHIVE")

    assert objects.head_object(Bucket=BUCKET, Key=key)["StorageClass"] == "DEEP_ARCHIVE"
    assert refusal(read, objects, key) == (403, "InvalidObjectState")


def test_a_copy_of_a_temporary_copy_is_not_archived(objects: Any, by_hand: None, archived: Callable[[str], str]) -> None:
    key = archived("GLACIER")
    restore(objects, key)
    glacier_objects.finish(BUCKET, key)

    objects.copy_object(Bucket=BUCKET, Key=f"{key}-copy", CopySource={"Bucket": BUCKET, "Key": key})

    assert read(objects, f"{key}-copy") == BYTES


@pytest.fixture
def heard(objects: Any) -> Callable[[str], list[dict[str, Any]]]:
    """The events of one object that reached a queue."""
    sqs, events = boto3.client("sqs"), boto3.client("events")
    url = sqs.create_queue(QueueName=f"heard-{uuid.uuid4().hex[:8]}")["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_rule(Name="archive", EventPattern=json.dumps({"source": ["aws.s3"], "detail": {"bucket": {"name": [BUCKET]}}}))
    events.put_targets(Rule="archive", Targets=[{"Id": "queue", "Arn": queue}])
    found: list[dict[str, Any]] = []

    def receive(key: str) -> list[dict[str, Any]]:
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            for message in messages:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                found.append(json.loads(message["Body"]))
        return [event for event in found if event["detail"]["object"]["key"] == key]

    return receive


def _tell_events(objects: Any, is_on: bool) -> None:
    configuration: dict[str, Any] = {"EventBridgeConfiguration": {}} if is_on else {}
    objects.put_bucket_notification_configuration(Bucket=BUCKET, NotificationConfiguration=configuration)


def test_a_bucket_that_tells_eventbridge_tells_how_a_retrieval_begins_ends_and_expires(
    objects: Any, by_hand: None, archived: Callable[[str], str], heard: Callable[[str], list[dict[str, Any]]]
) -> None:
    _tell_events(objects, True)
    key = archived("GLACIER")
    etag = objects.head_object(Bucket=BUCKET, Key=key)["ETag"].strip('"')

    restore(objects, key)
    glacier_objects.finish(BUCKET, key)
    glacier_objects.expire(BUCKET, key)

    initiated, completed, expired = (event for event in heard(key) if "Restore" in event["detail-type"])
    kinds = [event["detail-type"] for event in (initiated, completed, expired)]
    assert kinds == ["Object Restore Initiated", "Object Restore Completed", "Object Restore Expired"]
    midnight = datetime.now(UTC).date() + timedelta(days=3)
    detail = completed["detail"]
    assert (completed["source"], completed["resources"]) == ("aws.s3", [f"arn:aws:s3:::{BUCKET}"])
    assert (completed["account"], completed["region"]) == (HOME.account, HOME.region)
    assert detail["bucket"] == {"name": BUCKET}
    assert detail["object"] == {"key": key, "size": len(BYTES), "etag": etag}
    assert detail["source-storage-class"] == "GLACIER"
    assert detail["restore-expiry-time"] == f"{midnight.isoformat()}T00:00:00Z"


def test_time_tells_the_end_and_the_expiry_by_itself(
    objects: Any,
    archived: Callable[[str], str],
    heard: Callable[[str], list[dict[str, Any]]],
    set_scale: Callable[[float], None],
) -> None:
    _tell_events(objects, True)
    set_scale(3000 * MINUTE)
    keys = [archived("GLACIER") for _ in range(20)]
    before = threading.active_count()

    for key in keys:
        restore(objects, key, "Expedited", days=1)

    assert threading.active_count() - before < 5
    for key in keys:
        _wait_until(lambda key=key: len([e for e in heard(key) if "Restore" in e["detail-type"]]) == 3)


def test_a_bucket_that_does_not_tell_eventbridge_tells_nothing(
    objects: Any, by_hand: None, archived: Callable[[str], str], heard: Callable[[str], list[dict[str, Any]]]
) -> None:
    _tell_events(objects, False)
    key = archived("GLACIER")

    restore(objects, key)
    glacier_objects.finish(BUCKET, key)

    assert heard(key) == []


def test_a_template_switches_the_events_of_its_bucket_on(objects: Any) -> None:
    def bucket(name: str, **properties: Any) -> dict[str, Any]:
        return {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": name, **properties}}

    on = {"NotificationConfiguration": {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}}
    off = {"NotificationConfiguration": {"EventBridgeConfiguration": {"EventBridgeEnabled": False}}}
    template = {"Resources": {"On": bucket("tells", **on), "Off": bucket("silent", **off), "Plain": bucket("plain")}}

    boto3.client("cloudformation").create_stack(StackName="buckets", TemplateBody=json.dumps(template))

    told = {name: objects.get_bucket_notification_configuration(Bucket=name) for name in ("tells", "silent", "plain")}
    assert [name for name, answer in told.items() if "EventBridgeConfiguration" in answer] == ["tells"]


def _wait_until(is_so: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_created_object_is_told_once_with_its_key_as_it_is(objects: Any, heard: Callable[[str], list[dict[str, Any]]]) -> None:
    _tell_events(objects, True)
    key = f"nächtlich 1/{uuid.uuid4()}+%20.dump"
    objects.put_object(Bucket=BUCKET, Key=key, Body=b"1")
    upload = objects.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"]
    part = {"Bucket": BUCKET, "Key": key, "UploadId": upload}
    etag = objects.upload_part(**part, PartNumber=1, Body=b"2")["ETag"]
    objects.complete_multipart_upload(**part, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]})
    objects.copy_object(Bucket=BUCKET, Key=key, CopySource={"Bucket": BUCKET, "Key": key}, MetadataDirective="REPLACE")

    created = [event for event in heard(key) if event["detail-type"] == "Object Created"]

    assert [event["detail"]["reason"] for event in created] == ["PutObject", "CompleteMultipartUpload", "CopyObject"]
    told = [event["detail"]["object"] for event in created]
    assert {one["key"] for one in told} == {key}
    assert all({"key", "size", "etag", "sequencer"} <= set(one) for one in told)
    assert [one["sequencer"] for one in told] == sorted({one["sequencer"] for one in told})
