"""Connections of EventBridge: how a call to an API destination says who it is.

| moto 5.2.5 | fixed to |
|---|---|
| a connection is stored and never used | basic, API key, OAuth client credentials, and its own parameters |
| no connections or API destinations in templates | there; references to secrets in them are resolved, as CloudFormation does |

Source: EventBridge User Guide, "Connections for HTTP endpoint targets". Assumed: the request for a token carries id and secret in the
Authorization header as well as in its form, and no grant_type unless the connection has one among its OAuth parameters.
"""

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import urlencode

from localcloud.base.clients import Clients, Place

_REFERENCE: Final = re.compile(r"\{\{resolve:(?P<service>secretsmanager|ssm(?:-secure)?):(?P<rest>[^}]+)\}\}")
_SECRET: Final = re.compile(r"(?P<id>arn:[^:]+(?::[^:]*){5}|[^:]+)(?::SecretString(?::(?P<key>[^:]*))?.*)?")


@dataclass(frozen=True)
class Outgoing:
    """A request that is being put together."""

    method: str
    url: str
    headers: dict[str, str] = field(default_factory=dict)
    query: dict[str, str] = field(default_factory=dict)
    body: str = ""

    def parameterised(self, parameters: Mapping[str, Any]) -> "Outgoing":
        """With a connection's parameters over those that it has; those of the body only where it is an object."""
        headers, query, body = (_pairs(parameters.get(f"{kind}Parameters")) for kind in ("Header", "QueryString", "Body"))
        return replace(self, headers={**self.headers, **headers}, query={**self.query, **query}, body=_merged(self.body, body))


Send = Callable[[Outgoing], tuple[int, bytes]]


def authorized(connection: Any, request: Outgoing, tokens: dict[str, str], send: Send) -> Outgoing:
    """The request with the connection's parameters and credentials. `tokens` holds those that were asked for, by connection; `send` makes
    the call for one. Raises whatever `send` does, and TokenRefused."""
    given = connection.auth_parameters
    request = request.parameterised(given.get("InvocationHttpParameters") or {})
    kind = connection.authorization_type
    if kind == "BASIC":
        known = given["BasicAuthParameters"]
        header = {"Authorization": _basic(known["Username"], known["Password"])}
    elif kind == "API_KEY":
        header = {given["ApiKeyAuthParameters"]["ApiKeyName"]: given["ApiKeyAuthParameters"]["ApiKeyValue"]}
    else:
        if connection.arn not in tokens:
            tokens[connection.arn] = _token(given["OAuthParameters"], send)
        header = {"Authorization": f"Bearer {tokens[connection.arn]}"}
    return replace(request, headers={**request.headers, **header})


class TokenRefused(Exception):
    """The authorization endpoint gave no token."""


def _token(parameters: Mapping[str, Any], send: Send) -> str:
    known = parameters["ClientParameters"]
    client = {"client_id": known["ClientID"], "client_secret": known["ClientSecret"]}
    more = parameters.get("OAuthHttpParameters") or {}
    form = urlencode({**client, **_pairs(more.get("BodyParameters"))})
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Authorization": _basic(*client.values())}
    asked = Outgoing(parameters["HttpMethod"], parameters["AuthorizationEndpoint"], headers, body=form)
    status, body = send(asked.parameterised({**more, "BodyParameters": []}))
    try:
        return str(json.loads(body)["access_token"])
    except (ValueError, KeyError, TypeError):
        raise TokenRefused(f"{parameters['AuthorizationEndpoint']} answered {status} without a token") from None


def _basic(user: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def _pairs(parameters: Any) -> dict[str, str]:
    return {one["Key"]: str(one["Value"]) for one in parameters or []}


def _merged(body: str, more: Mapping[str, str]) -> str:
    if not more:
        return body
    try:
        held = json.loads(body)
    except ValueError:
        return body
    return json.dumps({**held, **more}) if isinstance(held, dict) else body


def make_connection(clients: Clients, properties: dict[str, Any], name: str, place: Place) -> dict[str, str]:
    """AWS::Events::Connection."""
    parameters = _resolved(properties.get("AuthParameters", {}), clients, place)
    events, called = clients.client("events", place=place), properties.get("Name", name)
    kind = properties["AuthorizationType"]
    made = events.create_connection(
        Name=called, Description=properties.get("Description", ""), AuthorizationType=kind, AuthParameters=parameters
    )
    secret = events.describe_connection(Name=called)["SecretArn"]
    return {"Ref": called, "Arn": made["ConnectionArn"], "SecretArn": secret}


def make_api_destination(clients: Clients, properties: dict[str, Any], name: str, place: Place) -> dict[str, str]:
    """AWS::Events::ApiDestination."""
    called = properties.get("Name", name)
    given = {key: properties[key] for key in ("ConnectionArn", "InvocationEndpoint", "HttpMethod", "Description") if key in properties}
    limit = properties.get("InvocationRateLimitPerSecond", 300)
    made = clients.client("events", place=place).create_api_destination(Name=called, InvocationRateLimitPerSecond=limit, **given)
    return {"Ref": called, "Arn": made["ApiDestinationArn"], "ArnForPolicy": made["ApiDestinationArn"].rpartition("/")[0]}


def _resolved(value: Any, clients: Clients, place: Place) -> Any:
    """With every reference to a secret or parameter replaced by what that is now."""
    if isinstance(value, dict):
        return {key: _resolved(one, clients, place) for key, one in value.items()}
    if isinstance(value, list):
        return [_resolved(one, clients, place) for one in value]
    if isinstance(value, str):
        return _REFERENCE.sub(lambda found: _looked_up(found["service"], found["rest"], clients, place), value)
    return value


def _looked_up(service: str, rest: str, clients: Clients, place: Place) -> str:
    if service != "secretsmanager":
        held = clients.client("ssm", place=place).get_parameter(Name=rest.partition(":")[0], WithDecryption=True)
        return str(held["Parameter"]["Value"])
    named = _SECRET.fullmatch(rest)
    assert named is not None  # noqa: S101 - the pattern takes any text
    text = str(clients.client("secretsmanager", place=place).get_secret_value(SecretId=named["id"])["SecretString"])
    return str(json.loads(text)[named["key"]]) if named["key"] else text
