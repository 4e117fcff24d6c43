"""Calls of the HTTP API as the function behind it gets them: API Gateway's event for a REST API with proxy integration."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from dbrestore.contract.api.routes import DOORS, HOOK, IAM, OAUTH, ROUTES
from lambdas.entrances.api.answer_api import answer_api
from tests.statemachine.world import World

KEYS = {"tickets": "k1", "reader": "k2", "stranger": "k9"}
CLIENTS = {"agent": "c1"}
DBA = "arn:aws:iam::123456789012:role/team/dba"
ACCESS: dict[str, Any] = {
    "callers": [
        {"name": "tickets", "by": "apiKey"},
        {"name": "reader", "by": "apiKey"},
        {"name": "agent", "by": "oauth"},
        {"name": "dba", "by": "iam", "principal": DBA},
    ],
    "rules": [
        {"callers": ["tickets", "agent"], "may": ["plan", "restore", "cancel"], "targets": ["orders-prod"], "databases": ["orders*"]},
        {"callers": ["reader"], "may": ["read"], "targets": ["orders-*"], "sources": ["orders-*"]},
        {
            "callers": ["dba"],
            "may": ["read", "plan", "restore", "cancel", "drill", "approve"],
            "targets": ["*"],
            "wishes": ["worker", "checks"],
        },
    ],
}


@dataclass(frozen=True)
class Answer:
    """What the caller gets. Header names are lower-case."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


def configure(world: World, folder: Path, access: dict[str, Any] | None = None) -> None:
    """Have the API know these callers and rules."""
    path = folder / "access.json"
    path.write_text(json.dumps(access or ACCESS))
    world.patch.setenv("ACCESS_CONFIGURATION", str(path))
    world.patch.setenv("API_CALLERS", json.dumps({"keys": KEYS, "clients": CLIENTS}))


def event(
    method: str,
    path: str,
    body: Any = None,
    *,
    caller: str = "tickets",
    key: str | None = None,
    headers: dict[str, str] | None = None,
) -> dict[str, Any]:
    """`body`: JSON of it is sent, a text or bytes as they are. `caller` None: API Gateway let somebody in whom it can't name."""
    parts = urlsplit(path)
    resource, parameters = _resource(method, parts.path)
    query = parse_qsl(parts.query, keep_blank_values=True)
    sent = {"Content-Type": "application/json", **({"Idempotency-Key": key} if key else {}), **(headers or {})}
    return {
        "resource": resource,
        "path": parts.path,
        "httpMethod": method,
        "headers": sent,
        "multiValueHeaders": {name: [value] for name, value in sent.items()},
        "queryStringParameters": dict(query) or None,
        "multiValueQueryStringParameters": {name: [v for n, v in query if n == name] for name, _ in query} or None,
        "pathParameters": parameters or None,
        "stageVariables": None,
        "requestContext": {
            "requestId": "call-1",
            "resourcePath": resource,
            "httpMethod": method,
            "stage": "live",
            "path": f"/live{parts.path}",
            **_proven(path, caller),
        },
        "body": body if body is None or isinstance(body, str) else json.dumps(body),
        "isBase64Encoded": False,
    }


def call(world: World, method: str, path: str, body: Any = None, **options: Any) -> Answer:
    """One call, to its answer."""
    return answered(world, event(method, path, body, **options))


def answered(world: World, sent: dict[str, Any]) -> Answer:
    """The answer to an event."""
    answer = answer_api(sent, None, world.surroundings())
    headers = {name.lower(): values[0] for name, values in answer["multiValueHeaders"].items()}
    return Answer(answer["statusCode"], headers, answer["body"])


def location(answer: Answer) -> str:
    """Where the answer leads, below the stage."""
    return answer.headers["location"].removeprefix("/live")


def _resource(method: str, path: str) -> tuple[str, dict[str, str]]:
    """The route as API Gateway names it, with the parameters of its path."""
    door = next((door for door in DOORS if door and path.startswith(f"{door}/")), "")
    given = path.removeprefix(door).split("/")
    if given[:2] == ["", "hooks"]:
        return HOOK, {"name": given[2]}
    for route in ROUTES:
        wanted = route.path.split("/")
        if route.method == method and len(wanted) == len(given) and all(a == b or a[:1] == "{" for a, b in zip(wanted, given, strict=True)):
            return door + route.path, {a[1:-1]: b for a, b in zip(wanted, given, strict=True) if a[:1] == "{"}
    return path, {}


def _proven(path: str, caller: str) -> dict[str, Any]:
    if path.startswith(OAUTH):
        return {"identity": {}, "authorizer": {"claims": {"client_id": CLIENTS.get(caller, "unknown"), "token_use": "access"}}}
    if path.startswith(IAM):
        return {"identity": {"userArn": caller}}
    return {"identity": {"apiKeyId": KEYS.get(caller, "unknown")}}
