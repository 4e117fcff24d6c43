"""What API Gateway says by itself: AWS's words, or the API's own."""

import json
from typing import Any

import pytest

from localcloud.cloud import Cloud
from localcloud.gateway.refusals import DEFAULTS, Refusal, render
from tests.unit.localcloud.gateway import apis
from tests.unit.localcloud.gateway.apis import Deployed

PROBLEM = (
    '{"status":404,"detail":$context.error.messageString,"type":"$context.error.responseType","id":"$context.requestId","no":"$context.x"}'
)
CHALLENGE = {"gatewayresponse.header.WWW-Authenticate": "'Bearer realm=\"x\"'", "gatewayresponse.header.X-Path": "context.path"}


@pytest.fixture(scope="module")
def api(cloud: Cloud) -> Deployed:
    nowhere = apis.gateway_response("MISSING_AUTHENTICATION_TOKEN", StatusCode="404", ResponseTemplates={"application/json": PROBLEM})
    fallback = {"application/json": '{"fallback":"$context.error.responseType"}'}
    resources = {
        "Keyed": apis.resource("keyed"),
        "GetKeyed": apis.method("Keyed", "GET", ApiKeyRequired=True),
        "PostRoot": apis.method("Api", "POST"),
        "Nowhere": nowhere,
        "Others": apis.gateway_response("DEFAULT_4XX", ResponseTemplates=fallback, ResponseParameters=CHALLENGE),
        "Broken": apis.gateway_response("DEFAULT_5XX", StatusCode="500", ResponseTemplates=fallback),
    }
    return apis.deploy(cloud, apis.template(resources))


@pytest.fixture(scope="module")
def plain(cloud: Cloud) -> Deployed:
    """Without words of its own."""
    return apis.deploy(cloud, apis.template({"PostRoot": apis.method("Api", "POST")}))


def test_an_own_response_has_its_status_and_its_variables_filled_in(api: Deployed) -> None:
    reply = api.ask("GET", "/nowhere")

    assert reply.status == 404
    assert reply.json == {
        "status": 404,
        "detail": "Missing Authentication Token",
        "type": "MISSING_AUTHENTICATION_TOKEN",
        "id": reply.headers["x-amzn-RequestId"],
        "no": "",
    }
    assert reply.headers["x-amzn-ErrorType"] == "MissingAuthenticationTokenException"


def test_what_has_no_own_response_falls_back_with_its_own_status(api: Deployed) -> None:
    reply = api.ask("GET", "/keyed")

    assert reply.error == (403, "ForbiddenException", {"fallback": "INVALID_API_KEY"})
    assert (reply.headers["WWW-Authenticate"], reply.headers["X-Path"]) == ('Bearer realm="x"', "/live/keyed")


def test_the_status_of_the_fallback_replaces_all(api: Deployed) -> None:
    assert api.post("/", {"answer": "malformed"}).error == (500, "InternalServerErrorException", {"fallback": "DEFAULT_5XX"})


def test_a_header_of_another_scheme_where_there_is_nothing_is_an_incomplete_signature(api: Deployed) -> None:
    reply = api.ask("GET", "/nowhere", headers=[("Authorization", "Bearer abc")])

    assert reply.error == (403, "IncompleteSignatureException", {"fallback": "INVALID_SIGNATURE"})


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (6_000_000, None),
        (6_291_556, "Request Too Long"),
        (10_485_760, "Request Too Long"),
        (10_485_761, "HTTP content length exceeded 10485760 bytes."),
    ],
)
def test_a_body_has_at_most_10_megabytes_and_6_for_a_function(plain: Deployed, size: int, text: str | None) -> None:
    reply = plain.ask("POST", "/", b"x" * size)

    if text:
        assert reply.error == (413, "RequestTooLargeException", {"message": text})
    else:
        assert reply.status == 200


def test_an_answer_of_more_than_6_megabytes_is_a_bad_gateway(plain: Deployed) -> None:
    assert plain.post("/", {"long": 6_300_000}).error == (502, "InternalServerErrorException", {"message": "Internal server error"})


def test_request_line_and_header_values_have_at_most_10240_bytes(api: Deployed) -> None:
    def padded(total: int) -> apis.Reply:
        used = len("GET /live/nowhere HTTP/1.1") + len(f"127.0.0.1:{api.port}")
        return api.ask("GET", "/nowhere", headers=[("X-Pad", "x" * (total - used))])

    assert [padded(10_240).status, padded(10_241).status] == [404, 413]


@pytest.mark.parametrize("target", ["/live/a|b", "/live/?q={x}", "/live/\x7f"])
def test_a_target_that_is_no_urls_is_refused_before_anything(api: Deployed, target: str) -> None:
    with_raw_target = apis.http.client.HTTPConnection("127.0.0.1", api.port)
    with_raw_target._validate_path = lambda path: None  # type: ignore[attr-defined]
    with_raw_target.putrequest("GET", target)
    with_raw_target.endheaders()

    answer = with_raw_target.getresponse()

    assert (answer.status, json.loads(answer.read())) == (400, {"message": "Bad Request"})
    with_raw_target.close()


def test_there_are_21_kinds_and_each_can_be_said() -> None:
    def look(name: str) -> str | None:
        return json.dumps("text") if name == "context.error.messageString" else None

    answers: dict[str, Any] = {kind: render(Refusal(kind), {}, look, None) for kind in DEFAULTS}

    assert len(answers) == 21
    assert {next(iter(json.loads(one.body).values())) for one in answers.values()} == {"text"}
    assert answers["ACCESS_DENIED"].body == b'{"Message":"text"}'
    assert {one.header("Content-Type") for one in answers.values()} == {"application/json"}
