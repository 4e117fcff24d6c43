"""The resource types of API Gateway in a template, made by the calls that a person would make.

| moto 5.2.5 | fixed to |
|---|---|
| RestApi, Resource, Method and Deployment know a few of their properties | all that is served |
| no stages, keys, usage plans, authorizers, gateway responses, validators, models, account | there |

Refused, because the local gateway would serve them wrongly: an API's Body (OpenAPI), integrations other than AWS_PROXY, Lambda
authorizers.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from moto.apigateway.models import apigateway_backends

from localcloud.base.clients import Clients, Place
from localcloud.server import LocalCloudError

Properties = Mapping[str, Any]
Made = dict[str, str]

_clients: Clients | None = None

# Property of a stage's MethodSettings: where UpdateStage's patch has it (API Gateway API reference, "patch operations").
_SETTINGS: Final = {
    "LoggingLevel": "logging/loglevel",
    "DataTraceEnabled": "logging/dataTrace",
    "MetricsEnabled": "metrics/enabled",
    "ThrottlingRateLimit": "throttling/rateLimit",
    "ThrottlingBurstLimit": "throttling/burstLimit",
}


def install(clients: Clients) -> None:
    """Make what templates ask for with `clients`."""
    global _clients
    _clients = clients


def _gateway(place: Place) -> Any:
    assert _clients is not None  # noqa: S101 - install() sets it before any stack exists
    return _clients.client("apigateway", place=place)


def _given(properties: Properties, **names: str) -> dict[str, Any]:
    """The parameters of a call whose properties the template has: parameter=property."""
    return {parameter: properties[name] for parameter, name in names.items() if name in properties}


def _rest_api(properties: Properties, name: str, place: Place) -> Made:
    if "Body" in properties or "BodyS3Location" in properties:
        raise LocalCloudError("The local API Gateway takes an API's resources and methods one by one, not its Body.")
    call = _given(properties, description="Description", apiKeySource="ApiKeySourceType", tags="Tags")
    if "Policy" in properties:
        call["policy"] = json.dumps(properties["Policy"])
    if "EndpointConfiguration" in properties:
        call["endpointConfiguration"] = _given(properties["EndpointConfiguration"], types="Types", vpcEndpointIds="VpcEndpointIds")
    made = _gateway(place).create_rest_api(name=properties.get("Name", name), **call)
    # CreateRestApi of moto leaves them out.
    api = apigateway_backends[place.account][place.region].apis[made["id"]]
    api.binaryMediaTypes = list(properties.get("BinaryMediaTypes", []))
    return {"Ref": made["id"], "RestApiId": made["id"], "RootResourceId": api.root_resource_id}


def _resource(properties: Properties, name: str, place: Place) -> Made:
    call = _given(properties, restApiId="RestApiId", parentId="ParentId", pathPart="PathPart")
    made = _gateway(place).create_resource(**call)
    return {"Ref": made["id"], "ResourceId": made["id"]}


def _method(properties: Properties, name: str, place: Place) -> Made:
    where = _given(properties, restApiId="RestApiId", resourceId="ResourceId", httpMethod="HttpMethod")
    optional = _given(
        properties,
        apiKeyRequired="ApiKeyRequired",
        authorizerId="AuthorizerId",
        authorizationScopes="AuthorizationScopes",
        operationName="OperationName",
        requestParameters="RequestParameters",
        requestModels="RequestModels",
        requestValidatorId="RequestValidatorId",
    )
    _gateway(place).put_method(authorizationType=properties.get("AuthorizationType", "NONE"), **where, **optional)
    if "Integration" in properties:
        _put_integration(where, properties["Integration"], place)
    return {}


def _put_integration(where: Properties, integration: Properties, place: Place) -> None:
    if integration["Type"] != "AWS_PROXY":
        raise LocalCloudError(f"The local API Gateway serves integrations of type AWS_PROXY, not {integration['Type']}.")
    optional = _given(
        integration,
        integrationHttpMethod="IntegrationHttpMethod",
        uri="Uri",
        credentials="Credentials",
        timeoutInMillis="TimeoutInMillis",
    )
    _gateway(place).put_integration(type=integration["Type"], **where, **optional)


def _deployment(properties: Properties, name: str, place: Place) -> Made:
    call = _given(properties, restApiId="RestApiId", description="Description", stageName="StageName")
    made = _gateway(place).create_deployment(**call)
    return {"Ref": made["id"], "DeploymentId": made["id"]}


def _stage(properties: Properties, name: str, place: Place) -> Made:
    where = _given(properties, restApiId="RestApiId", stageName="StageName")
    call = _given(
        properties, deploymentId="DeploymentId", variables="Variables", description="Description", tracingEnabled="TracingEnabled"
    )
    _gateway(place).create_stage(**where, **call)
    patches = [*_log_patches(properties.get("AccessLogSetting", {})), *_setting_patches(properties.get("MethodSettings", []))]
    if patches:
        _gateway(place).update_stage(**where, patchOperations=patches)
    return {"Ref": properties["StageName"]}


def _log_patches(setting: Properties) -> list[dict[str, str]]:
    fields = {"DestinationArn": "destinationArn", "Format": "format"}
    return [_patch(f"/accessLogSettings/{fields[name]}", value) for name, value in setting.items()]


def _setting_patches(settings: list[Properties]) -> list[dict[str, str]]:
    return [
        _patch(f"/{setting['ResourcePath'].removeprefix('/')}/{setting['HttpMethod']}/{path}", setting[name])
        for setting in settings
        for name, path in _SETTINGS.items()
        if name in setting
    ]


def _patch(path: str, value: Any) -> dict[str, str]:
    return {"op": "replace", "path": path, "value": str(value).lower() if isinstance(value, bool) else str(value)}


def _api_key(properties: Properties, name: str, place: Place) -> Made:
    optional = _given(
        properties, value="Value", description="Description", customerId="CustomerId", generateDistinctId="GenerateDistinctId"
    )
    made = _gateway(place).create_api_key(name=properties.get("Name", name), enabled=properties.get("Enabled", False), **optional)
    return {"Ref": made["id"], "APIKeyId": made["id"]}


def _usage_plan(properties: Properties, name: str, place: Place) -> Made:
    call = _given(properties, description="Description")
    stages = [
        {
            "apiId": stage["ApiId"],
            "stage": stage["Stage"],
            "throttle": {key: _limits(one) for key, one in stage.get("Throttle", {}).items()},
        }
        for stage in properties.get("ApiStages", [])
    ]
    if "Throttle" in properties:
        call["throttle"] = _limits(properties["Throttle"])
    if "Quota" in properties:
        call["quota"] = _given(properties["Quota"], limit="Limit", offset="Offset", period="Period")
    made = _gateway(place).create_usage_plan(name=properties.get("UsagePlanName", name), apiStages=stages, **call)
    return {"Ref": made["id"], "Id": made["id"]}


def _limits(throttle: Properties) -> dict[str, Any]:
    return _given(throttle, rateLimit="RateLimit", burstLimit="BurstLimit")


def _usage_plan_key(properties: Properties, name: str, place: Place) -> Made:
    call = _given(properties, usagePlanId="UsagePlanId", keyId="KeyId", keyType="KeyType")
    _gateway(place).create_usage_plan_key(**call)
    return {"Ref": f"{properties['KeyId']}:{properties['UsagePlanId']}"}


def _authorizer(properties: Properties, name: str, place: Place) -> Made:
    if properties["Type"] != "COGNITO_USER_POOLS":
        raise LocalCloudError(f"The local API Gateway has authorizers of type COGNITO_USER_POOLS, not {properties['Type']}.")
    call = _given(
        properties,
        restApiId="RestApiId",
        type="Type",
        providerARNs="ProviderARNs",
        authType="AuthType",
        authorizerUri="AuthorizerUri",
        authorizerCredentials="AuthorizerCredentials",
        identitySource="IdentitySource",
        identityValidationExpression="IdentityValidationExpression",
        authorizerResultTtlInSeconds="AuthorizerResultTtlInSeconds",
    )
    made = _gateway(place).create_authorizer(name=properties.get("Name", name), **call)
    return {"Ref": made["id"], "AuthorizerId": made["id"]}


def _gateway_response(properties: Properties, name: str, place: Place) -> Made:
    call = _given(
        properties,
        restApiId="RestApiId",
        responseType="ResponseType",
        statusCode="StatusCode",
        responseParameters="ResponseParameters",
        responseTemplates="ResponseTemplates",
    )
    _gateway(place).put_gateway_response(**call)
    return {"Id": name}


def _request_validator(properties: Properties, name: str, place: Place) -> Made:
    call = _given(
        properties,
        restApiId="RestApiId",
        validateRequestBody="ValidateRequestBody",
        validateRequestParameters="ValidateRequestParameters",
    )
    made = _gateway(place).create_request_validator(name=properties.get("Name", name), **call)
    return {"Ref": made["id"], "RequestValidatorId": made["id"]}


def _model(properties: Properties, name: str, place: Place) -> Made:
    called = properties.get("Name", name)
    schema = properties.get("Schema", {})
    _gateway(place).create_model(
        restApiId=properties["RestApiId"],
        name=called,
        contentType=properties.get("ContentType", "application/json"),
        schema=schema if isinstance(schema, str) else json.dumps(schema),
    )
    return {"Ref": called}


def _account(properties: Properties, name: str, place: Place) -> Made:
    role = properties.get("CloudWatchRoleArn")
    if role:
        _gateway(place).update_account(patchOperations=[_patch("/cloudwatchRoleArn", role)])
    return {"Id": name}


Make = Callable[[dict[str, Any], str, Place], Made]
# Resource type: the property that names it, and what makes it.
ADDED: Final[dict[str, tuple[str, Make]]] = {
    "AWS::ApiGateway::Account": ("", _account),
    "AWS::ApiGateway::ApiKey": ("", _api_key),
    "AWS::ApiGateway::Authorizer": ("", _authorizer),
    "AWS::ApiGateway::Deployment": ("", _deployment),
    "AWS::ApiGateway::GatewayResponse": ("", _gateway_response),
    "AWS::ApiGateway::Method": ("", _method),
    "AWS::ApiGateway::Model": ("", _model),
    "AWS::ApiGateway::RequestValidator": ("", _request_validator),
    "AWS::ApiGateway::Resource": ("", _resource),
    "AWS::ApiGateway::RestApi": ("", _rest_api),
    "AWS::ApiGateway::Stage": ("", _stage),
    "AWS::ApiGateway::UsagePlan": ("", _usage_plan),
    "AWS::ApiGateway::UsagePlanKey": ("", _usage_plan_key),
}
# What isn't part of an API, and the API itself; the rest goes with it.
REMOVED: Final[dict[str, Callable[[str, Place], None]]] = {
    "AWS::ApiGateway::ApiKey": lambda key, place: _gateway(place).delete_api_key(apiKey=key),
    "AWS::ApiGateway::RestApi": lambda api, place: _gateway(place).delete_rest_api(restApiId=api),
    "AWS::ApiGateway::UsagePlan": lambda plan, place: _gateway(place).delete_usage_plan(usagePlanId=plan),
}
