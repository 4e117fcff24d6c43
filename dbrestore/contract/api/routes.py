"""The routes of the HTTP API, once: the stack makes the methods of them, the function answers them, and the tests compare the two."""

from dataclasses import dataclass
from typing import Literal

Scope = Literal["read", "start", "approve"]
# Each way of proving who calls has its own root, because a method of API Gateway has one authorizer: API keys have none of their own.
OAUTH = "/oauth"
IAM = "/iam"
DOORS = ("", OAUTH, IAM)
# POST, for senders who sign the body: the function checks it, because API Gateway shows no authorizer a body.
HOOK = "/hooks/{name}"


@dataclass(frozen=True)
class Route:
    """`path` as API Gateway writes it. `scope`: what an OAuth token must have. `does`: one sentence for the API's description."""

    method: Literal["GET", "POST"]
    path: str
    scope: Scope
    does: str


ROUTES = (
    Route("POST", "/v1/restores", "start", "Start a restore."),
    Route("GET", "/v1/restores", "read", "The restores that the caller may see, newest first."),
    Route("GET", "/v1/restores/{id}", "read", "How a restore stands."),
    Route("POST", "/v1/restores/{id}/cancel", "start", "Ask a restore to stop; what it made is removed."),
    Route("POST", "/v1/restores/{id}/approval", "approve", "Approve or reject a restore that waits for a second person."),
    Route("POST", "/v1/restores/{id}/swaps", "start", "Exchange the names of what was restored, turn that back, or drop what was kept."),
    Route("GET", "/v1/restores/{id}/report", "read", "The page with the evidence of a restore that is over."),
    Route("POST", "/v1/plans", "start", "What a restore would do, and whatever speaks against it. Nothing is made."),
    Route("GET", "/v1/points", "read", "The restore points of an instance."),
    Route("POST", "/v1/drills/{name}/runs", "start", "Run a declared drill now."),
    Route("GET", "/v1/openapi.json", "read", "This description."),
)
