"""What S3 refuses and tells, and moto doesn't, as far as copying and bucket policies go; archived objects: `localcloud.s3.glacier`;
locked ones: `localcloud.s3.object_lock`.

| moto 5.2.5 | fixed to |
|---|---|
| a bucket policy's statement with a Condition denies everybody | such statements are left out: conditions are not judged here |
| ExpectedBucketOwner is not looked at | another owner's bucket is refused |
| copies ignore CopySourceIfMatch and take a source of any size | 412, for the version that is copied; 5 GiB at most in one request |
| a copied part may be of any size, of any source, behind its end | S3's limits: 10,000 parts, 5 GiB each, ranges only of more than 5 MB |
| a part of a missing source, or of an unknown upload: an empty 404, a 500 | the errors that S3 gives |
| a copy of a version that is gone: no such key | no such version |
| an upload that two complete at once: a 500 | one of them finds no such upload |
| a part that two send at once: a 500, for its bytes are closed before its ETag is told | both are told theirs, the later one stays |
| the copy with a checksum of its own bytes claims to have one of parts | says what it is |
| GetBucketNotificationConfiguration does not tell of EventBridge | tells it |
| HeadObject does not tell whether a checksum is of the bytes or of parts | tells the type, and the number of parts behind the value |
"""

import hashlib
import json
import threading
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs, unquote, urlparse

import moto.s3.models as models
from moto.core.responses import ActionResult
from moto.iam.access_control import IAMPolicy, PermissionResult
from moto.s3.exceptions import (
    BucketAccessDeniedError,
    InvalidMaxPartNumberArgument,
    MissingKey,
    MissingVersion,
    NoSuchUpload,
    PreconditionFailed,
    S3ClientError,
)
from moto.s3.responses import S3Response

from localcloud.base.corrections import fix
from localcloud.s3 import glacier, object_lock

LARGEST_PART = 5 << 30
MOST_PARTS = 10_000
SMALLEST_CUT = 5_000_000
NOT_TO_BE_COPIED = "Operation is not valid for the source object's storage class"

_assembling = threading.Lock()


def install() -> None:
    """Fix moto's S3, wherever objects lie."""
    glacier.install()
    fix(models.FakeBucket, "get_permission", _permission)
    fix(S3Response, "_bucket_response", _of_expected_owner)
    fix(S3Response, "_key_response", _of_expected_owner)
    fix(S3Response, "copy_object", _copy_object)
    fix(S3Response, "upload_part_copy", _upload_part_copy)
    fix(S3Response, "head_object", _head_object)
    fix(S3Response, "get_bucket_notification", _notification)
    fix(models.FakeMultipart, "set_part", _set_part)
    fix(models.S3Backend, "list_parts", _list_parts)
    fix(models.S3Backend, "complete_multipart_upload", _complete)
    object_lock.install()


def _permission(_original: Callable[..., Any], bucket: Any, action: str, resource_arn: str) -> Any:
    policy = json.loads(bucket.policy) if bucket.policy else {"Statement": []}
    statements = policy["Statement"] if isinstance(policy["Statement"], list) else [policy["Statement"]]
    judged = [statement for statement in statements if "Condition" not in statement]
    if not judged:
        return PermissionResult.NEUTRAL
    return IAMPolicy(json.dumps({**policy, "Statement": judged})).is_action_permitted(action, resource_arn)


def _notification(original: Callable[..., Any], response: Any) -> Any:
    found = response.backend.get_bucket_notification_configuration(response.bucket_name)
    if found is not None and found.event_bridge is not None:
        serialized = response.serialized
        response.serialized = lambda told: serialized(ActionResult({**told.result, "EventBridgeConfiguration": {}}))
    return original(response)


def _of_expected_owner(original: Callable[..., Any], response: Any, request: Any, full_url: str) -> Any:
    name = response.parse_bucket_name_from_url(request, full_url)
    _require_owner(response, name, request.headers.get("x-amz-expected-bucket-owner"))
    return original(response, request, full_url)


def _require_owner(response: Any, bucket_name: str, owner: str | None) -> None:
    found = models.s3_backends.bucket_accounts.get(bucket_name)
    if owner and found and found[1] != owner:
        raise BucketAccessDeniedError(bucket=bucket_name)


