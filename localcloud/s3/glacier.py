"""Glacier: what is archived can't be read until it was retrieved, which takes hours, and is cold again some days later.

| moto 5.2.5 | fixed to |
|---|---|
| RestoreObject ends at once | it takes the longest time that AWS states for class and tier, scaled |
| a second request while one is under way: 200 | 409 RestoreAlreadyInProgress; a faster tier is taken and speeds it up |
| any tier for any class, `Days` or none | Expedited not for Deep Archive; `Days` for the Glacier classes and only for them |
| a temporary copy stays for ever | goes after its days, scaled; the object is cold again. A later request extends it |
| Intelligent-Tiering is never archived | it may be in an archive access tier (`move`); a retrieval takes it out of there for good |
| Expedited always has capacity | unless `expedited_has_capacity` is off: 503 |
| archived objects can be copied in parts; CopyObject gives the documented error, not the one that S3 gives | InvalidObjectState |
| ListObjects and ListObjectsV2 know no RestoreStatus | they tell it where asked for |
| half of the fields of S3's events | `localcloud.s3.events` |

Times are from Amazon S3's user guide ("Understanding archive retrieval options"). Assumed, as AWS documents no code: a wrong tier and
wrong `Days` are 400 InvalidArgument, missing `Days` 400 MalformedXML. States and what changes them: `localcloud.s3.glacier_objects`.
"""

import math
import threading
import time
from collections.abc import Callable
from email.utils import format_datetime
from typing import Any
from urllib.parse import unquote

import moto.s3.models as models
import xmltodict  # type: ignore[import-untyped]
from moto.core.responses import ActionResult
from moto.s3.exceptions import InvalidObjectState, MissingKey, S3ClientError
from moto.s3.responses import S3Response
from moto.s3.utils import ARCHIVE_STORAGE_CLASSES

from localcloud.base.corrections import fix
from localcloud.s3 import events as s3_events
from localcloud.s3 import glacier_objects
from localcloud.s3.glacier_objects import Retrieval, archive_of, is_readable, retrieval_of

MINUTE, HOUR = 60.0, 3600.0
# AWS's seconds at most, by where the object is archived and the tier of the request.
WAITS = {
    "GLACIER": {"Expedited": 5 * MINUTE, "Standard": 5 * HOUR, "Bulk": 12 * HOUR},
    "DEEP_ARCHIVE": {"Standard": 12 * HOUR, "Bulk": 48 * HOUR},
    "ARCHIVE_ACCESS": {"Expedited": 5 * MINUTE, "Standard": 5 * HOUR, "Bulk": 12 * HOUR},
    "DEEP_ARCHIVE_ACCESS": {"Standard": 12 * HOUR, "Bulk": 48 * HOUR},
}
LISTS = ("ListObjects", "ListObjectsV2")

# For tests: whether Expedited can be had.
expedited_has_capacity = True

_requesting = threading.Lock()


def install() -> None:
    """Fix moto's S3 wherever archived objects lie."""
    s3_events.install()
    fix(S3Response, "_key_response_post", _post)
    fix(S3Response, "_get_key", _get_key)
    fix(S3Response, "serialized", _serialized)
    fix(models.FakeKey, "response_dict", _headers)


def require_readable(key: Any, message: str = InvalidObjectState("").message) -> None:
    """Raises S3's InvalidObjectState for an archived object without a temporary copy."""
    if not is_readable(key):
        error = InvalidObjectState(key.storage_class)
        error.message, error.access_tier = message, getattr(key, "access_tier", None)
        raise error


def _post(original: Callable[..., Any], response: Any, request: Any, body: bytes, bucket_name: str, query: Any, key_name: str) -> Any:
    if "restore" not in query:
        return original(response, request, body, bucket_name, query, key_name)
    response._set_action("KEY", "POST", query)
    response._authenticate_and_authorize_s3_action(bucket_name=bucket_name, key_name=key_name)
    key = response.backend.get_object(bucket_name, key_name, version_id=query.get("versionId", [None])[0])
    if key is None:
        raise MissingKey(key=key_name)
    try:
        return 200 if restore(key, *_asked(body)) else 202, {}, ""
    except Refused as refused:
        _, headers, text = response.serialized(ActionResult(refused))
        return refused.status, headers, text


