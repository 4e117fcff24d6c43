"""A small API with a function that says what it got, deployed through CloudFormation, and an independent client for it."""

import http.client
import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from email.message import Message
from typing import Any
from urllib.parse import urlsplit

from localcloud.cloud import Cloud

STAGE = "live"
KEY = "a-key-of-the-tests-0123456789"
# What the body asks for under `answer` it returns as it is; without that, the event.
PROGRAM = """
import json, time

def handle(event, context):
    try:
        asked = json.loads(event["body"])
    except (TypeError, ValueError):
        asked = None
    asked = asked if isinstance(asked, dict) else {}
    time.sleep(asked.get("sleep", 0))
    if "fail" in asked:
        raise RuntimeError(asked["fail"])
    if len(event["body"] or "") > 1_000_000:
        return {"statusCode": 200}
    if "long" in asked:
        return {"statusCode": 200, "body": "x" * asked["long"]}
    return asked["answer"] if "answer" in asked else {"statusCode": 200, "body": json.dumps(event)}
"""


@dataclass(frozen=True)
class Reply:
    """What came over the wire."""

    status: int
    headers: Message
    body: bytes

    @property
    def json(self) -> Any:
        """The decoded body."""
        return json.loads(self.body)

    @property
    def error(self) -> tuple[int, str | None, Any]:
        """Status, error type and body."""
        return self.status, self.headers["x-amzn-ErrorType"], self.json


@dataclass(frozen=True)
class Deployed:
    """An API that is served; `ids` are the physical ids of its template's resources."""

    url: str
    ids: Mapping[str, str]

    @property
    def port(self) -> int:
        return int(urlsplit(self.url).port or 0)

    def ask(self, method: str, path: str, body: bytes | None = None, headers: Iterable[tuple[str, str]] = ()) -> Reply:
        """One request below the stage; the headers as they are given, no others but Host and Content-Length."""
        return ask(self.port, method, f"{urlsplit(self.url).path}{path}", body, headers)

    def post(self, path: str, document: Any, **headers: str) -> Reply:
        return self.ask("POST", path, json.dumps(document).encode(), headers.items())


def ask(port: int, method: str, target: str, body: bytes | None = None, headers: Iterable[tuple[str, str]] = ()) -> Reply:
    """One request; nothing of it is mended."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=40)
    connection.putrequest(method, target, skip_accept_encoding=True, skip_host=any(name.lower() == "host" for name, _ in headers))
    for name, value in headers:
        connection.putheader(name, value)
    if body is not None:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    answer = connection.getresponse()
    reply = Reply(answer.status, answer.headers, answer.read())
    connection.close()
    return reply


def ref(name: str) -> dict[str, str]:
    return {"Ref": name}


def arn(name: str) -> dict[str, list[str]]:
    return {"Fn::GetAtt": [name, "Arn"]}


INVOCATION = {
    "Fn::Join": ["", ["arn:aws:apigateway:", ref("AWS::Region"), ":lambda:path/2015-03-31/functions/", arn("Echo"), "/invocations"]]
}


def method(path: str, http_method: str, **properties: Any) -> dict[str, Any]:
    """A method with the function behind it; `path` is the logical id of its resource."""
    integration = {"Type": "AWS_PROXY", "IntegrationHttpMethod": "POST", "Uri": INVOCATION, **properties.pop("Integration", {})}
    resource = {"Fn::GetAtt": ["Api", "RootResourceId"]} if path == "Api" else ref(path)
    known = {"RestApiId": ref("Api"), "ResourceId": resource, "HttpMethod": http_method, "AuthorizationType": "NONE"}
    return {"Type": "AWS::ApiGateway::Method", "Properties": {**known, "Integration": integration, **properties}}


def resource(part: str, parent: str | None = None) -> dict[str, Any]:
    above = ref(parent) if parent else {"Fn::GetAtt": ["Api", "RootResourceId"]}
    return {"Type": "AWS::ApiGateway::Resource", "Properties": {"RestApiId": ref("Api"), "ParentId": above, "PathPart": part}}


def gateway_response(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Type": "AWS::ApiGateway::GatewayResponse", "Properties": {"RestApiId": ref("Api"), "ResponseType": kind, **properties}}


def template(
    resources: Mapping[str, Any], *, api: Mapping[str, Any] | None = None, stage: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The function, its permission and role, the API, and a stage of what `resources` add to it."""
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    source = ["arn:aws:execute-api:", ref("AWS::Region"), ":", ref("AWS::AccountId"), ":", ref("Api"), "/*"]
    allowed = {"Action": "lambda:InvokeFunction", "FunctionName": arn("Echo"), "Principal": "apigateway.amazonaws.com"}
    function = {"Runtime": "python3.11", "Handler": "index.handle", "Timeout": 60, "Role": arn("Role"), "Code": {"ZipFile": PROGRAM}}
    served = {"RestApiId": ref("Api"), "StageName": STAGE, "DeploymentId": ref("Deployment"), **(stage or {})}
    return {
        "Resources": {
            "Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": {"Statement": [trust]}}},
            "Echo": {"Type": "AWS::Lambda::Function", "Properties": function},
            "Permission": {"Type": "AWS::Lambda::Permission", "Properties": {**allowed, "SourceArn": {"Fn::Join": ["", source]}}},
            "Api": {"Type": "AWS::ApiGateway::RestApi", "Properties": {"Name": "tests", **(api or {})}},
            **resources,
            "Deployment": {
                "Type": "AWS::ApiGateway::Deployment",
                "DependsOn": [name for name, one in resources.items() if one["Type"] in OF_THE_API],
                "Properties": {"RestApiId": ref("Api")},
            },
            "Stage": {"Type": "AWS::ApiGateway::Stage", "Properties": served},
        }
    }


OF_THE_API = {f"AWS::ApiGateway::{kind}" for kind in ("Method", "GatewayResponse", "Authorizer", "RequestValidator", "Model")}


def usage_plan(name: str, value: str = KEY, *, enabled: bool = True, **limits: Any) -> dict[str, Any]:
    """A key, its plan for the stage, and what joins them."""
    stages = [{"ApiId": ref("Api"), "Stage": ref("Stage"), "Throttle": limits.pop("Methods", {})}]
    joined = {"KeyId": ref(f"{name}Key"), "KeyType": "API_KEY", "UsagePlanId": ref(f"{name}Plan")}
    return {
        f"{name}Key": {"Type": "AWS::ApiGateway::ApiKey", "Properties": {"Enabled": enabled, "Value": value}},
        f"{name}Plan": {"Type": "AWS::ApiGateway::UsagePlan", "Properties": {"UsagePlanName": name, "ApiStages": stages, **limits}},
        f"{name}Member": {"Type": "AWS::ApiGateway::UsagePlanKey", "Properties": joined},
    }


def deploy(cloud: Cloud, described: Mapping[str, Any]) -> Deployed:
    """Create the stack."""
    formation, name = cloud.client("cloudformation"), f"api-{uuid.uuid4().hex[:8]}"
    formation.create_stack(StackName=name, TemplateBody=json.dumps(described))
    made = formation.describe_stack_resources(StackName=name)["StackResources"]
    ids = {one["LogicalResourceId"]: one.get("PhysicalResourceId", "") for one in made}
    return Deployed(cloud.api_url(ids["Api"], STAGE), ids)
