"""A request reaches the function as the event that AWS documents, and its answer comes back as AWS sends it."""

import base64
import json
import re
import socket
import time
from typing import Any

import pytest

from localcloud.cloud import Cloud
from localcloud.server import LocalCloudError
from tests.unit.localcloud.gateway import apis
from tests.unit.localcloud.gateway.apis import Deployed

MALFORMED = (502, "InternalServerErrorException", {"message": "Internal server error"})


@pytest.fixture(scope="module")
def api(cloud: Cloud) -> Deployed:
    resources = {
        "Restores": apis.resource("restores"),
        "Restore": apis.resource("{id}", "Restores"),
        "All": apis.resource("all", "Restores"),
        "Proxy": apis.resource("{proxy+}", "Restores"),
        "Slow": apis.resource("slow"),
        "PostRestores": apis.method("Restores", "POST"),
        "GetRestore": apis.method("Restore", "GET"),
        "AnyAll": apis.method("All", "ANY"),
        "AnyProxy": apis.method("Proxy", "ANY"),
        "PostSlow": apis.method("Slow", "POST", Integration={"TimeoutInMillis": 500}),
        "GetRoot": apis.method("Api", "GET"),
    }
    described = apis.template(resources, api={"BinaryMediaTypes": ["application/octet-stream"]}, stage={"Variables": {"colour": "blue"}})
    return apis.deploy(cloud, described)


def test_the_event_is_that_of_payload_version_1(cloud: Cloud, api: Deployed) -> None:
    headers = [("Content-Type", "application/json"), ("X-Twice", "one"), ("X-Twice", "two"), ("x-lower", "kept"), ("User-Agent", "tests")]

    event = api.ask("POST", "/restores?a=1&a=2&empty=&%C3%A4=%2B+", b'{"text": "\xc3\xa9"}', headers).json

    assert event["resource"] == event["path"] == "/restores"
    assert event["httpMethod"] == "POST"
    assert (event["headers"]["X-Twice"], event["multiValueHeaders"]["X-Twice"]) == ("two", ["one", "two"])
    assert event["headers"]["x-lower"] == "kept"
    assert event["headers"]["Host"] == f"127.0.0.1:{api.port}"
    assert not {"Content-Length", "Connection"} & event["headers"].keys()
    assert event["headers"]["X-Forwarded-For"] == "127.0.0.1"
    assert event["queryStringParameters"] == {"a": "2", "empty": "", "ä": "+ "}
    assert event["multiValueQueryStringParameters"] == {"a": ["1", "2"], "empty": [""], "ä": ["+ "]}
    assert event["pathParameters"] is None
    assert event["stageVariables"] == {"colour": "blue"}
    assert (event["body"], event["isBase64Encoded"]) == ('{"text": "é"}', False)
    context = event["requestContext"]
    assert context["accountId"] == cloud.account
    assert (context["apiId"], context["stage"]) == (api.ids["Api"], "live")
    assert (context["resourcePath"], context["resourceId"]) == ("/restores", api.ids["Restores"])
    assert (context["path"], context["httpMethod"], context["protocol"]) == ("/live/restores", "POST", "HTTP/1.1")
    assert re.fullmatch(r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000", context["requestTime"])
    assert abs(context["requestTimeEpoch"] / 1000 - time.time()) < 20
    assert (context["identity"]["sourceIp"], context["identity"]["userAgent"]) == ("127.0.0.1", "tests")
    assert {context["identity"][name] for name in ("caller", "user", "userArn", "accountId", "cognitoIdentityId")} == {None}
    assert "authorizer" not in context


def test_nothing_is_null_and_no_body_is_null(api: Deployed) -> None:
    event = api.ask("GET", "").json

    absent = ("queryStringParameters", "multiValueQueryStringParameters", "pathParameters", "body")
    assert [event[name] for name in absent] == [None] * 4
    assert (event["path"], event["resource"], event["isBase64Encoded"]) == ("/", "/", False)


@pytest.mark.parametrize(
    ("path", "resource", "parameters"),
    [
        ("/restores/all", "/restores/all", None),
        ("/restores/r-1", "/restores/{id}", {"id": "r-1"}),
        ("/restores/r-1/", "/restores/{id}", {"id": "r-1"}),
        ("/restores/a%2Fb%20c", "/restores/{id}", {"id": "a/b c"}),
        ("/restores/..", "/restores/{id}", {"id": ".."}),
        ("/restores/%FF", "/restores/{id}", {"id": "\ufffd"}),
        ("/restores/one/two%2f", "/restores/{proxy+}", {"proxy": "one/two/"}),
        ("/restores/%61ll", "/restores/all", None),
    ],
)
def test_the_most_specific_resource_is_chosen(api: Deployed, path: str, resource: str, parameters: Any) -> None:
    event = api.ask("GET", path).json

    assert (event["resource"], event["pathParameters"], event["path"]) == (resource, parameters, path)


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/unknown"), ("DELETE", "/restores"), ("POST", "/restores/r-1"), ("GET", "//restores/r-1"), ("BREW", "")]
)
def test_an_unknown_path_or_method_lacks_an_authentication_token(api: Deployed, method: str, path: str) -> None:
    expected = (403, "MissingAuthenticationTokenException", {"message": "Missing Authentication Token"})

    assert api.ask(method, path).error == expected


def test_an_unknown_stage_is_forbidden(api: Deployed) -> None:
    reply = apis.ask(api.port, "GET", "/elsewhere/restores")

    assert reply.error == (403, "ForbiddenException", {"message": "Forbidden"})


