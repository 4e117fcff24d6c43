"""S3 that doesn't know a new bucket yet, or is changing one, while `localcloud.base.consistency` says so.

| moto 5.2.5 | fixed to |
|---|---|
| a new bucket is known at once | settings of it may be refused for a while: `NoSuchBucket` |
| CreateBucket, DeleteBucket and PutBucketPolicy always come alone | now and then `OperationAborted`, which names another change under way |
"""

from collections.abc import Callable
from typing import Any

from moto.s3.exceptions import MissingBucket, S3ClientError
from moto.s3.responses import S3Response

from localcloud.base import consistency
from localcloud.base.consistency import Inconsistency
from localcloud.base.corrections import fix

# The queries by which a request to a bucket sets something.
SETTINGS = {"policy", "publicAccessBlock", "encryption", "tagging", "lifecycle"}
CHANGING = {("PUT", ""), ("DELETE", ""), ("PUT", "policy")}


def install() -> None:
    """Fix moto's S3."""
    fix(S3Response, "_bucket_response", _bucket_response)


def _bucket_response(original: Callable[..., Any], response: Any, request: Any, full_url: str) -> Any:
    late = consistency.current()
    if late is None:
        return original(response, request, full_url)
    bucket, setting = response.parse_bucket_name_from_url(request, full_url), _setting(request)
    _refuse(late, request.method, bucket, setting)
    answer = original(response, request, full_url)
    if (request.method, setting) == ("PUT", ""):
        late.made(f"bucket {bucket}")
    return answer


def _setting(request: Any) -> str:
    asked = {part.partition("=")[0] for part in request.url.partition("?")[2].split("&")}
    return next(iter(asked & SETTINGS), "" if asked <= {""} else "other")


def _refuse(late: Inconsistency, method: str, bucket: str, setting: str) -> None:
    if setting in SETTINGS and method == "PUT" and not late.knows(f"bucket {bucket}"):
        raise MissingBucket(bucket=bucket)
    if (method, setting) in CHANGING and late.meets("OperationAborted"):
        raise S3ClientError("OperationAborted", "A conflicting conditional operation is currently in progress against this resource.")
