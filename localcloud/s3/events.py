"""What S3 tells EventBridge about archived objects, from buckets whose configuration has that switched on.

| moto 5.2.5 | fixed to |
|---|---|
| restore events lack storage class and expiry, and name the ETag otherwise | S3's user guide, "EventBridge event message structure" |
| no event when a temporary copy goes | `Object Restore Expired` |
| a bucket of a template ignores its NotificationConfiguration | EventBridge is switched on where it says so |

Only restore events: of what else S3 tells, the product listens to nothing. They go to the default bus of the bucket's account and Region.
"""

import logging
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import moto.s3.models as models
from moto.events.models import events_backends

from localcloud.base.corrections import fix

_log = logging.getLogger(__name__)


def install() -> None:
    """Fix moto's notifications."""
    fix(models.FakeBucket, "create_from_cloudformation_json", _create_from_template)


def tell_restore(key: Any, what: str, expiry: datetime | None = None) -> None:
    """Send `Object Restore <what>` (Initiated, Completed, Expired) if the bucket tells EventBridge; `expiry` is when the copy goes."""
    bucket = models.s3_backends[key.account_id][key.partition].buckets.get(key.bucket_name)
    if bucket is None or not _is_on(bucket):
        return
    event = restore_event(bucket, key, what, expiry) | {"time": time.time()}
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
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": f"Object Restore {what}",
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
