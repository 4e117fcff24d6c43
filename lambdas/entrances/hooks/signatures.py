"""How senders sign, one row each, and whether a body was signed with one of the secrets.

Facts: docs.github.com "Validating webhook deliveries"; developer.atlassian.com "Webhooks" (Jira Cloud platform); PagerDuty's developer-docs
"Verifying Signatures"; developer.zendesk.com "Verifying webhook authenticity"; standardwebhooks.com, the specification.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Final, Literal

from lambdas.configuration.hooks import SchemeName

# As Standard Webhooks asks for, and as much as clocks differ.
WINDOW: Final = timedelta(minutes=5)
# Shorter ones could be guessed from one body and its signature.
SHORTEST_SECRET: Final = 16
_KEY_PREFIX: Final = "whsec_"
# Secrets that stand in the senders' own pages: Zendesk signs with the first what a webhook sends before it is made.
PUBLISHED: Final = frozenset(
    {"dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ==", "It's a Secret to Everybody", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
)

Piece = Literal["id", "time", "body", "."]


class SecretUnusable(Exception):
    """Nobody may sign with it. The message doesn't hold it."""


@dataclass(frozen=True)
class Scheme:
    """HMAC-SHA256 over `signed`, in `header` after `prefix`; several signatures stand between separators. `time_header`: where the time
    stands that is signed too, if one is. `delivery_header`: the sender's id of the delivery, the same in all attempts; only where it is one
    of the signed pieces it can be trusted. Names of headers are lower-case."""

    header: str
    encoding: Literal["hex", "base64"]
    delivery_header: str
    prefix: str = ""
    separator: str | None = None
    signed: tuple[Piece, ...] = ("body",)
    time_header: str | None = None
    time_form: Literal["iso", "unix"] = "unix"
    encoded_key: bool = False

    @property
    def signs_delivery(self) -> bool:
        """Whether the sender's own id can be trusted."""
        return "id" in self.signed


SCHEMES: Final[Mapping[SchemeName, Scheme]] = MappingProxyType(
    {
        "github": Scheme("x-hub-signature-256", "hex", "x-github-delivery", prefix="sha256="),
        "jira": Scheme("x-hub-signature", "hex", "x-atlassian-webhook-identifier", prefix="sha256="),
        "pagerduty": Scheme("x-pagerduty-signature", "hex", "x-webhook-id", prefix="v1=", separator=","),
        "zendesk": Scheme(
            "x-zendesk-webhook-signature",
            "base64",
            "x-zendesk-webhook-invocation-id",
            signed=("time", "body"),
            time_header="x-zendesk-webhook-signature-timestamp",
            time_form="iso",
        ),
        "standard-webhooks": Scheme(
            "webhook-signature",
            "base64",
            "webhook-id",
            prefix="v1,",
            separator=" ",
            signed=("id", ".", "time", ".", "body"),
            time_header="webhook-timestamp",
            encoded_key=True,
        ),
    }
)


@dataclass(frozen=True)
class Delivery:
    """What came: the bytes as they were sent, and the headers that matter, None for those that didn't come."""

    body: bytes
    signature: str | None
    time: str | None = None
    id: str | None = None


def key_of(scheme: Scheme, secret: str) -> bytes:
    """The key that a secret stands for. Raises SecretUnusable."""
    text = secret.strip()
    if text in PUBLISHED or _KEY_PREFIX + text in PUBLISHED:
        raise SecretUnusable("is published in the sender's documentation: use the hook's own")
    key = text.encode()
    if scheme.encoded_key:
        try:
            key = base64.b64decode(text.removeprefix(_KEY_PREFIX), validate=True)
        except (binascii.Error, ValueError) as error:
            raise SecretUnusable(f"is not {_KEY_PREFIX} and base64, as this scheme's secrets are") from error
    if len(key) < SHORTEST_SECRET:
        raise SecretUnusable(f"is empty or has fewer than {SHORTEST_SECRET} bytes: use one that was made at random")
    return key


def is_signed(scheme: Scheme, delivery: Delivery, keys: Sequence[bytes]) -> bool:
    """Whether one of its signatures is that of one of the keys. It takes as long for any signatures of the same number and length."""
    given = _given(scheme, delivery.signature or "")
    text = b"".join(_piece(piece, delivery) for piece in scheme.signed)
    fits = False
    for key in keys:
        expected = _encoded(scheme, hmac.digest(key, text, "sha256"))
        for one in given:
            fits |= hmac.compare_digest(expected, one)
    return fits


def is_fresh(scheme: Scheme, delivery: Delivery, now: datetime) -> bool:
    """Whether the signed time is near enough; True where none is signed."""
    if scheme.time_header is None:
        return True
    signed = _moment(scheme, delivery.time or "")
    return signed is not None and abs(now - signed) <= WINDOW


def _given(scheme: Scheme, header: str) -> list[bytes]:
    """The signatures of the kind that we know, without its mark; other versions may stand beside them."""
    parts = [part.strip() for part in (header.split(scheme.separator) if scheme.separator else [header])]
    return [_bytes(part.removeprefix(scheme.prefix)) for part in parts if part.startswith(scheme.prefix)]


def _piece(piece: Piece, delivery: Delivery) -> bytes:
    match piece:
        case "body":
            return delivery.body
        case "time":
            return _bytes(delivery.time or "")
        case "id":
            return _bytes(delivery.id or "")
        case _:
            return piece.encode()


def _bytes(header: str) -> bytes:
    """Of anything that may come as a header: what isn't text fits no signature."""
    return header.encode("utf-8", "replace")


def _encoded(scheme: Scheme, digest: bytes) -> bytes:
    return digest.hex().encode() if scheme.encoding == "hex" else base64.b64encode(digest)


def _moment(scheme: Scheme, text: str) -> datetime | None:
    try:
        if scheme.time_form == "unix":
            return datetime.fromtimestamp(int(text), UTC) if re.fullmatch(r"[0-9]{1,11}", text) else None
        moment = datetime.fromisoformat(text)
    except (OverflowError, OSError, ValueError):
        return None
    return moment if moment.tzinfo else None
