"""What S3 tells EventBridge about objects that are made or archived, from buckets whose configuration has that switched on.

| moto 5.2.5 | fixed to |
|---|---|
| restore events lack storage class and expiry, and name the ETag otherwise | S3's user guide, "EventBridge event message structure" |
| no event when a temporary copy goes | `Object Restore Expired` |
| Object Created on every bus, with an `eTag` and one sequencer for all | on the default bus, with an `etag` and a growing one |
| its reason is `Put` or `CompleteMultipartUpload` or `Copy` | the operation: `PutObject`, `CompleteMultipartUpload`, `CopyObject` |
| an upload in parts is told as PutObject too | as CompleteMultipartUpload alone |
| a bucket of a template ignores its NotificationConfiguration | EventBridge is switched on where it says so |

Of what else S3 tells, the product listens to nothing. They go to the default bus of the bucket's account and Region. Keys are as they are:
that they are URL-encoded the guide says of notifications to queues, topics and functions alone (of these it is assumed that they aren't).
"""

import logging
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import moto.s3.models as models
import moto.s3.notifications as notifications
from moto.events.models import events_backends

from localcloud.base.corrections import fix

_log = logging.getLogger(__name__)
_PUT = "PutObject"
_CREATED = notifications.S3NotificationEvent
_REASONS = {
    _CREATED.OBJECT_CREATED_PUT_EVENT: _PUT,
    _CREATED.OBJECT_CREATED_POST_EVENT: "POST Object",
    _CREATED.OBJECT_CREATED_COPY_EVENT: "CopyObject",
    _CREATED.OBJECT_CREATED_COMPLETE_MULTIPART_UPLOAD_EVENT: "CompleteMultipartUpload",
}


def install() -> None:
    """Fix moto's notifications."""
    fix(models.FakeBucket, "create_from_cloudformation_json", _create_from_template)
    fix(notifications, "_send_event_bridge_message", _told)


def tell_restore(key: Any, what: str, expiry: datetime | None = None) -> None:
    """Send `Object Restore <what>` (Initiated, Completed, Expired) if the bucket tells EventBridge; `expiry` is when the copy goes."""
    bucket = models.s3_backends[key.account_id][key.partition].buckets.get(key.bucket_name)
    if bucket is None or not _is_on(bucket):
        return
    _deliver(bucket, key, restore_event(bucket, key, what, expiry))


def creation_event(bucket: Any, key: Any, reason: str) -> dict[str, Any]:
    """`Object Created` as a rule's target gets it; `reason` is the operation."""
    told: dict[str, Any] = {"key": key.name, "size": key.size, "etag": key.etag.strip('"'), "sequencer": _next_sequencer()}
    if key.version_id and key.version_id != "null":
        told["version-id"] = key.version_id
    detail = {
        "version": "0",
        "bucket": {"name": bucket.name},
        "object": told,
        "request-id": uuid.uuid4().hex[:16].upper(),
        "requester": key.account_id,
        "source-ip-address": "127.0.0.1",
        "reason": reason,
    }
    return _event(bucket, key, "Object Created", detail)


def _next_sequencer() -> str:
    """Greater for what comes later under one key (Amazon S3 User Guide, "Event ordering and duplicate events")."""
    return f"{time.time_ns():018X}"


def _told(original: Callable[..., Any], account_id: str, bucket: Any, event_name: str, key: Any) -> None:
    """An object that was made; the rest as moto tells it."""
    reason = _REASONS.get(event_name)
    if reason is None:
        original(account_id, bucket, event_name, key)
    elif reason != _PUT or key.multipart is None:
        _deliver(bucket, key, creation_event(bucket, key, reason))


def _deliver(bucket: Any, key: Any, told: dict[str, Any]) -> None:
    event = told | {"time": time.time()}
    for rule in list(events_backends[key.account_id][bucket.region_name].event_buses["default"].rules.values()):
        try:
            rule.send_to_targets(event, transform_input=False)
        except Exception:
            # S3 doesn't notice either.
            _log.exception("The event could not be delivered by the rule %s", rule.name)


def restore_event(bucket: Any, key: Any, what: str, expiry: datetime | None = None) -> dict[str, Any]:
    """The event as a rule's target gets it."""
    detail: dict[str, Any] = {
        "version": "0",
        "bucket": {"name": bucket.name},
        "object": {"key": key.name, "size": key.size, "etag": key.etag.strip('"')},
        "request-id": uuid.uuid4().hex[:16].upper(),
        "requester": key.account_id if what == "Initiated" else "s3.amazonaws.com",
    }
    if what != "Expired":
        detail["source-storage-class"] = key.storage_class
    if what == "Completed" and expiry:
        detail["restore-expiry-time"] = expiry.strftime("%Y-%m-%dT%H:%M:%SZ")
    return _event(bucket, key, f"Object Restore {what}", detail)


def _event(bucket: Any, key: Any, kind: str, detail: dict[str, Any]) -> dict[str, Any]:
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": kind,
        "source": "aws.s3",
        "account": key.account_id,
        "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": bucket.region_name,
        "resources": [bucket.arn],
        "detail": detail,
    }


def _is_on(bucket: Any) -> bool:
    configuration = bucket.notification_configuration
    return configuration is not None and configuration.event_bridge is not None


def _create_from_template(original: Callable[..., Any], name: str, template: Any, *where: str, **more: Any) -> Any:
    bucket = original(name, template, *where, **more)
    asked = template.get("Properties", {}).get("NotificationConfiguration", {}).get("EventBridgeConfiguration")
    if asked is not None and str(asked.get("EventBridgeEnabled", True)).lower() == "true":
        bucket.set_notification_configuration({"EventBridgeConfiguration": {}})
    return bucket
