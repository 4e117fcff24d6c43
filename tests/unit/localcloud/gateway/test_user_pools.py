"""Client credentials: a token from the pool's domain opens the methods whose scopes it has, until it expires."""

import base64
import json
import time
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from joserfc import jwk, jwt
from moto.cognitoidp.models import cognitoidp_backends

from localcloud.cloud import Cloud
from tests.unit.localcloud.gateway import apis
from tests.unit.localcloud.gateway.apis import Deployed, Reply, arn, ref

FORM = "application/x-www-form-urlencoded"
UNAUTHORIZED = (401, "UnauthorizedException", {"message": "Unauthorized"})


def _pool(name: str) -> dict[str, Any]:
    scopes = [{"ScopeName": one, "ScopeDescription": one} for one in ("start", "read")]
    server = {"UserPoolId": ref(name), "Identifier": "restore", "Name": "restore", "Scopes": scopes}
    flows = {"AllowedOAuthFlows": ["client_credentials"], "AllowedOAuthFlowsUserPoolClient": True, "GenerateSecret": True}
    allowed = {
        "AllowedOAuthScopes": ["restore/start", "restore/read"],
        "AccessTokenValidity": 5,
        "TokenValidityUnits": {"AccessToken": "minutes"},
    }
    return {
        name: {"Type": "AWS::Cognito::UserPool", "Properties": {"UserPoolName": name}},
        f"{name}Server": {"Type": "AWS::Cognito::UserPoolResourceServer", "Properties": server},
        f"{name}Client": {"Type": "AWS::Cognito::UserPoolClient", "Properties": {"UserPoolId": ref(name), **flows, **allowed}},
        f"{name}Person": {"Type": "AWS::Cognito::UserPoolClient", "Properties": {"UserPoolId": ref(name), "GenerateSecret": True}},
        f"{name}Domain": {
            "Type": "AWS::Cognito::UserPoolDomain",
            "Properties": {"UserPoolId": ref(name), "Domain": f"tests-{name.lower()}"},
        },
    }


@pytest.fixture(scope="module")
def api(cloud: Cloud) -> Deployed:
    authorizer = {"RestApiId": ref("Api"), "Type": "COGNITO_USER_POOLS", "Name": "pool", "ProviderARNs": [arn("Pool")]}
    source = {"IdentitySource": "method.request.header.Authorization"}
    guarded = {"AuthorizationType": "COGNITO_USER_POOLS", "AuthorizerId": ref("Authorizer")}
    resources = {
        **_pool("Pool"),
        **_pool("Other"),
        "Authorizer": {"Type": "AWS::ApiGateway::Authorizer", "Properties": {**authorizer, **source}},
        "Item": apis.resource("{id}"),
        "GetItem": apis.method("Item", "GET", AuthorizationScopes=["restore/read", "restore/all"], **guarded),
        "DeleteItem": apis.method("Item", "DELETE", **guarded),
    }
    return apis.deploy(cloud, apis.template(resources))


@pytest.fixture(scope="module")
def secret(cloud: Cloud, api: Deployed) -> str:
    where = {"UserPoolId": api.ids["Pool"], "ClientId": api.ids["PoolClient"]}
    return str(cloud.client("cognito-idp").describe_user_pool_client(**where)["UserPoolClient"]["ClientSecret"])


def _basic(client: str, secret: str) -> str:
    return f"Basic {base64.b64encode(f'{client}:{secret}'.encode()).decode()}"


def _ask_token(cloud: Cloud, pool: str, form: dict[str, str], authorization: str | None = None, kind: str = FORM) -> Reply:
    url = urlsplit(cloud.local_url(f"https://tests-{pool.lower()}.auth.{cloud.region}.amazoncognito.com/oauth2/token"))
    headers = [("Content-Type", kind), *([("Authorization", authorization)] if authorization else [])]
    return apis.ask(int(url.port or 0), "POST", url.path, urlencode(form).encode(), headers)


def _token(cloud: Cloud, api: Deployed, secret: str, scope: str) -> str:
    form = {"grant_type": "client_credentials", "scope": scope}
    return str(_ask_token(cloud, "Pool", form, _basic(api.ids["PoolClient"], secret)).json["access_token"])


def _get(api: Deployed, token: str, method: str = "GET") -> Reply:
    return api.ask(method, "/r-1", headers=[("Authorization", token)])


def test_the_address_of_the_token_endpoint_stands_in_the_file(cloud: Cloud, api: Deployed) -> None:
    there = f"https://tests-pool.auth.{cloud.region}.amazoncognito.com/oauth2/token"

    assert json.loads((cloud.directory / "addresses.json").read_text())[there] == cloud.local_url(there)


def test_a_token_is_what_cognito_gives_out(cloud: Cloud, api: Deployed, secret: str) -> None:
    form = {"grant_type": "client_credentials"}

    by_header = _ask_token(cloud, "Pool", form, _basic(api.ids["PoolClient"], secret))
    by_form = _ask_token(cloud, "Pool", {**form, "client_id": api.ids["PoolClient"], "client_secret": secret})

    assert (by_header.status, by_form.status) == (200, 200)
    assert (by_header.json["expires_in"], by_header.json["token_type"]) == (300, "Bearer")
    keys = apis.ask(int(urlsplit(cloud.endpoint).port or 0), "GET", f"/{api.ids['Pool']}/.well-known/jwks.json", headers=_SIGNED)
    claims = jwt.decode(by_header.json["access_token"], jwk.KeySet.import_key_set(keys.json), algorithms=["RS256"]).claims
    assert claims["iss"] == f"https://cognito-idp.{cloud.region}.amazonaws.com/{api.ids['Pool']}"
    assert (claims["token_use"], claims["client_id"], claims["sub"]) == ("access", api.ids["PoolClient"], api.ids["PoolClient"])
    assert claims["scope"] == "restore/start restore/read"
    assert claims["exp"] - claims["iat"] == 300


