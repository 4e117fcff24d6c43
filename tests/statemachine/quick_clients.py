"""boto3's clients for tests that make some dozen of them each and send every request into moto in this process.

What clients share here is only read, as in `tests.known_services`. They are a test's own all the same: what a test has a client tell it,
no other test's client tells.
"""

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from functools import cache
from typing import Any

import boto3
import pytest
from botocore import httpsession
from botocore.auth import SigV4Auth
from botocore.client import BaseClient
from botocore.credentials import Credentials
from botocore.endpoint import EndpointCreator


def install(patch: pytest.MonkeyPatch) -> None:
    """Make clients from what is known already."""
    # A client for each question that a test or a function asks.
    patch.setattr(boto3.Session, "client", _made_once(_new_client))
    patch.setattr(boto3, "client", cache(boto3.client))
    # A TLS context and a look for proxies per client.
    patch.setattr(httpsession, "create_urllib3_context", _tls_context)
    patch.setattr(EndpointCreator, "_get_proxies", _no_proxies)
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


@cache
def _tls_context(**_: Any) -> ssl.SSLContext:
    return ssl.create_default_context()


def _no_proxies(_creator: EndpointCreator, _url: str) -> dict[str, str]:
    return {}


def _unread(*_: Any) -> str:
    return "unread"
