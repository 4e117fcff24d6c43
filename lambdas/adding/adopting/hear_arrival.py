"""S3's event `Object Created` is noted, for the function that looks at the bucket when all has settled. An event proves nothing and makes
nothing: it may come twice, late or never."""

from datetime import datetime
from urllib.parse import unquote_plus

from dbrestore.contract.document import Document
from lambdas.adding.adopting.rows import AdoptionRows, Heard
from lambdas.configuration import adoption as adoption_configuration
from lambdas.runtime.inputs import ArrivedObject, StateInput
from lambdas.runtime.state import Surroundings, handler


class EventBucket(StateInput):
    """Where it arrived."""

    name: str


class CreationDetail(StateInput):
    """What of the event's detail is read."""

    bucket: EventBucket
    object: ArrivedObject


class CreationEvent(StateInput):
    """HearArrival: S3's event `Object Created` (Amazon S3 User Guide, "EventBridge event message structure"). The guide says of keys in
    notifications to queues and topics that they are URL-encoded, and of these nothing of the kind: both are understood."""

    time: datetime
    detail: CreationDetail


class HeardBy(Document):
    """The rules that mean the object."""

    rules: tuple[str, ...]


@handler("HearArrival", CreationEvent)
def hear_arrival(event: CreationEvent, surroundings: Surroundings) -> HeardBy:
    """Who heard of it: one rule at most, or nobody, if the key only begins as a rule's do."""
    bucket, key = event.detail.bucket.name, event.detail.object.key
    rules = adoption_configuration.deployed(surroundings.settings.adoption_configuration).rules
    keys = dict.fromkeys((key, unquote_plus(key)))
    meant = [rule.name for rule in rules if rule.bucket == bucket and any(map(rule.keys.match, keys))]
    for name in meant:
        AdoptionRows(surroundings.table, name).hear(Heard(key=key, at=event.time))
    return HeardBy(rules=tuple(meant))
