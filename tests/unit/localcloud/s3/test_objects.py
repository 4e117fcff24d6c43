"""The contract of the fixed S3: big objects are streamed, and policies with conditions block nobody."""

import base64
import json
import os
import random
import tracemalloc
import uuid
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from hashlib import md5, sha256
from pathlib import Path
from typing import Any

import boto3
import pytest
from boto3.s3.transfer import TransferConfig
from moto import mock_aws
from moto.s3.models import FakeMultipart
from requests.structures import CaseInsensitiveDict

from localcloud.base.clients import ACCOUNT, REGION
from localcloud.s3 import objects as s3
from localcloud.s3 import rules as s3_rules
from tests.statemachine import plain_moto
from tests.unit.localcloud.ec2.test_security_groups import refusal

MIB = 1 << 20
SIZE = 64 * MIB + 12_345


@pytest.fixture(scope="module")
def objects(endpoint: str, home: Path) -> Any:
    s3.install(home)
    return boto3.client("s3")


@pytest.fixture
def bucket(objects: Any) -> str:
    return new_bucket(objects)


@pytest.fixture(scope="module")
def content() -> bytes:
    return random.Random(1).randbytes(SIZE)


@pytest.fixture(scope="module")
def big(objects: Any, content: bytes, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Bucket and key of an object that was uploaded in parts."""
    source = tmp_path_factory.mktemp("big") / "object"
    source.write_bytes(content)
    place = {"Bucket": new_bucket(objects), "Key": "big"}
    objects.upload_file(str(source), *place.values(), Config=TransferConfig(multipart_chunksize=8 * MIB))
    return place


@pytest.fixture
def peak() -> Iterator[Callable[[], int]]:
    """The most memory that Python held since the test began, server included: it runs in this process."""
    tracemalloc.start()
    yield lambda: tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()


def new_bucket(objects: Any) -> str:
    name = f"bucket-{uuid.uuid4().hex}"
    objects.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    return name


def test_a_copy_of_a_stored_value_holds_the_file_open_by_itself(tmp_path: Path) -> None:
    """moto copies objects to list their versions: with a shared descriptor the second close would hit somebody else's file."""
    path = tmp_path / "object"
    path.write_bytes(b"0123456789")
    with path.open("rb") as file:
        stored = s3.StoredBytes(file.fileno(), 2, 6)

    copied = deepcopy(stored)
    stored.close()

    assert bytes(copied) == b"2345"
    copied.close()


def test_ranges_read_at_the_same_time_are_the_bytes_of_the_object(objects: Any, big: dict[str, str], content: bytes) -> None:
    step = SIZE // 8

    def part(begin: int) -> bytes:
        answer = objects.get_object(**big, Range=f"bytes={begin}-{begin + step - 1}")
        assert answer["ContentRange"] == f"bytes {begin}-{begin + step - 1}/{SIZE}"
        body: bytes = answer["Body"].read()
        return body

    with ThreadPoolExecutor(8) as pool:
        parts = list(pool.map(part, range(0, step * 8, step)))

    assert b"".join(parts) == content[: step * 8]


@pytest.mark.parametrize(
    ("asked", "begin", "end"),
    [("0-0", 0, 1), ("1048575-1048576", MIB - 1, MIB + 1), ("-10", SIZE - 10, SIZE), (f"{SIZE - 3}-", SIZE - 3, SIZE)],
)
def test_the_edges_of_ranges_are_right(objects: Any, big: dict[str, str], content: bytes, asked: str, begin: int, end: int) -> None:
    assert objects.get_object(**big, Range=f"bytes={asked}")["Body"].read() == content[begin:end]


def test_a_range_behind_the_end_is_refused(objects: Any, big: dict[str, str]) -> None:
    assert refusal(objects.get_object, **big, Range=f"bytes={SIZE}-") == "InvalidRange"


def test_the_whole_object_is_what_was_uploaded(objects: Any, big: dict[str, str], content: bytes) -> None:
    answer = objects.get_object(**big)

    assert answer["ContentLength"] == SIZE
    assert sha256(answer["Body"].read()).digest() == sha256(content).digest()
    assert objects.head_object(**big)["ETag"].endswith('-9"')


def test_a_ranged_read_costs_no_copy_of_the_object(objects: Any, big: dict[str, str], peak: Callable[[], int]) -> None:
    objects.get_object(**big, Range="bytes=0-9")["Body"].read()
    tracemalloc.reset_peak()

    objects.get_object(**big, Range="bytes=1000000-1100000")["Body"].read()

    assert peak() < SIZE // 4


def test_joining_the_parts_of_an_upload_costs_no_copy_of_the_object(
    objects: Any, bucket: str, content: bytes, peak: Callable[[], int]
) -> None:
    place = {"Bucket": bucket, "Key": "joined"}
    upload = objects.create_multipart_upload(**place)["UploadId"]
    parts = []
    for number, begin in enumerate(range(0, SIZE, 8 * MIB), 1):
        part = content[begin : begin + 8 * MIB]
        etag = objects.upload_part(**place, UploadId=upload, PartNumber=number, Body=part)["ETag"]
        parts.append({"PartNumber": number, "ETag": etag})
    tracemalloc.reset_peak()
    before, _ = tracemalloc.get_traced_memory()

    objects.complete_multipart_upload(**place, UploadId=upload, MultipartUpload={"Parts": parts})

    assert peak() - before < SIZE
    assert sha256(objects.get_object(**place)["Body"].read()).digest() == sha256(content).digest()


def test_a_part_that_is_sent_again_before_it_was_answered_keeps_its_etag(objects: Any) -> None:
    upload = FakeMultipart("key", CaseInsensitiveDict(), ACCOUNT, REGION)

    first = upload.set_part(1, b"first")
    second = upload.set_part(1, b"second")

    assert [first.etag, second.etag] == [f'"{md5(sent, usedforsecurity=False).hexdigest()}"' for sent in (b"first", b"second")]
    upload.dispose()


def test_wrong_parts_are_refused(objects: Any, bucket: str) -> None:
    place = {"Bucket": bucket, "Key": "wrong"}
    upload = objects.create_multipart_upload(**place)["UploadId"]
    tags = [objects.upload_part(**place, UploadId=upload, PartNumber=n, Body=b"small")["ETag"] for n in (1, 2)]

    def code(*parts: tuple[int, str]) -> str:
        listed = {"Parts": [{"PartNumber": number, "ETag": etag} for number, etag in parts]}
        return refusal(objects.complete_multipart_upload, **place, UploadId=upload, MultipartUpload=listed)

    assert code((1, tags[0]), (3, tags[1])) == "InvalidPart"
    assert code((1, '"0123456789abcdef0123456789abcdef"')) == "InvalidPart"
    assert code((1, tags[0]), (2, tags[1])) == "EntityTooSmall"


def test_an_object_that_is_overwritten_while_it_is_read_is_read_to_its_end(objects: Any, bucket: str, content: bytes) -> None:
    place = {"Bucket": bucket, "Key": "changing"}
    objects.put_object(**place, Body=content)
    body = objects.get_object(**place, Range=f"bytes=0-{SIZE - 1}")["Body"]
    beginning = body.read(MIB)

    objects.put_object(**place, Body=b"new")

    assert beginning + body.read() == content
    assert objects.get_object(**place)["Body"].read() == b"new"


def test_a_big_object_can_be_copied_whole_and_in_ranges(objects: Any, big: dict[str, str], bucket: str, content: bytes) -> None:
    objects.copy_object(Bucket=bucket, Key="copy", CopySource=big)
    place = {"Bucket": bucket, "Key": "cut"}
    upload = objects.create_multipart_upload(**place)["UploadId"]
    cut = objects.upload_part_copy(**place, UploadId=upload, PartNumber=1, CopySource=big, CopySourceRange=f"bytes=5-{6 * MIB}")[
        "CopyPartResult"
    ]
    listed = {"Parts": [{"PartNumber": 1, "ETag": cut["ETag"]}]}
    objects.complete_multipart_upload(**place, UploadId=upload, MultipartUpload=listed)

    assert objects.get_object(Bucket=bucket, Key="copy")["Body"].read() == content
    assert objects.get_object(**place)["Body"].read() == content[5 : 6 * MIB + 1]


def test_a_copy_can_ask_for_a_checksum_of_its_bytes(objects: Any, big: dict[str, str], bucket: str, content: bytes) -> None:
    answer = objects.copy_object(Bucket=bucket, Key="summed", CopySource=big, ChecksumAlgorithm="CRC32")

    expected = base64.b64encode(zlib.crc32(content).to_bytes(4, "big")).decode()
    assert answer["CopyObjectResult"]["ChecksumCRC32"] == expected


def begin(objects: Any, bucket: str, key: str, **more: Any) -> dict[str, Any]:
    """Bucket, key and id of an upload that was begun."""
    place = {"Bucket": bucket, "Key": key}
    return {**place, "UploadId": objects.create_multipart_upload(**place, **more)["UploadId"]}


def test_a_copy_in_parts_has_one_checksum_of_all_its_bytes(
    objects: Any, big: dict[str, str], bucket: str, content: bytes, peak: Callable[[], int]
) -> None:
    upload = begin(objects, bucket, "whole", ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")
    parts = []
    for number, first in enumerate(range(0, SIZE, 16 * MIB), 1):
        cut = f"bytes={first}-{min(first + 16 * MIB, SIZE) - 1}"
        copied = objects.upload_part_copy(**upload, PartNumber=number, CopySource=big, CopySourceRange=cut)
        parts.append({"PartNumber": number, "ETag": copied["CopyPartResult"]["ETag"]})

    objects.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})

    told = objects.head_object(Bucket=bucket, Key="whole", ChecksumMode="ENABLED")
    expected = base64.b64encode(zlib.crc32(content).to_bytes(4, "big")).decode()
    assert (told["ChecksumCRC32"], told["ChecksumType"], told["ContentLength"]) == (expected, "FULL_OBJECT", SIZE)
    assert peak() < SIZE


