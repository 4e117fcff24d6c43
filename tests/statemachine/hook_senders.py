"""The systems that send webhooks, as they send them: bodies and headers from their documentation (`senders/`), and how each signs.

They sign here by hashlib's own HMAC written out once more, so that a mistake in the product's table can't be made twice.
"""

import base64
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import boto3

from tests.statemachine.api_calls import ACCESS, KEYS, Answer, answered, configure, event
from tests.statemachine.world import World

FOLDER = Path(__file__).parent / "senders"
# Current, old and still current, and nobody's.
NEW, OLD, WRONG = "new-secret-of-the-hook-0123456789", "old-secret-of-the-hook-0123456789", "no-secret-of-the-hook-0123456789"
Signed = dict[str, str]


def _hex(secret: str, text: bytes) -> str:
    return hmac.new(secret.encode(), text, "sha256").hexdigest()


def github(secret: str, body: bytes, now: datetime) -> Signed:
    return {"X-Hub-Signature": f"sha1={'0' * 40}", "X-Hub-Signature-256": f"sha256={_hex(secret, body)}"}


def jira(secret: str, body: bytes, now: datetime) -> Signed:
    return {"X-Hub-Signature": f"sha256={_hex(secret, body)}"}


def pagerduty(secret: str, body: bytes, now: datetime) -> Signed:
    """While PagerDuty itself changes its secret."""
    return {"X-PagerDuty-Signature": f"v1={_hex('PagerDutys other one', body)},v1={_hex(secret, body)}"}


def zendesk(secret: str, body: bytes, now: datetime) -> Signed:
    time = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    signature = base64.b64encode(hmac.new(secret.encode(), time.encode() + body, "sha256").digest()).decode()
    return {"X-Zendesk-Webhook-Signature": signature, "X-Zendesk-Webhook-Signature-Timestamp": time}


def standard(secret: str, body: bytes, now: datetime) -> Signed:
    """The key's bytes are the secret's, as `key` below stores them."""
    id_, time = "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W", str(int(now.timestamp()))
    signature = base64.b64encode(hmac.new(secret.encode(), f"{id_}.{time}.".encode() + body, "sha256").digest()).decode()
    return {"webhook-id": id_, "webhook-timestamp": time, "webhook-signature": f"v1a,AAAA v1,{signature}"}


def unsigned(secret: str, body: bytes, now: datetime) -> Signed:
    return {}


@dataclass(frozen=True)
class Sender:
    """`change`: what somebody on the way makes of the body."""

    name: str
    sign: Callable[[str, bytes, datetime], Signed]

    @property
    def is_signed(self) -> bool:
        return self.sign is not unsigned

    @property
    def path(self) -> str:
        return f"/hooks/{self.name}" if self.is_signed else "/v1/restores"

    def body(self, kind: str = "") -> bytes:
        """Byte by byte, as it comes; `.other`: an event that has nothing to do with restores."""
        return (FOLDER / f"{self.name}{kind}.json").read_bytes()

    def headers(self) -> dict[str, str]:
        lines = (FOLDER / f"{self.name}.headers").read_text().splitlines()
        return dict(line.split(": ", 1) for line in lines)

    def sent(self, world: World, body: bytes, secret: str = NEW, signed_body: bytes | None = None) -> Answer:
        """One delivery. A key of API Gateway's stands for the secret where nothing is signed."""
        signed = self.sign(secret, body if signed_body is None else signed_body, world.clock())
        caller = {NEW: "tickets", OLD: "tickets-old", WRONG: "stranger"}[secret]
        given = event("POST", self.path, body.decode(), caller=caller, headers={**self.headers(), **signed})
        return answered(world, given)


