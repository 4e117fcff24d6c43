"""What botocore works out anew for each session and each client though it never comes out differently, worked out once per test process.

A client cost 50 to 200 ms of CPU, more than what most tests ask it. What is kept here is only read, so clients stay what boto3 makes and
share nothing that a test could tell one of them. Tests whose requests all go to moto in their own process go on from here:
`tests.statemachine.quick_clients`.
"""

from functools import cache, lru_cache
from typing import Any

from botocore import hooks, regions, session, useragent
from botocore.client import ClientCreator
from botocore.endpoint_provider import EndpointProvider
from botocore.hooks import NodeList
from botocore.model import ServiceModel
from botocore.utils import EVENT_ALIASES


def install() -> None:
    """For the rest of this process. A second time it does nothing."""
    # Service models and rules read again for each session; a class per client.
    session.create_loader = _loader
    ClientCreator._load_service_model = _service_model
    ClientCreator._create_client_class = _client_class
    regions.EndpointProvider = _endpoint_provider
    # The same few names looked up in a hundred aliases, letter by letter; the tree of all handlers, copied by `copy` for each client.
    hooks.EventAliaser.__init__ = _aliaser
    hooks._PrefixTrie._recursive_copy = _copied
    useragent.sanitize_user_agent_string_component = _sanitized


_loader = cache(session.create_loader)
_new_client_class = ClientCreator._create_client_class
_client_classes: dict[str, type] = {}


@cache
def _model_of(service: str, api_version: str | None) -> ServiceModel:
    return ServiceModel(_loader().load_service_model(service, "service-2", api_version=api_version), service_name=service)


def _service_model(_creator: ClientCreator, service_name: str, api_version: str | None = None) -> ServiceModel:
    return _model_of(service_name, api_version)


def _client_class(creator: ClientCreator, service_name: str, service_model: Any) -> type:
    if service_name not in _client_classes:
        _client_classes[service_name] = _new_client_class(creator, service_name, service_model)
    return _client_classes[service_name]


_providers: dict[int, tuple[Any, EndpointProvider]] = {}


def _endpoint_provider(ruleset_data: Any, **how: Any) -> EndpointProvider:
    # The loader reads a service's rules once. They are kept here, or their number could become another's.
    if id(ruleset_data) not in _providers:
        _providers[id(ruleset_data)] = (ruleset_data, EndpointProvider(ruleset_data, **how))
    return _providers[id(ruleset_data)][1]


_new_aliaser = hooks.EventAliaser.__init__
_names_of_events: dict[str, str] = {}


def _aliaser(aliaser: Any, event_emitter: Any, event_aliases: Any = None) -> None:
    _new_aliaser(aliaser, event_emitter, event_aliases)
    if aliaser._event_aliases == EVENT_ALIASES:
        aliaser._alias_name_cache = _names_of_events


def _copied(trie: Any, node: dict[str, Any]) -> dict[str, Any]:
    """As botocore's own; it asks `copy` for each of a thousand small lists."""
    return {
        key: NodeList(value.first[:], value.middle[:], value.last[:])
        if isinstance(value, NodeList)
        else _copied(trie, value)
        if isinstance(value, dict)
        else value
        for key, value in node.items()
    }


_sanitized = lru_cache(maxsize=1000)(useragent.sanitize_user_agent_string_component)
