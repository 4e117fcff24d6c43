"""Clients that are made quickly are the clients that boto3 makes: each with its own keys, and no test's are another's."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest
from botocore.config import Config

from tests.statemachine import quick_clients

PLACE: Any = {"region_name": "eu-central-1", "config": Config(retries={"total_max_attempts": 1})}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    quick_clients.install(monkeypatch)


# As the functions have one per process.
SESSION = boto3.Session()


class Sent(Exception):
    """A request that would have gone out."""


def of_role(name: str) -> Any:
    keys = {"aws_access_key_id": name, "aws_secret_access_key": "secret", "aws_session_token": f"token of {name}"}
    return SESSION.client("sqs", **PLACE, **keys)


def signers(*clients: Any) -> list[str]:
    """Whose key signed a request of each client: the key and the token."""
    seen: list[str] = []

    def note(request: Any, **_: Any) -> None:
        authorization = str(request.headers["Authorization"])
        seen.append(f"{authorization.partition('Credential=')[2].partition('/')[0]}, {request.headers['X-Amz-Security-Token'].decode()}")
        raise Sent

    clients[0].meta.events.register("before-send.sqs", note)
    for client in clients:
        with pytest.raises(Sent):
            client.list_queues()
    return seen


def test_each_role_asks_with_its_own_keys() -> None:
    a, b = of_role("a"), of_role("b")

    assert signers(a, b, a) == ["a, token of a", "b, token of b", "a, token of a"]


def test_roles_ask_at_once() -> None:
    a, b = of_role("a"), of_role("b")
    seen: list[tuple[str, str]] = []

    def note(request: Any, **_: Any) -> None:
        seen.append((request.url.rpartition("/")[2], str(request.headers["Authorization"])))
        raise Sent

    a.meta.events.register("before-send.sqs", note)

    def ask(client: Any) -> str:
        with pytest.raises(Sent):
            client.list_queues()
        return "asked"

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(ask, [a, b] * 20)) == ["asked"] * 40
    assert sorted(text.partition("Credential=")[2].partition("/")[0] for _, text in seen) == ["a"] * 20 + ["b"] * 20


def test_a_signed_url_has_the_roles_key() -> None:
    urls = [of_role(name).generate_presigned_url("list_queues") for name in "ab"]

    assert [f"Credential={name}%2F" in url for name, url in zip("ab", urls, strict=True)] == [True, True]


def test_a_pager_and_a_role_without_a_token_ask_as_well() -> None:
    client = boto3.Session().client("sqs", **PLACE, aws_access_key_id="c", aws_secret_access_key="secret")
    seen: list[str] = []

    def note(request: Any, **_: Any) -> None:
        seen.append(str(request.headers["Authorization"]))
        assert "X-Amz-Security-Token" not in request.headers
        raise Sent

    client.meta.events.register("before-send.sqs", note)
    with pytest.raises(Sent):
        list(client.get_paginator("list_queues").paginate())

    assert "Credential=c/" in seen[0]


def test_what_one_test_tells_a_client_no_other_client_is_told() -> None:
    with pytest.MonkeyPatch.context() as patch:
        quick_clients.install(patch)
        told = of_role("a")
        told.meta.events.register("before-send.sqs", lambda **_: pytest.fail("told"))
    with pytest.MonkeyPatch.context() as patch:
        quick_clients.install(patch)
        assert signers(of_role("a")) == ["a, token of a"]


def test_what_a_session_is_told_its_roles_clients_are_told() -> None:
    session, seen = boto3.Session(), []
    session.events.register("before-call", lambda model, **_: seen.append(model.name))
    client = session.client("sqs", **PLACE, aws_access_key_id="a", aws_secret_access_key="secret")
    client.meta.events.register("before-send.sqs", lambda **_: pytest.fail("sent"))

    with pytest.raises(pytest.fail.Exception):
        client.list_queues()
    assert seen == ["ListQueues"]