def test_a_checksum_of_parts_says_of_how_many(objects: Any, big: dict[str, str]) -> None:
    told = objects.head_object(**big, ChecksumMode="ENABLED")

    assert told["ChecksumType"] == "COMPOSITE"
    assert told["ChecksumCRC32"].endswith("-9")


def test_the_copy_of_an_object_of_parts_has_a_checksum_of_its_bytes(objects: Any, big: dict[str, str], bucket: str, content: bytes) -> None:
    objects.copy_object(Bucket=bucket, Key="summed", CopySource=big, ChecksumAlgorithm="SHA256")

    told = objects.head_object(Bucket=bucket, Key="summed", ChecksumMode="ENABLED")
    assert told["ChecksumSHA256"] == base64.b64encode(sha256(content).digest()).decode()
    assert told["ChecksumType"] == "FULL_OBJECT"


def test_a_copy_of_a_version_that_is_gone_is_told_so(objects: Any) -> None:
    bucket = new_bucket(objects)
    objects.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    source = {"Bucket": bucket, "Key": "old", "VersionId": objects.put_object(Bucket=bucket, Key="old", Body=b"x")["VersionId"]}
    objects.copy_object(Bucket=bucket, Key="copy", CopySource=source)
    objects.delete_object(**source)
    objects.put_object(Bucket=bucket, Key="old", Body=b"newer")

    assert refusal(objects.copy_object, Bucket=bucket, Key="copy", CopySource=source) == "NoSuchVersion"
    upload = begin(objects, bucket, "parts")
    assert refusal(objects.upload_part_copy, **upload, PartNumber=1, CopySource=source) == "NoSuchVersion"


