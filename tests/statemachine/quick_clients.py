"""boto3's clients for tests that make some dozen of them each and send every request into moto in this process.

What clients share here is only read. They are a test's own all the same: what a test has a client tell it, no other test's client tells.
"""

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from functools import cache, lru_cache
from typing import Any

import boto3
import pytest
from botocore import hooks, httpsession, regions, session, useragent
from botocore.auth import SigV4Auth
from botocore.client import BaseClient, ClientCreator
from botocore.credentials import Credentials
from botocore.endpoint import EndpointCreator
from botocore.endpoint_provider import EndpointProvider
from botocore.model import ServiceModel
from botocore.utils import EVENT_ALIASES


def install(patch: pytest.MonkeyPatch) -> None:
    """Make clients from what is known already."""
    # A client for each question that a test or a function asks.
    patch.setattr(boto3.Session, "client", _made_once(_new_client))
    patch.setattr(boto3, "client", cache(boto3.client))
    # Service models and rules read again for each session; a class, a TLS context and a look for proxies per client.
    patch.setattr(session, "create_loader", _loader)
    patch.setattr(ClientCreator, "_load_service_model", _service_model)
    patch.setattr(ClientCreator, "_create_client_class", _client_class)
    patch.setattr(regions, "EndpointProvider", _endpoint_provider)
    patch.setattr(httpsession, "create_urllib3_context", _tls_context)
    patch.setattr(EndpointCreator, "_get_proxies", _no_proxies)
    # The same few names looked up in a hundred aliases, letter by letter.
    patch.setattr(hooks.EventAliaser, "__init__", _aliaser)
    patch.setattr(useragent, "sanitize_user_agent_string_component", _sanitized)
    # moto reads whose key signed a request, and never the signature.
    patch.setattr(SigV4Auth, "canonical_request", _unread)
    patch.setattr(SigV4Auth, "signature", _unread)


# Where one test's clients are installed within another's, they aren't made of those.
_new_client = boto3.Session.client


def _made_once(make: Callable[..., Any]) -> Callable[..., Any]:
    """A client of the control account is the same for all functions; those with a role's keys are all one, with other keys."""
    kept = cache(make)

    def client(owner: boto3.Session, service: str, *place: Any, **how: Any) -> Any:
        keys = {name: how.pop(name) for name in _KEYS if name in how}
        if not keys:
            return kept(owner, service, *place, **how)
        return _with_keys(of_roles(owner, service, *place, **how), Credentials(*(keys.get(name) for name in _KEYS)))

    @cache
    def of_roles(owner: boto3.Session, service: str, *place: Any, **how: Any) -> Any:
        made = make(owner, service, *place, aws_access_key_id="nobody", aws_secret_access_key="nobody", **how)
        made._request_signer._credentials = _acting
        return made

    return client


_KEYS = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")


class _Acting(threading.local):
    """The keys with which this thread asks at the moment."""

    credentials: Any = None

    def get_frozen_credentials(self) -> Any:
        """As botocore's own credentials."""
        return self.credentials.get_frozen_credentials()

    @contextmanager
    def by(self, credentials: Any) -> Iterator[None]:
        """Within, requests are signed with these keys."""
        before, self.credentials = self.credentials, credentials
        try:
            yield
        finally:
            self.credentials = before


_acting = _Acting()


def _with_keys(client: BaseClient, credentials: Credentials) -> Any:
    made: Any = object.__new__(type(client))
    vars(made).update(vars(client))
    # For URLs that are signed without being asked for.
    made._request_signer = copy(client._request_signer)
    made._request_signer._credentials = credentials

    def call(operation: str, parameters: dict[str, Any]) -> Any:
        with _acting.by(credentials):
            return type(client)._make_api_call(made, operation, parameters)

    made._make_api_call = call
    return made


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


@cache
def _tls_context(**_: Any) -> ssl.SSLContext:
    return ssl.create_default_context()


def _no_proxies(_creator: EndpointCreator, _url: str) -> dict[str, str]:
    return {}


_new_aliaser = hooks.EventAliaser.__init__
_names_of_events: dict[str, str] = {}


def _aliaser(aliaser: Any, event_emitter: Any, event_aliases: Any = None) -> None:
    _new_aliaser(aliaser, event_emitter, event_aliases)
    if aliaser._event_aliases == EVENT_ALIASES:
        aliaser._alias_name_cache = _names_of_events


_sanitized = lru_cache(maxsize=1000)(useragent.sanitize_user_agent_string_component)


def _unread(*_: Any) -> str:
    return "unread"