def test_a_body_is_base64_by_its_type_and_else_text_whatever_its_bytes(api: Deployed) -> None:
    binary = api.ask("POST", "/restores", b"\xff\x00", [("Content-Type", "application/octet-stream; charset=x")]).json
    text = api.ask("POST", "/restores", b"\xff\x00", [("Content-Type", "text/plain")]).json

    assert (base64.b64decode(binary["body"]), binary["isBase64Encoded"]) == (b"\xff\x00", True)
    assert (text["body"], text["isBase64Encoded"]) == ("\ufffd\x00", False)


def test_a_chunked_body_arrives_whole(api: Deployed) -> None:
    with socket.create_connection(("127.0.0.1", api.port)) as client:
        client.sendall(b"POST /live/restores HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n")
        client.sendall(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
        answer = b"".join(iter(lambda: client.recv(65536), b""))

    assert json.loads(answer.partition(b"\r\n\r\n")[2])["body"] == "abcde"


def test_who_asks_first_may_send_the_body(api: Deployed) -> None:
    with socket.create_connection(("127.0.0.1", api.port), timeout=10) as client:
        client.sendall(b"POST /live/restores HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\nConnection: close\r\n\r\n")
        first = client.recv(65536)
        client.sendall(b"abc")
        answer = b"".join(iter(lambda: client.recv(65536), b""))

    assert first == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["body"] == "abc"


def test_an_answer_keeps_its_headers_and_renames_what_the_gateway_says_itself(api: Deployed) -> None:
    headers = {"Location": "/x", "WWW-Authenticate": "Bearer", "Authorization": "no", "X-Single": "lost", "X-True": True}
    answer = {"statusCode": 202, "headers": headers, "multiValueHeaders": {"X-Single": ["a", "b"]}, "body": "text"}

    reply = api.post("/restores", {"answer": answer})

    assert (reply.status, reply.body) == (202, b"text")
    assert (reply.headers["Location"], reply.headers["X-True"]) == ("/x", "true")
    assert reply.headers.get_all("X-Single") == ["a", "b"]
    assert reply.headers["Content-Type"] == "application/json"
    assert (reply.headers["x-amzn-Remapped-WWW-Authenticate"], reply.headers["x-amzn-Remapped-Authorization"]) == ("Bearer", "no")
    assert reply.headers["WWW-Authenticate"] is None
    assert reply.headers["x-amzn-RequestId"] == reply.headers["x-amzn-RequestId"].lower()


def test_a_binary_answer_is_decoded_for_whom_it_is_binary(api: Deployed) -> None:
    document = {"answer": {"statusCode": 200, "body": base64.b64encode(b"\x00\xff").decode(), "isBase64Encoded": True}}

    decoded = api.post("/restores", document, Accept="application/octet-stream, */*")
    encoded = api.post("/restores", document, Accept="*/*")

    assert (decoded.body, encoded.body) == (b"\x00\xff", b"AP8=")


@pytest.mark.parametrize(
    "answer",
    [
        None,
        "text",
        [],
        {},
        {"message": "hello"},
        {"statusCode": 200, "body": {"not": "text"}},
        {"statusCode": "many"},
        {"statusCode": 200, "headers": ["a"]},
        {"statusCode": 200, "headers": {"a": {"b": "c"}}},
        {"statusCode": 200, "cookies": []},
    ],
)
def test_a_malformed_answer_is_a_bad_gateway(api: Deployed, answer: Any) -> None:
    assert api.post("/restores", {"answer": answer}).error == MALFORMED


def test_a_failed_function_is_a_bad_gateway(api: Deployed) -> None:
    assert api.post("/restores", {"fail": "secret"}).error == MALFORMED


def test_a_slow_function_is_a_gateway_timeout_after_the_integrations_patience(api: Deployed) -> None:
    began = time.monotonic()

    reply = api.post("/slow", {"sleep": 3})

    assert reply.error == (504, "InternalServerErrorException", {"message": "Endpoint request timed out"})
    assert 0.5 <= time.monotonic() - began < 2.5


def test_a_deployed_method_stays_as_it_was_until_the_next_deployment(cloud: Cloud, api: Deployed) -> None:
    gateway = cloud.client("apigateway")
    where = {"restApiId": api.ids["Api"], "resourceId": api.ids["All"], "httpMethod": "ANY"}
    gateway.put_method(**where, authorizationType="NONE", apiKeyRequired=True)

    assert api.ask("GET", "/restores/all").status == 200


def test_the_function_must_let_the_gateway_in(cloud: Cloud) -> None:
    described = apis.template({"GetRoot": apis.method("Api", "GET")})
    described["Resources"]["Permission"]["Properties"]["SourceArn"] = f"arn:aws:execute-api:{cloud.region}:{cloud.account}:other/*"

    reply = apis.deploy(cloud, described).ask("GET", "/")

    assert reply.error == (500, "InternalServerErrorException", {"message": "Internal server error"})


def test_the_address_of_a_stacks_output_has_one_here(cloud: Cloud, api: Deployed) -> None:
    there = f"https://{api.ids['Api']}.execute-api.{cloud.region}.amazonaws.com/live"

    assert cloud.local_url(f"{there}/v1") == f"{api.url}/v1"
    assert cloud.local_url("https://example.com/live") == "https://example.com/live"


def test_the_addresses_stand_in_a_file_as_soon_as_there_is_a_stage(cloud: Cloud, api: Deployed) -> None:
    addresses = json.loads((cloud.directory / "addresses.json").read_text())

    assert addresses[f"https://{api.ids['Api']}.execute-api.{cloud.region}.amazonaws.com/live"] == api.url


def test_an_api_that_is_not_there_has_no_address(cloud: Cloud) -> None:
    with pytest.raises(LocalCloudError, match="has no API abcdefghij"):
        cloud.api_url("abcdefghij", "live")