_SIGNED = [
    ("Authorization", "AWS4-HMAC-SHA256 Credential=localcloud/20260101/eu-central-1/cognito-idp/aws4_request, SignedHeaders=x, Signature=x")
]


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "client_credentials", "scope": "restore/start openid"}, "invalid_scope"),
        ({"grant_type": "client_credentials", "client_id": "unknown", "client_secret": "x"}, "invalid_client"),
        ({"grant_type": "client_credentials", "client_id": "CLIENT", "client_secret": "wrong"}, "invalid_client"),
        ({"grant_type": "client_credentials", "client_id": "PERSON", "client_secret": "PERSON"}, "unauthorized_client"),
    ],
)
def test_a_bad_request_for_a_token_is_told_in_oauths_words(
    cloud: Cloud, api: Deployed, secret: str, form: dict[str, str], error: str
) -> None:
    person = cognitoidp_backends[cloud.account][cloud.region].user_pools[api.ids["Pool"]].clients[api.ids["PoolPerson"]]
    known = {"CLIENT": api.ids["PoolClient"]}
    filled = {name: known.get(value, value) for name, value in form.items()}
    if form.get("client_id") == "PERSON":
        filled |= {"client_id": person.id, "client_secret": person.secret}

    reply = _ask_token(cloud, "Pool", filled, None if "client_id" in form else _basic(api.ids["PoolClient"], secret))

    assert (reply.status, reply.json) == (400, {"error": error})


def test_another_type_of_body_is_an_invalid_request(cloud: Cloud, api: Deployed, secret: str) -> None:
    form = {"grant_type": "client_credentials"}

    reply = _ask_token(cloud, "Pool", form, _basic(api.ids["PoolClient"], secret), "application/json")

    assert (reply.status, reply.json) == (400, {"error": "invalid_request"})


@pytest.mark.parametrize("prefix", ["", "Bearer "])
def test_a_token_with_the_scope_is_let_in_and_its_claims_reach_the_function(cloud: Cloud, api: Deployed, secret: str, prefix: str) -> None:
    claims = _get(api, prefix + _token(cloud, api, secret, "restore/read")).json["requestContext"]["authorizer"]["claims"]

    assert (claims["client_id"], claims["scope"], claims["token_use"]) == (api.ids["PoolClient"], "restore/read", "access")
    assert abs(time.mktime(time.strptime(claims["iat"], "%a %b %d %H:%M:%S UTC %Y")) - time.timezone - time.time()) < 60
    assert isinstance(claims["auth_time"], str)


def test_a_token_without_the_scope_or_on_a_method_without_scopes_is_unauthorized(cloud: Cloud, api: Deployed, secret: str) -> None:
    token = _token(cloud, api, secret, "restore/start")

    assert [_get(api, token).error, _get(api, token, "DELETE").error] == [UNAUTHORIZED] * 2


def test_no_token_or_another_text_is_unauthorized(api: Deployed) -> None:
    assert [api.ask("GET", "/r-1").error, _get(api, "Bearer x.y.z").error, _get(api, "Basic YTpi").error] == [UNAUTHORIZED] * 3


def _changed(cloud: Cloud, api: Deployed, token: str, pool: str = "Pool", **claims: Any) -> str:
    held = cognitoidp_backends[cloud.account][cloud.region].user_pools[api.ids[pool]]
    known = jwt.decode(token, held.json_web_key).claims
    return jwt.encode({"kid": "dummy", "alg": "RS256"}, {**known, **claims}, held.json_web_key)


def test_a_token_of_another_pool_or_use_is_unauthorized_and_an_expired_one_is_told_so(cloud: Cloud, api: Deployed, secret: str) -> None:
    token = _token(cloud, api, secret, "restore/read")
    elsewhere = f"https://cognito-idp.{cloud.region}.amazonaws.com/{api.ids['Other']}"

    assert _get(api, _changed(cloud, api, token)).status == 200
    assert _get(api, _changed(cloud, api, token, iss=elsewhere)).error == UNAUTHORIZED
    assert _get(api, _changed(cloud, api, token, token_use="id")).error == UNAUTHORIZED
    expired = _get(api, _changed(cloud, api, token, exp=int(time.time()) - 1))
    assert expired.error == (401, "UnauthorizedException", {"message": "The incoming token has expired"})


def test_a_forged_token_is_unauthorized(cloud: Cloud, api: Deployed, secret: str) -> None:
    token = _token(cloud, api, secret, "restore/start")
    head, body, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    forged = base64.urlsafe_b64encode(json.dumps({**claims, "scope": "restore/read"}).encode()).decode().rstrip("=")
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
    own = jwt.encode({"alg": "RS256"}, {**claims, "scope": "restore/read"}, jwk.RSAKey.generate_key(2048))
    by_secret = jwt.encode({"alg": "HS256"}, {**claims, "scope": "restore/read"}, jwk.OctKey.import_key("dummy-secret-of-some-length"))

    replies = [_get(api, one) for one in (f"{head}.{forged}.{signature}", f"{unsigned}.{forged}.", own, by_secret)]

    assert [reply.error for reply in replies] == [UNAUTHORIZED] * 4
