"""Archived objects of S3: what state they are in, and what makes it change.

The date that S3 tells for a temporary copy is a real one, while the copy goes after its days in the cloud's own time: whoever reads the
date compares it with a calendar.

Invariant: an object's state follows from moments alone; nothing has to run for it to change. Only the events need somebody to look.
"""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import moto.s3.models as models
from moto.s3.utils import ARCHIVE_STORAGE_CLASSES

from localcloud.base import clock
from localcloud.s3 import events as s3_events

DAY = 86_400.0

# For tests: retrievals end and copies go when `finish` and `expire` say so, and never by themselves.
by_hand = False


@dataclass
class Retrieval:
    """The latest request for an object; moments in seconds since 1970. `gone` is when the temporary copy goes."""

    tier: str
    days: int | None
    ready: float
    gone: float = math.inf
    expiry: datetime | None = None
    is_told: bool = False

    def end_at(self, moment: float) -> None:
        """The data is there at this moment, for its days."""
        self.ready = moment
        if self.days is not None:
            self.keep_from(moment, self.days)

    def keep_from(self, moment: float, days: int) -> None:
        """The copy stays for so many days from this moment; S3 rounds up to the next midnight."""
        self.days = days
        if math.isfinite(moment):
            day = datetime.fromtimestamp(moment, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
            self.expiry = day + timedelta(days=days + 1)
        self.gone = math.inf if by_hand else moment + clock.shortened(days * DAY)


def archive_of(key: Any) -> str | None:
    """Where the object lies archived: a storage class or an access tier of Intelligent-Tiering; None for one that is at hand."""
    if key.storage_class in ARCHIVE_STORAGE_CLASSES:
        return str(key.storage_class)
    tier, retrieval = getattr(key, "access_tier", None), retrieval_of(key)
    return None if retrieval and retrieval.ready <= time.time() else tier


def is_readable(key: Any) -> bool:
    """Whether the object's bytes can be read now."""
    retrieval = retrieval_of(key)
    return archive_of(key) is None or bool(retrieval and retrieval.ready <= time.time())


def retrieval_of(key: Any) -> Retrieval | None:
    """The retrieval that is under way or whose data is there; None after its copy has gone."""
    found: Retrieval | None = getattr(key, "retrieval", None)
    return found if found and time.time() < found.gone else None


def begin(key: Any, retrieval: Retrieval, seconds: float) -> None:
    """Start a retrieval that takes AWS's `seconds`."""
    retrieval.end_at(math.inf if by_hand else time.time() + clock.shortened(seconds))
    key.retrieval = retrieval
    s3_events.tell_restore(key, "Initiated")
    clock.at(retrieval.ready, partial(_settle, key))


def _settle(key: Any) -> None:
    """Tell what has become of an object whose moment has come."""
    latest: Retrieval | None = getattr(key, "retrieval", None)
    if latest is None or latest.ready > time.time():
        return
    if not latest.is_told:
        latest.is_told = True
        s3_events.tell_restore(key, "Completed", latest.expiry)
        clock.at(latest.gone, partial(_settle, key))
    elif latest.gone <= time.time():
        key.retrieval = None
        s3_events.tell_restore(key, "Expired")
    else:
        # Its days were extended meanwhile.
        clock.at(latest.gone, partial(_settle, key))


def move(bucket: str, name: str, access_tier: str) -> None:
    """Put an object of Intelligent-Tiering into ARCHIVE_ACCESS or DEEP_ARCHIVE_ACCESS, as months without a reader do."""
    key = _bucket(bucket).keys[name]
    key.access_tier, key.retrieval = access_tier, None


def finish(bucket: str | None = None, name: str | None = None) -> list[str]:
    """Retrievals that are under way (of this bucket, of this object) end now; the names of their objects."""
    under_way = [(key, retrieval) for key, retrieval in _retrieved(bucket, name) if retrieval.ready > time.time()]
    for key, retrieval in under_way:
        retrieval.end_at(time.time())
        _settle(key)
    return [key.name for key, _ in under_way]


def expire(bucket: str | None = None, name: str | None = None) -> list[str]:
    """Temporary copies (of this bucket, of this object) go now, whatever their days; the names of their objects."""
    copies = [(key, retrieval) for key, retrieval in _retrieved(bucket, name) if archive_of(key) and retrieval.ready <= time.time()]
    for key, retrieval in copies:
        retrieval.gone = time.time()
        _settle(key)
    return [key.name for key, _ in copies]


def _retrieved(bucket: str | None, name: str | None) -> Iterator[tuple[Any, Retrieval]]:
    names = [bucket] if bucket else list(models.s3_backends.bucket_accounts)
    for key in [key for one in names for key in _bucket(one).keys.values()]:
        retrieval = retrieval_of(key)
        if retrieval and name in (None, key.name):
            yield key, retrieval


def _bucket(name: str) -> Any:
    partition, account = models.s3_backends.bucket_accounts[name]
    return models.s3_backends[account][partition].buckets[name]