class Refused(S3ClientError):  # type: ignore[misc]
    """With the status that S3 gives; moto knows those of a few codes only."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(code, message)
        self.status = status


def _asked(body: bytes) -> tuple[int | None, str]:
    """Days and tier of a request."""
    asked = (xmltodict.parse(body)["RestoreRequest"] if body else None) or {}
    parameters = asked.get("GlacierJobParameters") or asked
    days = asked.get("Days")
    return None if days is None else int(days), parameters.get("Tier", "Standard")


def restore(key: Any, days: int | None, tier: str) -> bool:
    """RestoreObject: whether the object had been retrieved before. Raises Refused, InvalidObjectState."""
    with _requesting:
        return _restore(key, days, tier)


def _restore(key: Any, days: int | None, tier: str) -> bool:
    _require_valid(key, days, tier)
    retrieval = retrieval_of(key)
    if retrieval and is_readable(key):
        retrieval.keep_from(time.time(), days or 0)
        return True
    if tier == "Expedited" and not expedited_has_capacity:
        text = "Glacier expedited retrievals are currently not available, please try again later"
        raise Refused(503, "GlacierExpeditedRetrievalNotAvailable", text)
    waits = WAITS[str(archive_of(key))]
    if retrieval and waits[tier] >= waits[retrieval.tier]:
        raise Refused(409, "RestoreAlreadyInProgress", "Object restore is already in progress")
    # The days of a request that is under way can't be changed.
    glacier_objects.begin(key, Retrieval(tier, retrieval.days if retrieval else days, math.inf), waits[tier])
    return False


def _require_valid(key: Any, days: int | None, tier: str) -> None:
    archive = archive_of(key)
    if archive is None:
        if key.storage_class == "INTELLIGENT_TIERING":
            text = "Restore is not allowed for an object in the Frequent or Infrequent Access tier"
            raise Refused(403, "ObjectAlreadyInActiveTierError", text)
        error = InvalidObjectState(key.storage_class)
        error.message = "Restore is not allowed for the object's current storage class"
        raise error
    has_copy = archive in ARCHIVE_STORAGE_CLASSES
    if has_copy and days is None:
        raise Refused(400, "MalformedXML", "The XML that you provided does not match the published schema: Days")
    if days is not None and (not has_copy or days < 1):
        raise Refused(400, "InvalidArgument", "Days is for the Glacier storage classes, and at least 1")
    if tier not in WAITS[archive]:
        raise Refused(400, "InvalidArgument", "Retrieval option is not supported by this storage class")


def _get_key(original: Callable[..., Any], response: Any, validate_storage_class: bool = True) -> Any:
    key, not_modified = original(response, validate_storage_class=False)
    if validate_storage_class:
        require_readable(key)
    return key, not_modified


def _headers(original: Callable[..., Any], key: Any) -> Any:
    told = original(key)
    archive, retrieval = archive_of(key), retrieval_of(key)
    if archive and archive not in ARCHIVE_STORAGE_CLASSES:
        told["x-amz-archive-status"] = archive
    if archive and retrieval and retrieval.ready > time.time():
        told["x-amz-restore"] = 'ongoing-request="true"'
    elif archive and retrieval and retrieval.expiry:
        expiry = format_datetime(retrieval.expiry, usegmt=True)
        told["x-amz-restore"] = f'ongoing-request="false", expiry-date="{expiry}"'
    return told


def _serialized(original: Callable[..., Any], response: Any, answer: Any) -> Any:
    asked = response.headers.get("x-amz-optional-object-attributes", "")
    if response.data.get("Action") in LISTS and "RestoreStatus" in asked and isinstance(answer.result, dict):
        bucket, is_quoted = response.backend.get_bucket(response.bucket_name), "EncodingType" in answer.result
        for item in answer.result["Contents"]:
            key = bucket.keys.get(unquote(item["Key"]) if is_quoted else item["Key"])
            if key is not None and (status := restore_status(key)):
                item["RestoreStatus"] = status
    return original(response, answer)


def restore_status(key: Any) -> dict[str, Any] | None:
    """What a list tells of an object's retrieval; None where there is nothing to tell."""
    retrieval = retrieval_of(key)
    if archive_of(key) is None or retrieval is None:
        return None
    if retrieval.ready > time.time():
        return {"IsRestoreInProgress": True}
    return {"IsRestoreInProgress": False, "RestoreExpiryDate": retrieval.expiry}