SENDERS = (
    Sender("github", github),
    Sender("jira", jira),
    Sender("pagerduty", pagerduty),
    Sender("zendesk", zendesk),
    Sender("standard-webhooks", standard),
    Sender("servicenow", unsigned),
)
_TICKET = {"system": "jira", "id": "{% issue.key %}", "url": "{% issue.self %}"}
_ORDERS = {"dbInstance": "orders-prod"}
HOOKS: dict[str, dict[str, Any]] = {
    "github": {
        "when": "action == 'labeled' && label.name == 'restore' && repository.full_name == 'example/restores'",
        "request": {
            "target": _ORDERS,
            "databases": [{"name": "orders", "as": "{% join('_', ['orders', to_string(issue.number)]) %}"}],
            "reason": "{% issue.title %}",
            "requestedBy": "{% sender.login %}",
            "ticket": {"system": "github", "id": "{% to_string(issue.number) %}", "url": "{% issue.html_url %}"},
        },
    },
    "jira": {
        "when": "webhookEvent == 'jira:issue_updated' && issue.fields.project.key == 'DB'"
        " && length(changelog.items[?field == 'status' && toString == 'Approved']) > `0`",
        "idempotencyKey": "join('-', [issue.key, changelog.id])",
        "request": {
            "target": _ORDERS,
            "source": {"restorePoint": "{% issue.fields.customfield_10059 %}"},
            "databases": [{"name": "{% issue.fields.customfield_10057.value %}", "as": "{% issue.fields.customfield_10058 %}"}],
            "reason": "{% issue.fields.summary %}",
            "requestedBy": "{% user.displayName %}",
            "ticket": _TICKET,
        },
    },
    "pagerduty": {
        "when": "event.event_type == 'incident.triggered' && event.data.service.id == 'PF9KMXH'",
        "idempotencyKey": "event.data.id",
        "request": {
            "target": _ORDERS,
            "databases": [{"name": "orders", "as": "orders_restored"}],
            "reason": "{% event.data.title %}",
            "ticket": {"system": "pagerduty", "id": "{% event.data.id %}", "url": "{% event.data.html_url %}"},
        },
    },
    "zendesk": {
        "when": "type == 'restore'",
        "idempotencyKey": "ticket.id",
        "request": {
            "target": {"dbInstance": "{% target %}"},
            "databases": [{"name": "{% database %}", "as": "{% name %}"}],
            "reason": "{% ticket.title %}",
            "requestedBy": "{% ticket.requester %}",
            "ticket": {"system": "zendesk", "id": "{% ticket.id %}", "url": "{% ticket.url %}"},
        },
    },
    "standard-webhooks": {
        "when": "type == 'restore.requested'",
        "request": {
            "target": {"dbInstance": "{% data.instance %}"},
            "databases": "{% data.databases %}",
            "reason": "{% data.why %}",
            "ticket": {"id": "{% data.change %}"},
        },
    },
}


def stored(secret: str, *, encoded: bool = False) -> str:
    """Put it into Secrets Manager: its ARN."""
    text = f"whsec_{base64.b64encode(secret.encode()).decode()}" if encoded else secret
    return boto3.client("secretsmanager").create_secret(Name=f"hook-{len(_names())}", SecretString=text)["ARN"]


def _names() -> list[Any]:
    return boto3.client("secretsmanager").list_secrets(MaxResults=100)["SecretList"]


def declare(world: World, folder: Path, **more: dict[str, Any]) -> dict[str, Any]:
    """Have the API know every sender, each with its two secrets; `more` are keys of single hooks that are otherwise."""
    hooks = [
        {"name": name, "scheme": name, "secrets": _secrets(name), **hook, **more.get(name.replace("-", "_"), {})}
        for name, hook in HOOKS.items()
    ]
    access = json.loads(json.dumps(ACCESS))
    access["callers"].append({"name": "tickets-old", "by": "apiKey"})
    access["hooks"] = hooks
    access["rules"].append({"callers": ["tickets-old", *HOOKS], "may": ["restore"], "targets": ["orders-prod"], "databases": ["orders*"]})
    configure(world, folder, access)
    known = {"keys": {**KEYS, "tickets-old": "k0"}, "clients": {}}
    world.patch.setitem(KEYS, "tickets-old", "k0")
    world.patch.setenv("API_CALLERS", json.dumps(known))
    return dict(access)


def _secrets(name: str) -> list[str]:
    return [stored(secret, encoded=name == "standard-webhooks") for secret in (NEW, OLD)]
