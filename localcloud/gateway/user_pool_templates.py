"""The resource types of a Cognito user pool in a template, made by the calls that a person would make. moto has none of them."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from localcloud.base.clients import Clients, Place

Properties = Mapping[str, Any]
Made = dict[str, str]

_clients: Clients | None = None
# What CreateUserPool calls otherwise.
_RENAMED: Final = {"UserPoolName": "PoolName", "EnabledMfas": None}


def install(clients: Clients) -> None:
    """Make what templates ask for with `clients`."""
    global _clients
    _clients = clients


def _pools(place: Place) -> Any:
    assert _clients is not None  # noqa: S101 - install() sets it before any stack exists
    return _clients.client("cognito-idp", place=place)


def _pool(properties: Properties, name: str, place: Place) -> Made:
    renamed = {_RENAMED.get(key, key): value for key, value in properties.items()}
    call = {key: value for key, value in renamed.items() if key}
    pool = _pools(place).create_user_pool(**{"PoolName": name, **call})["UserPool"]
    provider = f"cognito-idp.{place.region}.amazonaws.com/{pool['Id']}"
    urls = {"ProviderName": provider, "ProviderURL": f"https://{provider}"}
    return {"Ref": pool["Id"], "UserPoolId": pool["Id"], "Arn": pool["Arn"], **urls}


def _resource_server(properties: Properties, name: str, place: Place) -> Made:
    _pools(place).create_resource_server(**properties)
    return {"Ref": f"{properties['UserPoolId']}|{properties['Identifier']}"}


def _client(properties: Properties, name: str, place: Place) -> Made:
    made = _pools(place).create_user_pool_client(**{"ClientName": name, **properties})["UserPoolClient"]
    secret = {"ClientSecret": made["ClientSecret"]} if "ClientSecret" in made else {}
    return {"Ref": made["ClientId"], "ClientId": made["ClientId"], "Name": made.get("ClientName") or name, **secret}


def _domain(properties: Properties, name: str, place: Place) -> Made:
    call = {key: properties[key] for key in ("UserPoolId", "Domain", "CustomDomainConfig") if key in properties}
    made = _pools(place).create_user_pool_domain(**call)
    return {"Ref": properties["Domain"], "CloudFrontDistribution": made.get("CloudFrontDomain", "")}


def _remove_pool(pool: str, place: Place) -> None:
    _pools(place).delete_user_pool(UserPoolId=pool)


Make = Callable[[dict[str, Any], str, Place], Made]
# Resource type: the property that names it, and what makes it.
ADDED: Final[dict[str, tuple[str, Make]]] = {
    "AWS::Cognito::UserPool": ("", _pool),
    "AWS::Cognito::UserPoolClient": ("", _client),
    "AWS::Cognito::UserPoolDomain": ("", _domain),
    "AWS::Cognito::UserPoolResourceServer": ("", _resource_server),
}
REMOVED: Final[dict[str, Callable[[str, Place], None]]] = {"AWS::Cognito::UserPool": _remove_pool}
