"""The OpenAPI description of the API, made of the routes' own functions and of the models that their answers are."""

import json
from functools import cache
from typing import Any, Final

from dbrestore.contract.api.routes import IAM, OAUTH, ROUTES
from dbrestore.contract.deployed import versions
from lambdas.entrances.api.resolver import app

_SCHEMES: Final[dict[str, Any]] = {
    "apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key", "description": "At the stage itself."},
    "oauth": {
        "type": "oauth2",
        "description": f"Below {OAUTH}: client credentials of the installation's user pool.",
        "flows": {
            "clientCredentials": {
                "tokenUrl": "https://example.invalid/oauth2/token",
                "scopes": {
                    "dbrestore/read": "See restores and restore points.",
                    "dbrestore/start": "Start and stop restores, plans and drills.",
                    "dbrestore/approve": "Decide about restores that wait for a second person.",
                },
            }
        },
    },
    "iam": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": f"Below {IAM}: AWS Signature Version 4 of a principal that may execute-api:Invoke.",
        "x-amazon-apigateway-authtype": "awsSigv4",
    },
}
_SERVERS: Final = [
    {"url": "/", "description": "The stage, with an API key."},
    {"url": OAUTH, "description": "The same routes with an access token."},
    {"url": IAM, "description": "The same routes with a signature of IAM."},
]


@cache
def text() -> str:
    """The description as JSON."""
    return json.dumps(described(), indent=2, ensure_ascii=False) + "\n"


def described() -> dict[str, Any]:
    """What Powertools makes of the functions, with what it can't know: who may call, and which media type problems have."""
    found: dict[str, Any] = json.loads(
        app.get_openapi_json_schema(
            title="dbrestore",
            version=versions.NUMBER,
            description="Restores single databases into running RDS instances.",
            license_info=None,
        )
    )
    found["servers"] = _SERVERS
    found.setdefault("components", {})["securitySchemes"] = _SCHEMES
    for route in ROUTES:
        operation = found["paths"][route.path][route.method.lower()]
        operation["security"] = [{"apiKey": []}, {"oauth": [f"dbrestore/{route.scope}"]}, {"iam": []}]
        operation["responses"] = dict(sorted(operation["responses"].items()))
    # Powertools knows the text that the function returns, and not the document that it is.
    found["paths"]["/v1/openapi.json"]["get"]["responses"]["200"]["content"] = {"application/json": {"schema": {"type": "object"}}}
    return found
