"""What a stage serves: the API as it was when it was deployed, not as it is now.

| moto 5.2.5 | fixed to |
|---|---|
| a deployment is a name | it keeps the API's resources, methods, authorizers, gateway responses, validators, models and policy |

Everything is kept as the API reference shows it, as `get-resources` and its like answer.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

from moto.apigateway.models import RestAPI, apigateway_backends

from localcloud.base.clients import Place
from localcloud.base.corrections import fix

_ATTRIBUTE: Final = "as_deployed"

# Called whenever there is a new stage.
listeners: list[Callable[[], None]] = []


@dataclass(frozen=True)
class Api:
    """One API as deployed. `resources`, `authorizers`, ... are the API reference's objects, by id or name; `endpoints` are a private API's,
    and it is called through the first of them."""

    id: str
    place: Place
    policy: str | None
    binary_media_types: tuple[str, ...]
    key_source: str
    is_disabled: bool
    endpoints: tuple[str, ...]
    resources: tuple[dict[str, Any], ...]
    authorizers: dict[str, dict[str, Any]]
    gateway_responses: dict[str, dict[str, Any]]
    validators: dict[str, dict[str, Any]]
    models: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Route:
    """The method that a request is for, and what of its path fills the resource's parameters, decoded."""

    resource_id: str
    resource_path: str
    method: dict[str, Any]
    parameters: dict[str, str]


@dataclass(frozen=True)
class Stage:
    """A stage of the API and its settings."""

    name: str
    api: Api
    variables: dict[str, str]
    method_settings: dict[str, dict[str, Any]]
    access_log: dict[str, str]

    @property
    def arn(self) -> str:
        """What permissions and policies name, up to the method."""
        return f"arn:aws:execute-api:{self.api.place.region}:{self.api.place.account}:{self.api.id}/{self.name}"


def install() -> None:
    """Fix moto's deployments."""
    fix(RestAPI, "create_deployment", _create_deployment)
    fix(RestAPI, "create_stage", _create_stage)


def _create_deployment(original: Any, api: Any, *arguments: Any, **given: Any) -> Any:
    deployment = original(api, *arguments, **given)
    setattr(deployment, _ATTRIBUTE, _snapshot(api))
    _tell()
    return deployment


def _create_stage(original: Any, api: Any, *arguments: Any, **given: Any) -> Any:
    stage = original(api, *arguments, **given)
    _tell()
    return stage


def _tell() -> None:
    for listener in list(listeners):
        listener()


def _snapshot(api: Any) -> Api:
    """moto puts a new object in the place of what is changed; so nothing of this does."""
    return Api(
        id=api.id,
        place=Place(api.account_id, api.region_name),
        policy=api.policy,
        binary_media_types=tuple(api.binaryMediaTypes),
        key_source=api.api_key_source,
        is_disabled=bool(api.disableExecuteApiEndpoint),
        endpoints=tuple(api.endpoint_configuration.get("vpcEndpointIds") or ()),
        resources=tuple(resource.to_dict() for resource in api.resources.values()),
        authorizers={one.id: one.to_json() for one in api.authorizers.values()},
        gateway_responses={one.response_type: one.to_json() for one in api.gateway_responses.values()},
        validators={one.id: one.to_dict() for one in api.request_validators.values()},
        models={one.name: one.to_json() for one in api.models.values()},
    )


def find_api(api_id: str) -> Any:
    """moto's API of this id, wherever it is; None if there is none."""
    backends = [backend for account in list(apigateway_backends.values()) for backend in list(account.values())]
    return next((backend.apis[api_id] for backend in backends if api_id in backend.apis), None)


def stages() -> list[tuple[Any, str]]:
    """Every API with the name of each of its stages."""
    backends = [backend for account in list(apigateway_backends.values()) for backend in list(account.values())]
    return [(api, name) for backend in backends for api in list(backend.apis.values()) for name in list(api.stages)]


def find_stage(api_id: str, name: str) -> Stage | None:
    """The stage with what was deployed to it; None if there is none."""
    api = find_api(api_id)
    stage = api.stages.get(name) if api else None
    deployment = api.deployments.get(stage.deployment_id) if stage else None
    if stage is None or deployment is None:
        return None
    return Stage(name, getattr(deployment, _ATTRIBUTE), stage.variables, stage.method_settings, stage.access_log_settings or {})


def route(api: Api, http_method: str, path: str) -> Route | None:
    """The most specific resource that has methods and fits the encoded path, and there the method of this name, else ANY.

    Literal segments come before `{name}`, these before `{name+}`. A slash at the end makes no difference (assumed).
    """
    segments = path.strip("/").split("/") if path.strip("/") else []
    fitting = [(rank, resource, filled) for resource in api.resources for rank, filled in _fit(resource, segments)]
    if not fitting or "//" in path:
        return None
    _, resource, parameters = min(fitting, key=lambda one: one[0])
    methods = resource["resourceMethods"]
    method = methods.get(http_method, methods.get("ANY"))
    return Route(resource["id"], resource["path"], method, parameters) if method else None


def _fit(resource: dict[str, Any], segments: list[str]) -> Iterator[tuple[list[int], dict[str, str]]]:
    """How specific, and the parameters, if it has methods and fits."""
    pattern = resource["path"].strip("/").split("/") if resource["path"] != "/" else []
    if not resource.get("resourceMethods"):
        return
    rank: list[int] = []
    parameters: dict[str, str] = {}
    for position, part in enumerate(pattern):
        if position >= len(segments):
            return
        if part.endswith("+}"):
            parameters[part[1:-2]] = unquote("/".join(segments[position:]))
            yield [*rank, 2], parameters
            return
        if part.startswith("{"):
            parameters[part[1:-1]] = unquote(segments[position])
        elif part != unquote(segments[position]):
            return
        rank.append(1 if part.startswith("{") else 0)
    if len(pattern) == len(segments):
        yield rank, parameters
