"""Ticket systems, a chat and an on-call service, as one server of this computer: it takes what they would take, and no more.

Which product is asked the `Host` header says. Sources: the products' documentation of the calls (`lambdas.configuration.answer_kinds`).
"""

import base64
import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

TOKEN = "a-token-of-changes"


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    method: str
    host: str
    path: str
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def credentials(self) -> str:
        return self.headers.get("authorization", "")


@dataclass(frozen=True)
class Written:
    """What a product took: where, and the text that people read there."""

    host: str
    ticket: str
    text: str


@dataclass(frozen=True)
class Product:
    """`allows`: the header's value, with names of secrets. `keys`: those of the body, and those inside, joined by dots. `text` finds what
    people read."""

    method: str
    path: str
    allows: str
    good: int
    keys: set[str]
    text: Callable[[Any], str]


def _allowed(pattern: str, secret: Callable[[str], str]) -> str:
    """The header of a pattern like `Bearer {github}` or `Basic user:{jira}`."""
    text = re.sub(r"\{([a-z-]+)\}", lambda found: secret(found[1]), pattern)
    kind, _, pair = text.partition(" ")
    return f"Basic {base64.b64encode(pair.encode()).decode()}" if kind == "Basic" else text


# By their hosts.
PRODUCTS: Mapping[str, Product] = {
    "example.service-now.com": Product(
        "PATCH",
        r"/api/now/table/sc_req_item/([0-9a-f]{32})",
        "Basic dbrestore:{servicenow}",
        200,
        {"work_notes"},
        lambda body: str(body["work_notes"]),
    ),
    "example.atlassian.net": Product(
        "POST",
        r"/rest/api/2/issue/([A-Z]+-\d+)/comment",
        "Basic dbrestore@example.com:{jira}",
        201,
        {"body"},
        lambda body: str(body["body"]),
    ),
    "api.github.com": Product(
        "POST",
        r"/repos/example/restores/issues/(\d+)/comments",
        "Bearer {github}",
        201,
        {"body"},
        lambda body: str(body["body"]),
    ),
    "example.zendesk.com": Product(
        "PUT",
        r"/api/v2/tickets/(\d+)",
        "Basic dbrestore@example.com/token:{zendesk}",
        200,
        {"ticket", "ticket.comment", "ticket.comment.body", "ticket.comment.public"},
        lambda body: str(body["ticket"]["comment"]["body"]),
    ),
    "api.pagerduty.com": Product(
        "POST",
        r"/incidents/([A-Z0-9]+)/notes",
        "Token token={pagerduty-rest}",
        201,
        {"note", "note.content"},
        lambda body: str(body["note"]["content"]),
    ),
    "slack.com": Product(
        "POST",
        r"/api/chat\.postMessage()",
        "Bearer {slack}",
        200,
        {"channel", "text", "blocks", "unfurl_links"},
        lambda body: str(body["blocks"][0]["text"]["text"]),
    ),
    "changes.example.com": Product(
        "POST",
        r"/restores()",
        f"Bearer {TOKEN}",
        202,
        {"type", "id", "timestamp", "data"}
        | {f"data.{key}" for key in ("kind", "restoreId", "mode", "status", "severity", "ticket", "caller", "text")},
        lambda body: str(body["data"]["text"]),
    ),
}


class TicketSystems:
    """All of them. `written` is what they took, `refused` what they didn't, with why. `busy` 1: the next call is answered with 503."""

    def __init__(self, secret: Callable[[str], str]) -> None:
        self._secret = secret
        self.written: list[Written] = []
        self.refused: list[str] = []
        self.incidents: dict[str, Any] = {}
        self.busy: dict[str, int] = {}
        systems = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                text = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                asked = Asked(
                    self.command, self.headers["Host"], self.path, {name.lower(): value for name, value in self.headers.items()}, text
                )
                status, answer = systems.answer(asked)
                sent = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(sent)))
                self.end_headers()
                self.wfile.write(sent)

            def do_POST(self) -> None:
                self.answer()

            def do_PATCH(self) -> None:
                self.answer()

            def do_PUT(self) -> None:
                self.answer()

            def log_message(self, format: str, *arguments: object) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def hosts(self) -> tuple[str, ...]:
        return (*PRODUCTS, "events.pagerduty.com", "id.example.com")

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def about(self, host: str, ticket: str = "", seconds: float = 120.0) -> list[str]:
        """The texts of a ticket, waited for."""
        deadline = time.monotonic() + seconds
        while not (found := [one.text for one in self.written if (one.host, one.ticket) == (host, ticket)]):
            assert time.monotonic() < deadline, self.refused
            time.sleep(0.1)
        return found

    def answer(self, asked: Asked) -> tuple[int, Any]:
        """Status and body."""
        if self.busy.get(asked.host):
            self.busy[asked.host] -= 1
            return 503, {}
        if asked.host == "id.example.com":
            return self._token(asked)
        if asked.host == "events.pagerduty.com":
            return self._enqueued(asked)
        status, why = self._judged(PRODUCTS[asked.host], asked)
        if why:
            self.refused.append(f"{asked.host}{asked.path}: {status} {why}: {asked.text}")
        return status, {"ok": not why, "error": why}

    def _judged(self, product: Product, asked: Asked) -> tuple[int, str]:
        found = re.fullmatch(product.path, asked.path)
        if asked.credentials != _allowed(product.allows, self._secret):
            return 401, f"credentials {asked.credentials!r}"
        if not found or asked.method != product.method:
            return 404, f"{asked.method} {asked.path}"
        if not asked.headers["content-type"].startswith("application/json"):
            return 415, asked.headers["content-type"]
        if asked.host == "api.pagerduty.com" and asked.headers.get("from") != "oncall@example.com":
            return 400, "no From"
        if set(_keys(asked.json)) != product.keys:
            return 400, f"keys {sorted(_keys(asked.json))}"
        self.written.append(Written(asked.host, found[1], product.text(asked.json)))
        return product.good, ""

    def _token(self, asked: Asked) -> tuple[int, Any]:
        """RFC 6749, 4.4: the grant type has to be in the form."""
        form = {key: values[0] for key, values in parse_qs(asked.text).items()}
        known = {"client_id": "dbrestore", "client_secret": self._secret("changes")}
        if {key: form.get(key) for key in known} != known or form.get("grant_type") != "client_credentials":
            self.refused.append(f"token: {sorted(form)}")
            return 400, {"error": "unsupported_grant_type"}
        return 200, {"access_token": TOKEN, "token_type": "Bearer", "expires_in": 3600}

    def _enqueued(self, asked: Asked) -> tuple[int, Any]:
        """Events API v2: a key in the body, an action, and a payload with three keys at least; the same key is the same incident."""
        body = asked.json
        if body.get("routing_key") != self._secret("pagerduty-events") or body.get("event_action") not in ("trigger", "resolve"):
            self.refused.append(f"enqueue: {sorted(body)}")
            return 400, {"status": "invalid event"}
        if not {"summary", "source", "severity"} <= set(body["payload"]) or len(body["payload"]["summary"]) > 1024:
            self.refused.append(f"enqueue: {body['payload']}")
            return 400, {"status": "invalid event"}
        self.incidents[body["dedup_key"]] = body["payload"]
        return 202, {"status": "success", "dedup_key": body["dedup_key"]}


def _keys(body: Any, above: str = "") -> list[str]:
    if not isinstance(body, dict):
        return []
    return [name for key, value in body.items() for name in (above + key, *_keys(value, f"{above}{key}."))]
