"""Act 4, the HTTP API: a ticket asks for a restore, a second person approves it, and the ticket gets its answer."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from dbrestore.cli.control import ControlPlane
from dbrestore.cli.following import read_report
from dbrestore.contract.record import Report
from demo import inventory as demo_inventory
from demo import restores as demo_restores
from demo.shop import DATABASE, INSTANCE, Shop
from demo.stage import Stage

TICKET: Final = "INC-7"
NEW: Final = "shop_ticket"
REQUEST: Final = {"target": {"dbInstance": INSTANCE}, "databases": [{"name": DATABASE, "as": NEW}], "reason": TICKET}
# Both callers may restore into the instance, so what keeps the ticket from approving is that it asked.
ACCESS: Final = {
    "callers": [{"name": "tickets", "by": "apiKey"}, {"name": "colleague", "by": "apiKey"}],
    "rules": [
        {
            "callers": ["tickets", "colleague"],
            "may": ["restore", "read", "cancel", "approve"],
            "targets": [INSTANCE],
            "databases": [f"{DATABASE}*"],
            "approval": "second-person",
        }
    ],
}
OVER: Final = ("SUCCEEDED", "FAILED", "REFUSED")


@dataclass(frozen=True)
class Ticket:
    """What the ticket was told at the end, and the report."""

    told: Mapping[str, Any]
    report: Report


@dataclass(frozen=True)
class Api:
    """The API as a caller of it has it."""

    url: str
    key: str

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, dict[str, Any]]:
        """Status and document of one call."""
        sent = {
            "x-api-key": self.key,
            "Content-Type": "application/json",
            **{name.replace("_", "-"): text for name, text in headers.items()},
        }
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.url + path, data, sent, method=method)  # noqa: S310 - the local cloud's own address
        try:
            with urllib.request.urlopen(request) as response:  # noqa: S310  # nosec B310 - the local cloud's own address
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)


def configure(directory: Path) -> Path:
    """The file that says who may do what, as it is deployed."""
    path = directory / "access.json"
    path.write_text(json.dumps(ACCESS, indent=2))
    return path


def run(stage: Stage, plane: ControlPlane, shop: Shop, known: Mapping[str, Any]) -> Ticket:
    """`known`: the API's address and keys, as the local cloud notes them."""
    before = demo_inventory.take(shop)
    ticket, colleague = (Api(known["url"], known["keys"][name]) for name in ("tickets", "colleague"))
    path = _asked(stage, ticket)
    shown = _until(ticket, path, ("WAITING_FOR_APPROVAL", *OVER))
    stage.claim("it is planned, and waits for a second person", shown["status"] == "WAITING_FOR_APPROVAL", str(shown))
    stage.claim("nothing was made while it waits", demo_inventory.take(shop) == before)
    status, refused = ticket.call("POST", f"{path}/approval", {"decision": "approve"})
    stage.claim("who asked may not approve: 403", (status, refused["type"].rpartition(":")[2]) == (403, "OwnRestore"), str(refused))
    stage.command(f"dbrestore approve {path.rpartition('/')[2]}")
    status, decided = colleague.call("POST", f"{path}/approval", {"decision": "approve", "reason": "seen"})
    stage.claim("a colleague approves", (status, decided.get("approval", {}).get("by")) == (200, "colleague"), str(decided))
    told = _until(ticket, path, OVER)
    stage.claim("the ticket is told that it SUCCEEDED", told["status"] == "SUCCEEDED", str(told))
    report = read_report(plane, told["id"])
    if report is None:
        raise RuntimeError(f"{told['id']} ended without a report")
    demo_restores.claim_nothing_is_left(stage, shop, report, before, {NEW})
    return Ticket(told, report)


def _asked(stage: Stage, ticket: Api) -> str:
    """Asks twice, as a sender does whose first answer was lost."""
    stage.command(f"curl -X POST $DBRESTORE_API_URL/v1/restores -H 'Idempotency-Key: {TICKET}' -d '{json.dumps(REQUEST)}'")
    answers = [ticket.call("POST", "/v1/restores", REQUEST, Idempotency_Key=TICKET) for _ in range(2)]
    ids = {(status, answer.get("id")) for status, answer in answers}
    stage.claim("asked twice with the key of the ticket, it is one restore: 202", len(ids) == 1 and answers[0][0] == 202, str(answers))
    return str(answers[0][1]["links"]["self"])


def _until(api: Api, path: str, statuses: tuple[str, ...]) -> dict[str, Any]:
    while True:
        _, shown = api.call("GET", path)
        if shown["status"] in statuses:
            return shown
        time.sleep(0.5)
