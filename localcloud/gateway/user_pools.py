"""Cognito user pools as far as programs need them: the token endpoint for client credentials, and tokens that are really verified.

| moto 5.2.5 | fixed to |
|---|---|
| no token endpoint for client credentials | `/oauth2/token` of the pool's domain, on a port of localhost |
| no user pools in templates | pool, resource server, client, domain (`localcloud.gateway.user_pool_templates`) |

All pools of moto sign with one key, whose public half `/<pool>/.well-known/jwks.json` shows; the issuer tells them apart. Tokens live in
real time, as their readers do. That a token without the method's scope is answered with 401 is assumed from reports of access tokens on
methods of other scopes.
Sources: Cognito developer guide, "The token issuer endpoint", "Understanding the access token"; API Gateway developer guide, "Control
access to REST APIs using Amazon Cognito user pools".
"""

import base64
import binascii
import hmac
import json
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

from joserfc import jwt
from joserfc.errors import JoseError
from moto.cognitoidp.models import CognitoIdpBackend, cognitoidp_backends

from localcloud.base.corrections import fix
from localcloud.gateway.refusals import Refusal
from localcloud.gateway.requests import Answer, Request

PATH: Final = "/oauth2/token"
_ALGORITHM: Final = "RS256"
_UNITS: Final = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86_400}

# Called whenever there is a new domain.
listeners: list[Callable[[], None]] = []
_HEADERS: Final = (("Content-Type", "application/json;charset=UTF-8"), ("Cache-Control", "no-store"))


class _Refused(Exception):
    """The endpoint's error code (RFC 6749, 5.2)."""


def install() -> None:
    """Fix moto's domains: who listens hears of them."""
    fix(CognitoIdpBackend, "create_user_pool_domain", _create_domain)


def _create_domain(original: Any, backend: Any, *arguments: Any, **given: Any) -> Any:
    domain = original(backend, *arguments, **given)
    for listener in list(listeners):
        listener()
    return domain


def domains() -> list[tuple[str, str]]:
    """Every domain with its Region."""
    return [(name, backend.region_name) for backend in _backends() for name in list(backend.user_pool_domains)]


def find_domain(name: str) -> Any:
    """The pool whose domain this is; None if there is none."""
    for backend in _backends():
        domain = backend.user_pool_domains.get(name)
        if domain:
            return backend.user_pools.get(domain.user_pool_id)
    return None


def serve(domain: str, request: Request) -> Answer:
    """The answer of the domain's endpoints: there is the one for tokens."""
    pool = find_domain(domain)
    if request.path != PATH or pool is None:
        return Answer(404, _HEADERS, b"{}")
    if request.method != "POST":
        return Answer(405, _HEADERS, b"{}")
    try:
        answer = _token(pool, request)
    except _Refused as refused:
        return Answer(400, _HEADERS, json.dumps({"error": str(refused)}).encode())
    return Answer(200, _HEADERS, json.dumps(answer).encode())


def _token(pool: Any, request: Request) -> dict[str, Any]:
    content_type = (request.header("Content-Type") or "").partition(";")[0].strip().lower()
    form = dict(parse_qsl(request.body.decode(errors="replace"), keep_blank_values=True))
    if content_type != "application/x-www-form-urlencoded" or "grant_type" not in form:
        raise _Refused("invalid_request")
    if form["grant_type"] != "client_credentials":
        raise _Refused("unsupported_grant_type")
    client = _authenticated(pool, request, form)
    allowed = client.extended_config.get("AllowedOAuthScopes") or []
    if "client_credentials" not in (client.extended_config.get("AllowedOAuthFlows") or []):
        raise _Refused("unauthorized_client")
    scopes = form.get("scope", "").split() or allowed
    if not scopes or set(scopes) - set(allowed):
        raise _Refused("invalid_scope")
    seconds = _validity(client)
    token = _signed(pool, client.id, scopes, seconds)
    return {"access_token": token, "expires_in": seconds, "token_type": "Bearer"}  # nosec B105 - how it is shown


def _authenticated(pool: Any, request: Request, form: Mapping[str, str]) -> Any:
    client_id, secret = _basic(request.header("Authorization")) or (form.get("client_id", ""), form.get("client_secret", ""))
    client = pool.clients.get(client_id)
    if client is None or not client.generate_secret or not hmac.compare_digest(client.secret.encode(), secret.encode()):
        raise _Refused("invalid_client")
    return client


def _basic(header: str | None) -> tuple[str, str] | None:
    scheme, _, encoded = (header or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        client_id, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise _Refused("invalid_client") from None
    return client_id, secret


def _validity(client: Any) -> int:
    """Seconds that an access token lives."""
    unit = (client.extended_config.get("TokenValidityUnits") or {}).get("AccessToken", "hours")
    return int(client.extended_config.get("AccessTokenValidity") or 3600 // _UNITS[unit]) * _UNITS[unit]


def _signed(pool: Any, client_id: str, scopes: Iterable[str], seconds: int) -> str:
    now = int(time.time())
    claims = {
        "sub": client_id,
        "token_use": "access",  # nosec B105 - what it is for
        "scope": " ".join(scopes),
        "auth_time": now,
        "iss": _issuer(pool),
        "exp": now + seconds,
        "iat": now,
        "version": 2,
        "jti": str(uuid.uuid4()),
        "client_id": client_id,
    }
    # The id under which moto shows the public half.
    return jwt.encode({"kid": "dummy", "alg": _ALGORITHM}, claims, pool.json_web_key)


def _issuer(pool: Any) -> str:
    return f"https://cognito-idp.{pool.region}.amazonaws.com/{pool.id}"


def claims(given: str | None, pool_arns: Iterable[str], scopes: Iterable[str]) -> dict[str, str]:
    """What a token of one of the pools says, as text. With `scopes` it must be an access token with one of them, without an id token.

    Raises Refusal.
    """
    token = (given or "").removeprefix("Bearer ").strip()
    pools = [pool for backend in _backends() for pool in list(backend.user_pools.values()) if pool.arn in pool_arns]
    found = next(filter(None, (_verified(token, pool) for pool in pools)), None)
    if not token or found is None:
        raise Refusal("UNAUTHORIZED")
    if int(found.get("exp", 0)) <= time.time():
        raise Refusal("UNAUTHORIZED", "The incoming token has expired")
    if found.get("token_use") != ("access" if scopes else "id"):
        raise Refusal("UNAUTHORIZED")
    if scopes and not set(scopes) & set(str(found.get("scope", "")).split()):
        raise Refusal("UNAUTHORIZED")
    return {name: _told(name, value) for name, value in found.items()}


def _verified(token: str, pool: Any) -> dict[str, Any] | None:
    try:
        claims = jwt.decode(token, pool.json_web_key, algorithms=[_ALGORITHM]).claims
    except (JoseError, ValueError):
        return None
    return claims if claims.get("iss") == _issuer(pool) else None


def _told(name: str, value: Any) -> str:
    """API Gateway hands on two times as Java writes them."""
    if name in ("exp", "iat"):
        return time.strftime("%a %b %d %H:%M:%S UTC %Y", time.gmtime(int(value)))
    return value if isinstance(value, str) else json.dumps(value)


def _backends() -> list[Any]:
    return [backend for account in list(cognitoidp_backends.values()) for backend in list(account.values())]
