"""How the worker comes to a login: whatever is wrong with a secret is named, with what to do, and never with its value."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from dbrestore.contract.errors import CredentialsNotUsable
from dbrestore.contract.job import DatabaseServer
from dbrestore.worker.base import secrets as worker_secrets
from dbrestore.worker.base.bounds import Bounds
from dbrestore.worker.base.secrets import Credentials, Login

VALUE = "hunter2-Geheim"
SERVER = DatabaseServer(host="shop.abc.eu-central-1.rds.amazonaws.com", port=5432, region="eu-central-1", iam_user="restorer", ca_bundle="")


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield boto3.client("secretsmanager", region_name="eu-central-1")


def stored(manager: Any, text: str) -> str:
    return str(manager.create_secret(Name="orders-restore", SecretString=text)["ARN"])


@pytest.mark.parametrize(
    "more", [{}, {"engine": "postgres", "host": "shop", "port": 5432, "dbname": "orders", "dbInstanceIdentifier": "shop", "masterarn": "x"}]
)
def test_username_and_password_are_read_and_other_keys_ignored(manager: Any, more: dict[str, Any]) -> None:
    arn = stored(manager, json.dumps({"username": "dba", "password": VALUE, **more}))

    assert worker_secrets.by_secret(manager, arn).login() == Login("dba", VALUE)


@pytest.mark.parametrize(
    "text",
    [
        VALUE,
        json.dumps(VALUE),
        json.dumps([VALUE]),
        json.dumps({"user": "dba", "password": VALUE}),
        json.dumps({"username": "dba", "pass": VALUE}),
        json.dumps({"username": "dba", "password": {"value": VALUE}}),
        json.dumps({"username": [VALUE], "password": VALUE}),
        json.dumps({"username": "", "password": VALUE}),
        json.dumps({"username": "dba", "password": ""}),
        json.dumps({"username": None, "password": VALUE}),
        "{" + VALUE,
    ],
)
def test_a_secret_of_another_form_is_named_and_never_quoted(manager: Any, text: str) -> None:
    arn = stored(manager, text)

    with pytest.raises(CredentialsNotUsable, match="does not hold JSON with username and password: write") as caught:
        worker_secrets.by_secret(manager, arn).login()

    assert arn in str(caught.value)
    told: BaseException | None = caught.value
    while told:
        assert VALUE not in repr(told)
        assert told.__suppress_context__ or told.__context__ is None
        told = told.__cause__


def test_a_binary_secret_is_of_another_form(manager: Any) -> None:
    arn = manager.create_secret(Name="binary", SecretBinary=VALUE.encode())["ARN"]

    with pytest.raises(CredentialsNotUsable, match="does not hold JSON") as caught:
        worker_secrets.by_secret(manager, arn).login()

    assert VALUE not in repr(caught.value)


def test_a_secret_that_is_to_be_deleted_is_named_with_the_way_back(manager: Any) -> None:
    arn = stored(manager, json.dumps({"username": "dba", "password": VALUE}))
    manager.delete_secret(SecretId=arn, RecoveryWindowInDays=7)

    with pytest.raises(CredentialsNotUsable, match=r"about to be deleted.* restore-secret brings it back"):
        worker_secrets.by_secret(manager, arn).login()


def test_a_secret_that_is_gone_is_named(manager: Any) -> None:
    arn = stored(manager, json.dumps({"username": "dba", "password": VALUE}))
    manager.delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)

    with pytest.raises(CredentialsNotUsable, match=f"the secret {arn} does not exist .any more."):
        worker_secrets.by_secret(manager, arn).login()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("AccessDeniedException", "give it the tag dbrestore:credentials = true"),
        ("DecryptionFailure", "enable its KMS key"),
    ],
)
def test_a_refusal_is_named_with_its_fix(code: str, words: str) -> None:
    class Refusing:
        def get_secret_value(self, **_: str) -> None:
            raise ClientError({"Error": {"Code": code, "Message": "no"}}, "GetSecretValue")

    with pytest.raises(CredentialsNotUsable, match=words):
        worker_secrets.by_secret(Refusing(), "arn:aws:secretsmanager:eu-central-1:123456789012:secret:x").login()  # type: ignore[arg-type]


def test_another_failure_of_the_service_keeps_its_own_name(manager: Any) -> None:
    class Failing:
        def get_secret_value(self, **_: str) -> None:
            raise ClientError({"Error": {"Code": "InternalServiceError", "Message": "no"}}, "GetSecretValue")

    with pytest.raises(ClientError):
        worker_secrets.by_secret(Failing(), "arn").login()  # type: ignore[arg-type]


def test_a_secret_serves_until_it_is_refused_and_is_then_read_again(manager: Any) -> None:
    arn = stored(manager, json.dumps({"username": "dba", "password": "old"}))
    credentials = worker_secrets.by_secret(manager, arn)
    attempts = credentials.attempts()
    first = next(attempts)
    manager.put_secret_value(SecretId=arn, SecretString=json.dumps({"username": "dba", "password": "new"}))

    assert credentials.login() == first
    assert next(attempts) == Login("dba", "new")
    assert credentials.login() == Login("dba", "new")


def test_a_password_is_shown_once_per_change_and_once_more_in_the_end() -> None:
    bounds = Bounds(rotation_seconds=0.3, rotation_pause_seconds=0.02)
    read = iter([Login("dba", "old")] * 3 + [Login("dba", "between")] * 3 + [Login("dba", "new")] * 1000)
    credentials = Credentials(lambda: next(read), "the password", "put it right", bounds=bounds)

    assert [login.password for login in credentials.attempts()] == ["old", "between", "new", "new"]


def test_tokens_of_iam_are_shown_until_the_end_of_the_bound() -> None:
    bounds = Bounds(rotation_seconds=0.3, token_pause_seconds=0.1)
    numbers = iter(range(100))
    credentials = Credentials(lambda: Login("restorer", str(next(numbers))), "IAM's token", "check it", lasts=False, bounds=bounds)

    assert [login.password for login in credentials.attempts()] in (["0", "1", "2", "3"], ["0", "1", "2", "3", "4"])


def test_each_connection_by_iam_gets_a_token_of_its_own(manager: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rds = boto3.client("rds", region_name="eu-central-1")
    credentials = worker_secrets.by_iam(rds, SERVER)
    signed = []
    original = rds.generate_db_auth_token
    monkeypatch.setattr(rds, "generate_db_auth_token", lambda **wish: signed.append(wish) or original(**wish))

    login = credentials.login()
    credentials.login()

    assert len(signed) == 2
    assert login.user == "restorer"
    token = parse_qs(urlsplit(f"https://{login.password}").query)
    assert login.password.startswith(f"{SERVER.host}:5432/?")
    assert (token["Action"], token["DBUser"], token["X-Amz-Expires"]) == (["connect"], ["restorer"], ["900"])
    assert login.password not in repr(credentials)