def _copy_object(original: Callable[..., Any], response: Any) -> Any:
    source = _source(response)
    if source is not None and source.size > LARGEST_PART:
        raise S3ClientError("InvalidRequest", f"The specified copy source is larger than {LARGEST_PART} bytes")
    if source is not None:
        glacier.require_readable(source, NOT_TO_BE_COPIED)
    answer = original(response)
    if response.headers.get("x-amz-checksum-algorithm"):
        copied = response.backend.get_object(response.bucket_name, response.parse_key_name())
        copied.checksum_type, copied.checksum_parts = "FULL_OBJECT", None
    return answer


def _upload_part_copy(original: Callable[..., Any], response: Any) -> Any:
    source, number = _source(response), response._get_int_param("partNumber")
    if source is None:
        raise MissingKey()
    glacier.require_readable(source, NOT_TO_BE_COPIED)
    if not 1 <= number <= MOST_PARTS:
        raise InvalidMaxPartNumberArgument(number)
    _require_cut(source.size, response.headers.get("x-amz-copy-source-range"))
    upload = response._get_param("uploadId")
    if upload not in response.backend.get_bucket(response.bucket_name).multiparts:
        raise NoSuchUpload(upload_id=upload)
    return original(response)


def _source(response: Any) -> Any:
    """The object that is copied, or None; refused if it isn't the one or isn't its who was expected."""
    header = response.headers["x-amz-copy-source"]
    asked = urlparse(header)
    bucket, key = unquote(asked.path).lstrip("/").split("/", 1)
    _require_owner(response, bucket, response.headers.get("x-amz-source-expected-bucket-owner"))
    version = parse_qs(asked.query).get("versionId", [None])[0]
    source = response.backend.get_object(bucket, key, version_id=version)
    if source is None and version:
        raise MissingVersion(key, version)
    wanted = response.headers.get("x-amz-copy-source-if-match")
    if source is not None and wanted and wanted.strip('"') != source.etag.strip('"'):
        raise PreconditionFailed(failed_condition="x-amz-copy-source-If-Match")
    return source


def _require_cut(size: int, asked: str | None) -> None:
    if asked is None:
        length = size
    else:
        first, last = (int(number) for number in asked.removeprefix("bytes=").split("-"))
        length = last - first + 1
        if size <= SMALLEST_CUT:
            raise S3ClientError("InvalidRequest", "The specified copy source is not supported as a byte-range copy source")
        if not 0 <= first <= last < size:
            raise S3ClientError("InvalidArgument", f"Range specified is not valid for source object of size: {size}")
    if length > LARGEST_PART:
        raise S3ClientError("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")


def _head_object(original: Callable[..., Any], response: Any, bucket_name: str, query: Any, key_name: str, headers: Any) -> Any:
    status, told, body = original(response, bucket_name, query, key_name, headers=headers)
    found = response.backend.get_object(bucket_name, key_name, version_id=query.get("versionId", [None])[0])
    name = f"x-amz-checksum-{found.checksum_algorithm.lower()}" if found and found.checksum_algorithm else ""
    if name in told and found.checksum_type:
        told["x-amz-checksum-type"] = found.checksum_type
        if found.checksum_type == "COMPOSITE":
            told[name] = f"{found.checksum_value}-{found.checksum_parts}"
    return status, told, body


def _set_part(original: Callable[..., Any], upload: Any, part_id: int, value: bytes | Iterable[bytes]) -> Any:
    digest = hashlib.md5(usedforsecurity=False)
    for chunk in [value] if isinstance(value, bytes) else value:
        digest.update(chunk)
    with _assembling:
        part = original(upload, part_id, value)
        part._etag = digest.hexdigest()
    return part


def _list_parts(original: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
    # Not while a part has no ETag yet: moto would read it from bytes that another sender of the part may close.
    with _assembling:
        return original(*arguments, **keywords)


def _complete(original: Callable[..., Any], backend: Any, bucket_name: str, upload: str, body: Any) -> Any:
    with _assembling:
        if upload not in backend.get_bucket(bucket_name).multiparts:
            raise NoSuchUpload(upload_id=upload)
        return original(backend, bucket_name, upload, body)
