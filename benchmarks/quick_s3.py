"""Requests for the files of `benchmarks.archived_chains` answered without HTTP: hundreds of thousands of them take minutes, not hours.

Only shortcuts: the objects are moto's, the rules are those of `localcloud.s3.glacier`, and whatever isn't about these files goes the usual
way. What is measured is the control plane, not moto.
"""

import base64
import hashlib
import io
from collections.abc import Callable
from datetime import UTC
from typing import Any

import moto.s3.models as models
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from botocore.response import StreamingBody
from moto.s3.exceptions import InvalidObjectState

from benchmarks.archived_chains import MadeWhenRead, put
from localcloud.base.clients import ACCOUNT
from localcloud.s3 import glacier

Answer = dict[str, Any] | None
_DONE = {"ResponseMetadata": {"HTTPStatusCode": 200, "HTTPHeaders": {}, "RetryAttempts": 0}}


def install(patch: pytest.MonkeyPatch) -> None:
    """Stand before botocore."""
    client_class: Any = BaseClient
    through = client_class._make_api_call

    def call(client: Any, operation: str, parameters: dict[str, Any]) -> Any:
        quick = _QUICK.get(operation) if client.meta.service_model.service_name == "s3" else None
        answer = quick(parameters) if quick else None
        return through(client, operation, parameters) if answer is None else answer

    patch.setattr(client_class, "_make_api_call", call)


def _list(asked: dict[str, Any]) -> Answer:
    objects = _objects(asked["Bucket"])
    after, prefix = asked.get("ContinuationToken", ""), asked.get("Prefix", "")
    names = sorted(name for name in objects if name.startswith(prefix) and name > after)
    if asked.get("Delimiter") or not names or not all(_ours(asked["Bucket"], name) for name in names):
        return None
    page = names[: asked.get("MaxKeys", 1000)]
    is_whole = len(page) == len(names)
    contents = [_item(objects[name], asked.get("OptionalObjectAttributes", ())) for name in page]
    answer = {**_DONE, "KeyCount": len(page), "IsTruncated": not is_whole, "Contents": contents}
    return answer if is_whole else {**answer, "NextContinuationToken": page[-1]}


def _list_versions(asked: dict[str, Any]) -> Answer:
    listed = _list({**asked, "ContinuationToken": asked.get("KeyMarker", "")})
    if listed is None:
        return None
    versions = [{"Key": item["Key"], "VersionId": "null", "IsLatest": True} for item in listed["Contents"]]
    answer = {**_DONE, "IsTruncated": listed["IsTruncated"], "Versions": versions}
    return {**answer, "NextKeyMarker": versions[-1]["Key"]} if listed["IsTruncated"] else answer


def _delete(asked: dict[str, Any]) -> Answer:
    names = [item["Key"] for item in asked["Delete"]["Objects"]]
    if not all(_ours(asked["Bucket"], name) for name in names):
        return None
    for name in names:
        del _objects(asked["Bucket"])[name]
    return _DONE


def _item(key: Any, wanted: tuple[str, ...]) -> dict[str, Any]:
    item = {
        "Key": key.name,
        "Size": key.size,
        "ETag": key.etag,
        "StorageClass": key.storage_class,
        "LastModified": key.last_modified.replace(tzinfo=UTC),
    }
    if "RestoreStatus" in wanted and (status := glacier.restore_status(key)):
        item["RestoreStatus"] = status
    return item


def _head(asked: dict[str, Any]) -> Answer:
    key = _ours(asked["Bucket"], asked["Key"])
    if key is None:
        return None
    told = {**_DONE, "ContentLength": key.size, "ETag": key.etag, "StorageClass": key.storage_class, "Metadata": {}}
    if restore := key.response_dict.get("x-amz-restore"):
        told["Restore"] = restore
    return {**told, "ChecksumSHA256": key.checksum_value} if key.checksum_value else told


def _get(asked: dict[str, Any]) -> Answer:
    key = _ours(asked["Bucket"], asked["Key"])
    if key is None:
        return None
    _require_readable(key, "GetObject")
    first, last = (int(number) for number in asked["Range"].removeprefix("bytes=").split("-"))
    piece = key._value_buffer.read()[first : last + 1]
    return {**_DONE, "ContentLength": len(piece), "Body": StreamingBody(io.BytesIO(piece), len(piece))}


def _copy(asked: dict[str, Any]) -> Answer:
    source = _ours(asked["CopySource"]["Bucket"], asked["CopySource"]["Key"])
    if source is None:
        return None
    _require_readable(source, "CopyObject")
    copied = put(asked["Bucket"], asked["Key"], source._value_buffer.written, "STANDARD")
    digest = hashlib.sha256(copied._value_buffer.read()).digest()
    copied.checksum_algorithm, copied.checksum_value = "SHA256", base64.b64encode(digest).decode()
    return {**_DONE, "CopyObjectResult": {"ETag": copied.etag, "ChecksumSHA256": copied.checksum_value}}


def _restore(asked: dict[str, Any]) -> Answer:
    key = _ours(asked["Bucket"], asked["Key"])
    if key is None:
        return None
    wish = asked["RestoreRequest"]
    try:
        glacier.restore(key, wish.get("Days"), wish.get("GlacierJobParameters", {}).get("Tier", "Standard"))
    except glacier.Refused as refused:
        raise _error(refused.code, refused.message, "RestoreObject") from refused
    return _DONE


def _require_readable(key: Any, operation: str) -> None:
    try:
        glacier.require_readable(key)
    except InvalidObjectState as error:
        raise _error(error.code, error.message, operation) from error


def _error(code: str, message: str, operation: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


def _objects(bucket: str) -> dict[str, Any]:
    found = models.s3_backends[ACCOUNT]["aws"].buckets.get(bucket)
    return found.keys if found else {}


def _ours(bucket: str, name: str) -> Any:
    """The object if it is one of the files, or a copy of one."""
    key = _objects(bucket).get(name)
    return key if key is not None and isinstance(key._value_buffer, MadeWhenRead) else None


_QUICK: dict[str, Callable[[dict[str, Any]], Answer]] = {
    "ListObjectsV2": _list,
    "HeadObject": _head,
    "GetObject": _get,
    "CopyObject": _copy,
    "RestoreObject": _restore,
    "ListObjectVersions": _list_versions,
    "DeleteObjects": _delete,
}
