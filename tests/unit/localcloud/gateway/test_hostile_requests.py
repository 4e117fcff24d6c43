"""Whatever is sent is answered, and with one of API Gateway's own answers: nothing of it reaches a function, nothing breaks."""

import json
import logging
import socket

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from localcloud.cloud import Cloud
from localcloud.gateway.requests import Request
from tests.unit.localcloud.gateway import apis
from tests.unit.localcloud.gateway.apis import Deployed, arn, ref


@pytest.fixture(scope="module")
def api(cloud: Cloud) -> Deployed:
    """One method of each kind."""
    authorizer = {"RestApiId": ref("Api"), "Type": "COGNITO_USER_POOLS", "Name": "pool", "ProviderARNs": [arn("Pool")]}
    guarded = {"AuthorizationType": "COGNITO_USER_POOLS", "AuthorizerId": ref("Authorizer"), "AuthorizationScopes": ["a/b"]}
    source = {"IdentitySource": "method.request.header.Authorization"}
    resources = {
        "Pool": {"Type": "AWS::Cognito::UserPool", "Properties": {"UserPoolName": "hostile"}},
        "Authorizer": {"Type": "AWS::ApiGateway::Authorizer", "Properties": {**authorizer, **source}},
        **{name: apis.resource(part) for name, part in (("Iam", "iam"), ("Token", "token"), ("Key", "key"))},
        "IamItem": apis.resource("{id}", "Iam"),
        "AnyIam": apis.method("IamItem", "ANY", AuthorizationType="AWS_IAM"),
        "AnyToken": apis.method("Token", "ANY", **guarded),
        "AnyKey": apis.method("Key", "ANY", ApiKeyRequired=True),
    }
    return apis.deploy(cloud, apis.template(resources))


TEXT = st.text(st.characters(codec="latin-1"), max_size=40)
SIGNED = st.builds(
    "AWS4-HMAC-SHA256 Credential={}/{}/eu-central-1/execute-api/aws4_request, SignedHeaders={}, Signature={}".format,
    st.sampled_from(["localcloud", "AKIAIOSFODNN7EXAMPLE", "", "a"]),
    st.sampled_from(["20261129", ""]),
    st.sampled_from(["host", "host;x-amz-date", ";", ""]),
    TEXT,
)
HEADERS = st.tuples(
    st.sampled_from(["Authorization", "x-api-key", "X-Amz-Date", "X-Amz-Security-Token", "Accept", "Host", "Content-Type"]),
    TEXT | SIGNED | st.sampled_from(["Bearer ", "Bearer a.b.c", "Basic YTpi", "20261129T120000Z", "a.b.c.d.e"]),
)
PATHS = st.builds(
    "/{}{}{}".format,
    st.sampled_from(["live", "live", "live", "elsewhere", "", "..", "%6cive"]),
    st.sampled_from(["/iam/1", "/iam/%2e%2e", "/token", "/key", "/key/", "//key", "", "/"]) | TEXT,
    st.sampled_from(["", "?", "?a=b;c", "?%", "?X-Amz-Signature=x"]) | TEXT,
)


ANY = settings(derandomize=True, max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def _refused(cloud: Cloud, api: Deployed, caplog: pytest.LogCaptureFixture, request: Request) -> None:
    with caplog.at_level(logging.ERROR):
        answer = cloud._gateway.serve(api.ids["Api"], request)

    assert answer.status in (400, 401, 403, 413)
    assert {"message", "Message"} & json.loads(answer.body).keys()
    assert caplog.records == []


@ANY
@given(st.sampled_from(["GET", "POST", "BREW", ""]), PATHS, st.lists(HEADERS, max_size=6), st.binary(max_size=40))
def test_a_request_without_permission_gets_one_of_the_gateways_answers(
    cloud: Cloud, api: Deployed, caplog: pytest.LogCaptureFixture, method: str, target: str, headers: list[tuple[str, str]], body: bytes
) -> None:
    _refused(cloud, api, caplog, Request(method, target, tuple(headers), body))


@ANY
@given(SIGNED | TEXT, TEXT | st.sampled_from(["20261129T120000Z", "20261329T120000Z"]), st.lists(HEADERS, max_size=3))
def test_a_signature_that_nobody_made_opens_nothing(
    cloud: Cloud, api: Deployed, caplog: pytest.LogCaptureFixture, signed: str, date: str, more: list[tuple[str, str]]
) -> None:
    _refused(cloud, api, caplog, Request("GET", "/live/iam/1?a=b", (*more, ("Authorization", signed), ("X-Amz-Date", date))))


@pytest.mark.parametrize(
    "sent",
    [
        b"GET\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET /live/key HTTP/9.9\r\n\r\n",
        b"POST /live/key HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /live/key HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"POST /live/key HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /live/\xff\xfe HTTP/1.1\r\n\r\n",
        b"GET /live/key HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n",
        b"GET http://elsewhere/live/key HTTP/1.1\r\nConnection: close\r\n\r\n",
    ],
)
def test_what_is_no_request_is_answered_and_the_next_one_served(api: Deployed, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", api.port), timeout=10) as client:
        client.sendall(sent)
        answer = client.recv(65_536)

    assert answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 505", b"HTTP/1.0 4", b"<!DOCTYPE")), answer[:80]
    assert api.ask("GET", "/key").status == 403
