"""`POST /hooks/{name}`: a signed event is read once its signature is known to be right, and becomes a restore, once.

A delivery's own id is signed by few senders, so it counts for nothing elsewhere: the key of a restore is what the hook says, or else the
signed body itself. Whoever has caught a body can send it again as often as they like, and gets the restore that there is.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from dbrestore.contract.limits import API_BODY_BYTES, HOOK_BODY_BYTES
from lambdas.configuration.access import AccessConfiguration
from lambdas.configuration.hooks import Hook
from lambdas.entrances.api import bodies, showing, starting
from lambdas.entrances.api.callers import Caller
from lambdas.entrances.api.received import Received
from lambdas.entrances.api.refusals import AGAIN_SOON, Refusal, malformed, unavailable
from lambdas.entrances.api.showing import Look
from lambdas.entrances.api.starting import Call
from lambdas.entrances.hooks import mapping, secrets, signatures
from lambdas.entrances.hooks.mapping import NotForUs
from lambdas.entrances.hooks.signatures import SCHEMES, Delivery, Scheme
from lambdas.runtime.state import Surroundings
from lambdas.runtime.telemetry import log

JSON = "application/json"
HOW_TO_SEND_JSON = {"github": ": in the webhook's settings choose the content type application/json"}

Answer = dict[str, Any]


@dataclass(frozen=True)
class Key:
    """What is one restore. `digest`: what must be the same where the key is; None: the request."""

    text: str
    digest: str | None


def answer(event: Mapping[str, Any], access: AccessConfiguration, surroundings: Surroundings) -> Answer:
    """API Gateway's event to its answer: 202 for a new restore, 200 for one that is there, 204 for what doesn't concern us. Raises Refusal
    and whatever a request is refused with."""
    hook = _hook(event, access)
    log.append_keys(caller=hook.name)
    try:
        return _answered(hook, event, access, surroundings)
    except (ClientError, BotoCoreError) as error:
        log.exception("AWS refused a call")
        raise unavailable() from error


def _answered(hook: Hook, event: Mapping[str, Any], access: AccessConfiguration, surroundings: Surroundings) -> Answer:
    scheme = SCHEMES[hook.scheme]
    delivery = _delivery(scheme, event)
    log.append_keys(delivery=(delivery.id or "")[:100])
    _require_signature(hook, scheme, delivery, surroundings)
    _require_json(hook, event)
    sent = bodies.json_object(delivery.body)
    try:
        request, key = mapping.request_of(hook, sent), _key(hook, scheme, delivery, mapping.key_of(hook, sent))
    except NotForUs as why:
        log.info("the event is not for us: %s", why)
        return {"statusCode": 204, "multiValueHeaders": {}, "body": "", "isBase64Encoded": False}
    _require_size(request)
    look = Look(Caller(hook.name, hook.name), access, surroundings)
    accepted = starting.restore(Call(look.caller, key.text, access, surroundings), request, key.digest)
    return _told(look, accepted)


def _hook(event: Mapping[str, Any], access: AccessConfiguration) -> Hook:
    hook = access.hook(str((event.get("pathParameters") or {}).get("name")))
    if hook is None:
        raise Refusal(
            404, "HookNotFound", "There is no such hook", "The access configuration of this installation has no hook of this name"
        )
    return hook


def _delivery(scheme: Scheme, event: Mapping[str, Any]) -> Delivery:
    body = bodies.raw(event, HOOK_BODY_BYTES)
    names = (scheme.header, scheme.time_header, scheme.delivery_header)
    return Delivery(body, *(bodies.header(event, name) if name else None for name in names))


def _require_signature(hook: Hook, scheme: Scheme, delivery: Delivery, surroundings: Surroundings) -> None:
    """Raises Refusal. The time counts only once it is known to be the sender's."""
    if not delivery.signature:
        raise _unsigned(f"The header {scheme.header} is missing: set the secret of hook {hook.name} at the sender")
    known = secrets.keys_of(scheme, hook.secrets)
    if not signatures.is_signed(scheme, delivery, known.keys):
        if known.lacking:
            raise _without_secret(hook)
        raise _unsigned(f"No signature in {scheme.header} is that of this body with a secret of hook {hook.name}")
    if not signatures.is_fresh(scheme, delivery, surroundings.clock()):
        raise _unsigned(f"The signed time in {scheme.time_header} is not within 5 minutes of now: sign the event again")


def _without_secret(hook: Hook) -> Refusal:
    """The signature may be right, so that the sender should come again."""
    told = f"A secret of hook {hook.name} can't be read or used: the log of this installation says why"
    return Refusal(503, "Unavailable", "Not now", told, headers=AGAIN_SOON)


def _unsigned(detail: str) -> Refusal:
    return Refusal(401, "SignatureInvalid", "The signature is wrong", detail, headers={"WWW-Authenticate": "Signature"})


def _require_json(hook: Hook, event: Mapping[str, Any]) -> None:
    try:
        bodies.require_json(bodies.header(event, "content-type"))
    except Refusal as refusal:
        refusal.detail += HOW_TO_SEND_JSON.get(hook.scheme, "")
        raise


def _require_size(request: dict[str, Any]) -> None:
    """Raises Refusal: an execution's input and a row of the ledger hold no more than what somebody could have sent as a request."""
    try:
        size = len(json.dumps(request, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    except RecursionError as error:
        raise malformed("is nested too deeply: no request needs that") from error
    if size > API_BODY_BYTES:
        told = f"The request that this event becomes has {size:,} bytes, {API_BODY_BYTES:,} at most: map less of the event"
        raise Refusal(422, "RequestTooLarge", "The request is too large", told)


def _key(hook: Hook, scheme: Scheme, delivery: Delivery, mapped: str | None) -> Key:
    """The kinds of keys can't meet, whatever a sender writes into one."""
    if mapped is not None:
        return Key(f"mapped {mapped!a}", None)
    body = sha256(delivery.body).hexdigest()
    return Key(f"delivery {delivery.id!a}" if scheme.signs_delivery and delivery.id else f"body {body}", body)


def _told(look: Look, accepted: Received) -> Answer:
    shown = showing.of_accepted(look, accepted)
    headers = {"Content-Type": [JSON], "Location": [shown.links.self]}
    return {
        "statusCode": 200 if accepted.started else 202,
        "multiValueHeaders": headers,
        "body": shown.to_json(),
        "isBase64Encoded": False,
    }
