"""What API Gateway says by itself: the 21 gateway responses, each with AWS's status, text and error type unless the API has its own.

Statuses and fall-backs: API Gateway developer guide, "Gateway response types". Texts and error types: as seen in answers that people have
published; those of AUTHORIZER_*, UNSUPPORTED_MEDIA_TYPE, RESOURCE_NOT_FOUND and WAF_FILTERED are assumed, and so is which template answers
an Accept header.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from localcloud.gateway.requests import Answer


@dataclass(frozen=True)
class Default:
    """What AWS says where the API says nothing: status, text, and the header x-amzn-ErrorType."""

    status: int
    message: str | None
    error: str


_SERVER: Final = "InternalServerErrorException"
DEFAULTS: Final = {
    "ACCESS_DENIED": Default(403, "User is not authorized to access this resource", "AccessDeniedException"),
    "API_CONFIGURATION_ERROR": Default(500, "Internal server error", _SERVER),
    "AUTHORIZER_CONFIGURATION_ERROR": Default(500, None, "AuthorizerConfigurationException"),
    "AUTHORIZER_FAILURE": Default(500, None, "AuthorizerFailureException"),
    "BAD_REQUEST_BODY": Default(400, "Invalid request body", "BadRequestException"),
    "BAD_REQUEST_PARAMETERS": Default(400, "Bad Request", "BadRequestException"),
    "DEFAULT_4XX": Default(400, "Bad Request", "BadRequestException"),
    "DEFAULT_5XX": Default(500, "Internal server error", _SERVER),
    "EXPIRED_TOKEN": Default(403, "The security token included in the request is expired", "ExpiredTokenException"),
    "INTEGRATION_FAILURE": Default(504, "Network error communicating with endpoint", _SERVER),
    "INTEGRATION_TIMEOUT": Default(504, "Endpoint request timed out", _SERVER),
    "INVALID_API_KEY": Default(403, "Forbidden", "ForbiddenException"),
    "INVALID_SIGNATURE": Default(
        403,
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing "
        "method. Consult the service documentation for details.",
        "InvalidSignatureException",
    ),
    "MISSING_AUTHENTICATION_TOKEN": Default(403, "Missing Authentication Token", "MissingAuthenticationTokenException"),
    "QUOTA_EXCEEDED": Default(429, "Limit Exceeded", "LimitExceededException"),
    "REQUEST_TOO_LARGE": Default(413, "HTTP content length exceeded 10485760 bytes.", "RequestTooLargeException"),
    "RESOURCE_NOT_FOUND": Default(404, "Not Found", "NotFoundException"),
    "THROTTLED": Default(429, "Too Many Requests", "TooManyRequestsException"),
    "UNAUTHORIZED": Default(401, "Unauthorized", "UnauthorizedException"),
    "UNSUPPORTED_MEDIA_TYPE": Default(415, "Unsupported Media Type", "BadRequestException"),
    "WAF_FILTERED": Default(403, "Forbidden", "ForbiddenException"),
}
# Refused by IAM or by the API's policy, the key begins with a capital letter.
_TEMPLATES: Final = {"ACCESS_DENIED": '{"Message":$context.error.messageString}'}
_TEMPLATE: Final = '{"message":$context.error.messageString}'
_JSON: Final = "application/json"
_VARIABLE: Final = re.compile(r"\$(?:\{([\w.-]+)\}|([A-Za-z][\w-]*(?:\.[\w-]+)*))")

Look = Callable[[str], str | None]


class Refusal(Exception):
    """API Gateway answers by itself. `kind` is the gateway response's type; status, text and error type where they aren't its own."""

    def __init__(self, kind: str, message: str | None = None, *, status: int | None = None, error: str | None = None) -> None:
        default = DEFAULTS[kind]
        super().__init__(message or default.message)
        self.kind = kind
        self.message = message or default.message
        self.status = status or default.status
        self.error = error or default.error

    @property
    def variables(self) -> dict[str, str | None]:
        """Of `$context.error`."""
        return {"message": self.message, "messageString": json.dumps(self.message, ensure_ascii=False), "responseType": self.kind}


def render(refusal: Refusal, own: Mapping[str, dict[str, Any]], look: Look, accept: str | None) -> Answer:
    """The answer with the API's own gateway response for it, if it has one. `look` gives the value of `context.requestId` and the like."""
    fallback = "DEFAULT_5XX" if DEFAULTS[refusal.kind].status >= 500 else "DEFAULT_4XX"
    response = own.get(refusal.kind) or own.get(fallback) or {}
    templates = response.get("responseTemplates") or {_JSON: _TEMPLATES.get(refusal.kind, _TEMPLATE)}
    kind = _chosen(templates, accept)
    headers = {"Content-Type": kind, **_parameters(response.get("responseParameters") or {}, look)}
    body = substituted(templates[kind] or "", look)
    status = int(response.get("statusCode") or refusal.status)
    return Answer(status, (*headers.items(), ("x-amzn-ErrorType", refusal.error)), body.encode())


def substituted(template: str, look: Look, missing: str = "") -> str:
    """The template with its variables filled in. It is no VTL: nothing is computed."""
    return _VARIABLE.sub(lambda found: _value(look(found[1] or found[2]), missing), template)


def _value(found: str | None, missing: str) -> str:
    return missing if found is None else found


def _chosen(templates: Mapping[str, str], accept: str | None) -> str:
    wanted = [one.partition(";")[0].strip() for one in (accept or "").split(",")]
    return next((one for one in [*wanted, _JSON] if one in templates), next(iter(templates)))


def _parameters(parameters: Mapping[str, str], look: Look) -> dict[str, str]:
    """Headers: `gatewayresponse.header.Name` to `'a text'` or to a variable's name."""
    found = {}
    for place, value in parameters.items():
        _, kind, name = place.split(".", 2)
        filled = value[1:-1] if value.startswith("'") else look(value)
        if kind == "header" and filled is not None:
            found[name] = filled
    return found