def test_parts_beyond_the_limits_of_s3_are_refused(objects: Any, big: dict[str, str], bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_rules, "LARGEST_PART", 6 * MIB)
    objects.put_object(Bucket=bucket, Key="small", Body=bytes(5_000_000))
    upload = begin(objects, bucket, "cut")

    def code(cut: str, number: int = 1, source: Any = None) -> str:
        asked = {"PartNumber": number, "CopySource": source or big, "CopySourceRange": f"bytes={cut}"}
        return refusal(objects.upload_part_copy, **upload, **asked)

    assert code(f"0-{6 * MIB}") == "EntityTooLarge"
    assert code(f"{SIZE - MIB}-{SIZE}") == "InvalidArgument"
    assert code("0-9", source={"Bucket": bucket, "Key": "small"}) == "InvalidRequest"
    assert code("0-9", number=10_001) == "InvalidArgument"
    objects.upload_part_copy(**upload, PartNumber=1, CopySource=big, CopySourceRange=f"bytes=0-{6 * MIB - 1}")
    assert refusal(objects.copy_object, Bucket=bucket, Key="whole", CopySource=big) == "InvalidRequest"


def test_a_source_that_is_not_the_expected_one_is_not_copied(objects: Any, big: dict[str, str], bucket: str) -> None:
    upload = begin(objects, bucket, "copy")
    wrong, right = {"CopySourceIfMatch": '"0123"'}, {"CopySourceIfMatch": objects.head_object(**big)["ETag"]}

    for copy in (
        lambda **more: refusal(objects.upload_part_copy, **upload, PartNumber=1, **more),
        lambda **more: refusal(objects.copy_object, Bucket=bucket, Key="copy", **more),
    ):
        assert copy(CopySource=big, **wrong) == "PreconditionFailed"
        assert copy(CopySource={"Bucket": bucket, "Key": "missing"}) == "NoSuchKey"
    objects.upload_part_copy(**upload, PartNumber=1, CopySource=big, **right)
    objects.copy_object(Bucket=bucket, Key="copy", CopySource=big, **right)


