"""Object Lock: what keeps a version, and who is told of it.

| moto 5.2.5 | fixed to |
|---|---|
| an upload in parts gets no retention from the bucket's default | it gets it, as every new version does |
| a copy into a bucket with a default retention is refused without a checksum of a body that it doesn't have | it is made, and retained |
| GetObjectRetention: an error 500 | the retention, or `NoSuchObjectLockConfiguration` |
| GetObjectLegalHold of a version that nobody holds: an empty answer | `NoSuchObjectLockConfiguration` |
| a retention in COMPLIANCE is shortened, one in GOVERNANCE too by who doesn't bypass it | `AccessDenied` |
| versioning of a bucket with Object Lock can be suspended | `InvalidBucketState` |
| bypassing governance asks for no permission | not judged: nothing of the product bypasses it |

Left as it is, because it is right: a version that is retained or held can't be deleted, a delete marker may be put over it, and a bypass
opens GOVERNANCE alone (Amazon S3 User Guide, "Locking objects with Object Lock").
"""

from datetime import datetime
from typing import Any

import moto.s3.models as models
import moto.s3.responses as responses
from moto.core.responses import ActionResult
from moto.s3.exceptions import AccessDeniedByLock, S3ClientError
from moto.s3.responses import S3Response
from requests.structures import CaseInsensitiveDict

from localcloud.base.corrections import fix


class _NoLock(S3ClientError):  # type: ignore[misc]
    code = 404

    def __init__(self) -> None:
        super().__init__("NoSuchObjectLockConfiguration", "The specified object does not have a ObjectLock configuration")


def install() -> None:
    """Fix moto's S3."""
    fix(models.S3Backend, "complete_multipart_upload", _complete)
    fix(models.S3Backend, "put_object_retention", _retain)
    fix(models.S3Backend, "put_bucket_versioning", _put_versioning)
    fix(S3Response, "copy_object", _copy)
    fix(S3Response, "_key_response_put", _put)
    fix(S3Response, "_key_response_get", _get)
    fix(S3Response, "get_object_legal_hold", _legal_hold)
    responses.ACTION_MAP["KEY"]["GET"].update({"retention": "GetObjectRetention", "legal-hold": "GetObjectLegalHold"})
    responses.ACTION_MAP["BUCKET"]["GET"]["object-lock"] = "GetBucketObjectLockConfiguration"


def _complete(original: Any, backend: Any, bucket_name: str, upload: str, body: Any) -> Any:
    key = original(backend, bucket_name, upload, body)
    _by_default(backend.get_bucket(bucket_name), key)
    return key


def _by_default(bucket: Any, key: Any) -> None:
    if key is not None and bucket.has_default_lock and not key.lock_mode:
        key.lock_mode, key.lock_until = bucket.default_lock_mode, bucket.default_retention()


def _put(original: Any, response: Any, query: Any, key_name: str) -> Any:
    retains = response.backend.get_bucket(response.bucket_name).has_default_lock
    if retains and response.headers.get("x-amz-copy-source") and not response.headers.get("x-amz-sdk-checksum-algorithm"):
        # moto looks for a checksum before it looks whether there is a body.
        response.headers = CaseInsensitiveDict({**response.headers, "x-amz-sdk-checksum-algorithm": "CRC32"})
    return original(response, query, key_name)


def _get(original: Any, response: Any, query: Any, key_name: str) -> Any:
    return _retention(response) if "retention" in query else original(response, query, key_name)


def _copy(original: Any, response: Any) -> Any:
    answer = original(response)
    bucket = response.backend.get_bucket(response.bucket_name)
    _by_default(bucket, response.backend.get_object(response.bucket_name, response.parse_key_name()))
    return answer


def _retain(original: Any, backend: Any, bucket_name: str, key_name: str, version_id: Any, retention: Any) -> None:
    key = backend.get_object(bucket_name, key_name, version_id=version_id)
    _, until = retention
    if key is not None and key.is_locked(governance_bypass=False) and _moment(until) < _moment(key.lock_until):
        raise AccessDeniedByLock
    original(backend, bucket_name, key_name, version_id=version_id, retention=retention)


def _moment(text: str | None) -> datetime:
    return datetime.fromisoformat((text or "0001-01-01T00:00:00Z").replace("Z", "+00:00"))


def _put_versioning(original: Any, backend: Any, bucket_name: str, status: str) -> None:
    if status != "Enabled" and backend.get_bucket(bucket_name).object_lock_enabled:
        raise S3ClientError(
            "InvalidBucketState",
            "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.",
        )
    original(backend, bucket_name, status)


def _retention(response: Any) -> Any:
    response.data["Action"] = "GetObjectRetention"
    response._authenticate_and_authorize_s3_action(bucket_name=response.bucket_name, key_name=response.parse_key_name())
    key, _ = response._get_key()
    if not key.lock_mode:
        raise _NoLock
    return response.serialized(ActionResult({"Retention": {"Mode": key.lock_mode, "RetainUntilDate": _moment(key.lock_until)}}))


def _legal_hold(original: Any, response: Any) -> Any:
    key, _ = response._get_key()
    if not key.lock_legal_status:
        raise _NoLock
    return original(response)
