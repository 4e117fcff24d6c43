"""What a stage adds: its access log, its own throttle, its validators."""

import json
import time
from typing import Any

import pytest

from localcloud.cloud import Cloud
from tests.unit.localcloud.gateway import apis
from tests.unit.localcloud.gateway.apis import Deployed, arn, ref

LINE = {
    "id": "$context.requestId",
    "who": "$context.identity.sourceIp",
    "key": "$context.identity.apiKeyId",
    "status": "$context.status",
    "size": "$context.responseLength",
    "error": "$context.error.responseType",
    "path": "$context.resourcePath",
    "nothing": "$context.authorizer.claims.sub",
}
SCHEMA = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}


@pytest.fixture(scope="module")
def api(cloud: Cloud) -> Deployed:
    validator = {"RestApiId": ref("Api"), "ValidateRequestBody": True, "ValidateRequestParameters": True}
    model = {"RestApiId": ref("Api"), "Name": "Named", "ContentType": "application/json", "Schema": SCHEMA}
    asks = {"RequestParameters": {"method.request.querystring.q": True, "method.request.header.X-Id": False}}
    resources = {
        "Log": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "/tests/access"}},
        "Validator": {"Type": "AWS::ApiGateway::RequestValidator", "Properties": validator},
        "Named": {"Type": "AWS::ApiGateway::Model", "Properties": model},
        "Checked": apis.resource("checked"),
        "Rare": apis.resource("rare"),
        "PostChecked": apis.method(
            "Checked", "POST", RequestValidatorId=ref("Validator"), RequestModels={"application/json": ref("Named")}, **asks
        ),
        "GetRare": apis.method("Rare", "GET"),
        "GetRoot": apis.method("Api", "GET"),
    }
    limits = [{"ResourcePath": "/~1rare", "HttpMethod": "GET", "ThrottlingRateLimit": 0.01, "ThrottlingBurstLimit": 1}]
    stage = {"AccessLogSetting": {"DestinationArn": arn("Log"), "Format": json.dumps(LINE)}, "MethodSettings": limits}
    return apis.deploy(cloud, apis.template(resources, stage=stage))


def _lines(cloud: Cloud) -> list[dict[str, Any]]:
    events = cloud.client("logs").filter_log_events(logGroupName="/tests/access")["events"]
    return [json.loads(event["message"]) for event in events]


def _line(cloud: Cloud, request_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + 10
    while not (found := [line for line in _lines(cloud) if line["id"] == request_id]):
        assert time.monotonic() < deadline, "It was never written."
        time.sleep(0.05)
    return found[0]


def test_each_request_is_a_line_of_the_log_in_the_stages_format(cloud: Cloud, api: Deployed) -> None:
    served, refused = api.ask("GET", "/"), api.ask("GET", "/nowhere")

    line = _line(cloud, served.headers["x-amzn-RequestId"])
    assert {name: line[name] for name in ("who", "key", "status", "error", "path", "nothing")} == {
        "who": "127.0.0.1",
        "key": "-",
        "status": "200",
        "error": "-",
        "path": "/",
        "nothing": "-",
    }
    assert line["size"] == str(len(served.body))
    line = _line(cloud, refused.headers["x-amzn-RequestId"])
    assert (line["status"], line["error"], line["path"]) == ("403", "MISSING_AUTHENTICATION_TOKEN", "-")


def test_the_stage_throttles_a_method_for_everybody(api: Deployed) -> None:
    replies = [api.ask("GET", "/rare") for _ in range(2)]

    assert [reply.status for reply in replies] == [200, 429]
    assert replies[1].error == (429, "TooManyRequestsException", {"message": "Too Many Requests"})


def test_a_validator_asks_for_parameters_and_a_body_that_fits(api: Deployed) -> None:
    assert api.post("/checked?q=1", {"name": "x"}).status == 200
    missing = {"message": "Missing required request parameters: [q]"}
    assert api.post("/checked", {"name": "x"}).error == (400, "BadRequestException", missing)
    for body in (b'{"name": 1}', b"{}", b"no json", b""):
        assert api.ask("POST", "/checked?q=1", body).error == (400, "BadRequestException", {"message": "Invalid request body"})
    assert api.ask("POST", "/checked?q=1", b"<a/>", [("Content-Type", "text/xml")]).status == 200
