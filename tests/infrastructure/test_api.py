"""The HTTP API as it is deployed: its routes behind each door, what each asks for, and API Gateway's own answers."""

import json
from pathlib import Path

import pytest

from dbrestore.contract.api.routes import DOORS, HOOK, IAM, OAUTH, ROUTES
from infrastructure.functions import FUNCTIONS

from .conftest import ROOT, Template, synthesise, template_of

pytestmark = pytest.mark.xdist_group("templates")
EXAMPLE = ROOT / "examples" / "configuration" / "access.json"
# API Gateway Developer Guide, "Gateway response types": all of them.
KINDS = {
    "ACCESS_DENIED",
    "API_CONFIGURATION_ERROR",
    "AUTHORIZER_CONFIGURATION_ERROR",
    "AUTHORIZER_FAILURE",
    "BAD_REQUEST_BODY",
    "BAD_REQUEST_PARAMETERS",
    "DEFAULT_4XX",
    "DEFAULT_5XX",
    "EXPIRED_TOKEN",
    "INTEGRATION_FAILURE",
    "INTEGRATION_TIMEOUT",
    "INVALID_API_KEY",
    "INVALID_SIGNATURE",
    "MISSING_AUTHENTICATION_TOKEN",
    "QUOTA_EXCEEDED",
    "REQUEST_TOO_LARGE",
    "RESOURCE_NOT_FOUND",
    "THROTTLED",
    "UNAUTHORIZED",
    "UNSUPPORTED_MEDIA_TYPE",
    "WAF_FILTERED",
}


@pytest.fixture(scope="module")
def with_api(tmp_path_factory: pytest.TempPathFactory) -> Template:
    folder = synthesise(tmp_path_factory.mktemp("api") / "out", accessConfiguration=str(EXAMPLE))
    return template_of(folder, "DbrestoreControl")


def path_of(template: Template, resource: str) -> str:
    """A resource's whole path."""
    resources = template.of_type("AWS::ApiGateway::Resource")
    found = resources.get(resource)
    return f"{path_of(template, found['ParentId'])}/{found['PathPart']}" if found else ""


def test_every_route_is_behind_every_door_that_a_caller_needs(with_api: Template) -> None:
    methods = with_api.of_type("AWS::ApiGateway::Method").values()

    made = {(method["HttpMethod"], path_of(with_api, method["ResourceId"])) for method in methods}

    assert made == {("POST", HOOK), *((route.method, door + route.path) for door in DOORS for route in ROUTES)}


def test_each_door_asks_for_its_own_proof(with_api: Template) -> None:
    scopes = {f"{OAUTH}{route.path}": f"dbrestore/{route.scope}" for route in ROUTES}
    for method in with_api.of_type("AWS::ApiGateway::Method").values():
        path = path_of(with_api, method["ResourceId"])
        if path.startswith(f"{OAUTH}/"):
            assert method["AuthorizationType"] == "COGNITO_USER_POOLS"
            if path != f"{OAUTH}/v1/restores":
                assert method["AuthorizationScopes"] == [scopes[path]]
        elif path.startswith(f"{IAM}/"):
            assert method["AuthorizationType"] == "AWS_IAM"
        elif path == HOOK:
            assert (method["AuthorizationType"], "ApiKeyRequired" in method) == ("NONE", False)
        else:
            assert (method["AuthorizationType"], method["ApiKeyRequired"]) == ("NONE", True)


def test_every_answer_of_api_gateway_itself_is_a_problem_document(with_api: Template) -> None:
    responses = {one["ResponseType"]: one for one in with_api.of_type("AWS::ApiGateway::GatewayResponse").values()}

    assert set(responses) == KINDS
    for one in responses.values():
        problem = json.loads(one["ResponseTemplates"]["application/json"])
        assert problem["type"].startswith("urn:dbrestore:problem:")
        assert str(problem["status"]) == one["StatusCode"]
        assert one["ResponseParameters"]["gatewayresponse.header.Content-Type"] == "'application/problem+json'"
    assert responses["MISSING_AUTHENTICATION_TOKEN"]["StatusCode"] == "404"
    assert responses["UNAUTHORIZED"]["ResponseParameters"]["gatewayresponse.header.WWW-Authenticate"] == "'Bearer'"


def test_the_function_knows_its_callers_and_may_start_but_not_do(with_api: Template) -> None:
    function = with_api.only("AWS::Lambda::Function", FunctionName="dbrestore-AnswerApi")
    row = next(row for row in FUNCTIONS if row.answers_api)

    assert set(json.loads(function["Environment"]["Variables"]["API_CALLERS"])) == {"keys", "clients"}
    assert row.target == ()
    assert function["Timeout"] <= 29


def test_no_log_gets_bodies_and_every_plan_has_bounds(with_api: Template) -> None:
    (stage,) = with_api.of_type("AWS::ApiGateway::Stage").values()
    (plan,) = with_api.of_type("AWS::ApiGateway::UsagePlan").values()

    assert all(not settings.get("DataTraceEnabled") for settings in stage["MethodSettings"])
    assert "body" not in stage["AccessLogSetting"]["Format"].lower()
    assert (plan["Throttle"], plan["Quota"]) == ({"BurstLimit": 10, "RateLimit": 5}, {"Limit": 2000, "Period": "DAY"})


def test_a_client_has_the_one_flow_of_programs(with_api: Template) -> None:
    client = with_api.only("AWS::Cognito::UserPoolClient")

    assert client["AllowedOAuthFlows"] == ["client_credentials"]
    assert client["GenerateSecret"] is True


def test_without_a_caller_there_is_no_api(control: Template) -> None:
    kinds = {resource["Type"] for resource in control.content["Resources"].values()}

    assert not [kind for kind in kinds if kind.startswith(("AWS::ApiGateway", "AWS::Cognito"))]


def test_a_private_api_is_reached_through_its_endpoints_alone(tmp_path: Path) -> None:
    endpoint = "vpce-0123456789abcdef0"
    folder = synthesise(tmp_path / "out", accessConfiguration=str(EXAMPLE), apiVpcEndpoints=endpoint)

    (api,) = template_of(folder, "DbrestoreControl").of_type("AWS::ApiGateway::RestApi").values()

    assert api["EndpointConfiguration"]["Types"] == ["PRIVATE"]
    (denied,) = [one for one in api["Policy"]["Statement"] if one["Effect"] == "Deny"]
    assert denied["Condition"] == {"StringNotEquals": {"aws:SourceVpce": [endpoint]}}