def test_an_archived_source_is_not_copied(objects: Any, bucket: str) -> None:
    source = {"Bucket": bucket, "Key": "archived"}
    objects.put_object(**source, Body=bytes(6 * MIB), StorageClass="DEEP_ARCHIVE")

    assert refusal(objects.upload_part_copy, **begin(objects, bucket, "copy"), PartNumber=1, CopySource=source) == "InvalidObjectState"


def test_an_upload_that_is_over_is_not_known_any_more(objects: Any, big: dict[str, str], bucket: str) -> None:
    upload = begin(objects, bucket, "over")
    objects.abort_multipart_upload(**upload)

    listed = {"Parts": [{"PartNumber": 1, "ETag": '"0123"'}]}
    assert refusal(objects.upload_part_copy, **upload, PartNumber=1, CopySource=big) == "NoSuchUpload"
    assert refusal(objects.complete_multipart_upload, **upload, MultipartUpload=listed) == "NoSuchUpload"


def test_a_bucket_of_another_owner_than_expected_is_refused(objects: Any, big: dict[str, str], bucket: str) -> None:
    other, own = "999999999999", "123456789012"

    assert refusal(objects.put_object, Bucket=bucket, Key="key", Body=b"x", ExpectedBucketOwner=other) == "AccessDenied"
    assert refusal(objects.get_bucket_location, Bucket=bucket, ExpectedBucketOwner=other) == "AccessDenied"
    assert refusal(objects.head_bucket, Bucket=bucket, ExpectedBucketOwner=other) == "403"
    copy = {"Bucket": bucket, "Key": "key", "CopySource": big}
    assert refusal(objects.copy_object, **copy, ExpectedSourceBucketOwner=other) == "AccessDenied"
    objects.put_object(Bucket=bucket, Key="key", Body=b"x", ExpectedBucketOwner=own)
    objects.copy_object(**copy, ExpectedSourceBucketOwner=own)


def test_a_name_of_the_accounts_own_namespace_holds_account_and_region(objects: Any) -> None:
    place = {"CreateBucketConfiguration": {"LocationConstraint": "eu-central-1"}, "BucketNamespace": "account-regional"}

    assert refusal(objects.create_bucket, Bucket="dbrestore-staging-g1-an", **place) == "InvalidNamespaceHeader"
    objects.create_bucket(Bucket="dbrestore-staging-g1-123456789012-eu-central-1-an", **place)


def test_big_objects_lie_in_the_clouds_own_folder(objects: Any, big: dict[str, str], home: Path) -> None:
    opened = [os.path.realpath(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd")]

    assert any(path.startswith(str(home / "objects")) for path in opened)
    assert list((home / "objects").iterdir()) == []


def test_a_policy_with_a_condition_blocks_nobody(objects: Any, bucket: str) -> None:
    tls_only = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": f"arn:aws:s3:::{bucket}/*",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    objects.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [tls_only]}))

    objects.put_object(Bucket=bucket, Key="kept", Body=b"x")

    assert objects.get_object(Bucket=bucket, Key="kept")["Body"].read() == b"x"
    assert "SecureTransport" in objects.get_bucket_policy(Bucket=bucket)["Policy"]


def test_a_policy_that_denies_without_condition_still_denies(objects: Any, bucket: str) -> None:
    closed = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": f"arn:aws:s3:::{bucket}/*"}
    objects.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [closed]}))

    assert refusal(objects.put_object, Bucket=bucket, Key="refused", Body=b"x") == "403"


def test_a_bucket_tells_whether_its_events_reach_eventbridge(objects: Any, bucket: str) -> None:
    before = objects.get_bucket_notification_configuration(Bucket=bucket)

    objects.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}})

    assert "EventBridgeConfiguration" not in before
    assert "EventBridgeConfiguration" in objects.get_bucket_notification_configuration(Bucket=bucket)


def test_objects_go_elsewhere_when_the_folder_of_a_cloud_is_gone(tmp_path: Path) -> None:
    gone = tmp_path / "objects"

    with s3._spooled(gone, 10) as file:
        file.write(b"more than ten bytes")
        file.seek(0)

        assert file.read() == b"more than ten bytes"


def test_what_replaces_moto_here_is_taken_back_for_tests_of_moto_alone(objects: Any) -> None:
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        plain_moto.install(patch)
        plain = boto3.client("s3", "eu-central-1", endpoint_url=None)
        plain.create_bucket(Bucket="plain", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        place = {
            "Bucket": "plain",
            "Key": "joined",
            "UploadId": plain.create_multipart_upload(Bucket="plain", Key="joined")["UploadId"],
        }
        etag = plain.upload_part(**place, PartNumber=1, Body=bytes(20 * MIB))["ETag"]
        plain.complete_multipart_upload(**place, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]})

        assert plain.head_object(Bucket="plain", Key="joined")["ContentLength"] == 20 * MIB
