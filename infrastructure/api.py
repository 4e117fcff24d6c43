"""The HTTP API: a REST API of API Gateway with one function behind all routes.

A method of API Gateway has one authorizer, so each way of proving who calls has its own root: the stage itself for API keys, `/oauth` for
access tokens of a Cognito user pool, `/iam` for AWS signatures. Only the roots that some caller needs are made, `/hooks` only with a hook;
without either nothing.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from aws_cdk import Aws, CfnOutput, Duration, RemovalPolicy, Stack
from aws_cdk import aws_apigateway as gateway
from aws_cdk import aws_cognito as cognito
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_wafv2 as waf
from constructs import Construct

from dbrestore.contract.api.problem import MEDIA_TYPE, TYPE
from dbrestore.contract.api.routes import IAM, OAUTH, ROUTES, Route
from infrastructure import hooks, names
from infrastructure.acknowledged import acknowledge
from infrastructure.settings import Settings
from lambdas.configuration import access as access_configuration
from lambdas.configuration.access import AccessConfiguration, Caller

STAGE: Final = "live"
# Calls to all routes together, for callers whose key has no plan of its own.
STAGE_RATE, STAGE_BURST = 50, 100
SCOPES: Final = {"read": "See restores and restore points", "start": "Start and stop", "approve": "Decide about what waits for approval"}
# API Gateway's own answers, all of its kinds: a caller meets one dialect. Kind -> status, type, title, detail.
PROBLEMS: Final[Mapping[str, tuple[int, str, str, str]]] = {
    "DEFAULT_4XX": (400, "CallRefused", "The call is refused", "API Gateway refuses the call before dbrestore sees it"),
    "DEFAULT_5XX": (500, "InternalError", "A fault of the API", "Something between API Gateway and dbrestore failed: send the call again"),
    "RESOURCE_NOT_FOUND": (404, "RouteNotFound", "There is no such route", "GET /v1/openapi.json lists the routes that there are"),
    "UNAUTHORIZED": (401, "NotAuthenticated", "Who calls is not proven", "Send a valid access token: Authorization: Bearer <token>"),
    "INVALID_API_KEY": (403, "ApiKeyInvalid", "The API key is not valid", "Send a key of this API in the header x-api-key"),
    "ACCESS_DENIED": (
        403,
        "NotPermitted",
        "The caller may not do this",
        "The token's scopes, or the caller's IAM policy, don't allow this",
    ),
    "AUTHORIZER_FAILURE": (500, "InternalError", "A fault of the API", "It could not be found out who calls: send the call again"),
    "AUTHORIZER_CONFIGURATION_ERROR": (500, "InternalError", "A fault of the API", "It can't be found out who calls: tell the operator"),
    # Also what API Gateway says of an access token where there is no route.
    "INVALID_SIGNATURE": (
        403,
        "SignatureInvalid",
        "The signature is wrong, or there is no such route",
        "Sign the request as it is sent, for service execute-api; GET /v1/openapi.json lists the routes that there are",
    ),
    "EXPIRED_TOKEN": (403, "CredentialsExpired", "The credentials have expired", "Get new credentials and sign the request again"),
    "MISSING_AUTHENTICATION_TOKEN": (
        404,
        "RouteNotFound",
        "There is no such route",
        "GET /v1/openapi.json lists the routes that there are",
    ),
    "INTEGRATION_FAILURE": (502, "InternalError", "A fault of the API", "dbrestore gave no answer that API Gateway could read"),
    "INTEGRATION_TIMEOUT": (504, "TimedOut", "No answer in time", "Send the same call again with the same Idempotency-Key"),
    "API_CONFIGURATION_ERROR": (500, "InternalError", "A fault of the API", "The API is not deployed as it should be: tell the operator"),
    "UNSUPPORTED_MEDIA_TYPE": (415, "MediaTypeUnsupported", "The body must be JSON", "Send JSON with Content-Type: application/json"),
    "BAD_REQUEST_PARAMETERS": (400, "ParameterInvalid", "A parameter is wrong", "GET /v1/openapi.json says which there are"),
    "BAD_REQUEST_BODY": (400, "BodyMalformed", "The body can't be read", "Send a JSON object"),
    "REQUEST_TOO_LARGE": (413, "BodyTooLarge", "The body is too large", "A request has 16 KiB at most"),
    "THROTTLED": (429, "TooManyCalls", "Too many calls", "Wait a few seconds, then send the same call again"),
    "QUOTA_EXCEEDED": (429, "QuotaUsedUp", "The day's calls are used up", "The caller's quota begins anew tomorrow"),
    "WAF_FILTERED": (403, "Filtered", "The call was filtered", "A firewall of the operator's refuses the call"),
}
RETRY_AFTER: Final = {"THROTTLED": "5", "DEFAULT_5XX": "5", "AUTHORIZER_FAILURE": "5", "INTEGRATION_TIMEOUT": "5"}
# What an access log knows of a call; neither bodies nor keys.
ACCESS_LOG: Final = {
    "requestId": "$context.requestId",
    "time": "$context.requestTime",
    "method": "$context.httpMethod",
    "route": "$context.resourcePath",
    "status": "$context.status",
    "keyId": "$context.identity.apiKeyId",
    "client": "$context.authorizer.claims.client_id",
    "principal": "$context.identity.userArn",
    "address": "$context.identity.sourceIp",
    "milliseconds": "$context.responseLatency",
    "errorType": "$context.error.responseType",
}
OF_METHODS = {
    "APIG4": "who calls is proven by an API key, a token or a signature, and the access configuration says what each may",
    "COG4": "who calls is proven by an API key or a signature at the other roots",
    "CKV_AWS_59": "an API key is required at the root without an authorizer",
}
OF_API = {
    "APIG2": "the function reads every body with the product's own model, and says all that is wrong with it",
    "CKV_AWS_237": "an API that is made anew has another address in any case",
}
OF_STAGE = {
    "APIG1": "the context's `apiAccessLog` switches it off where the account has no role for it",
    "APIG3": "the context's `apiWebAcl` puts a firewall before it",
    "APIG6": "the function's log and the access log tell of every call, and no log gets bodies",
    "CKV_AWS_73": "traces cost money: the context's `tracing` switches them on",
    "CKV_AWS_120": "an answer is of this moment, and of one caller",
    "CKV2_AWS_4": "the function's log and the access log tell of every call",
    "CKV2_AWS_29": "the context's `apiWebAcl` puts a firewall before it",
    "CKV2_AWS_51": "callers are proven by keys, tokens or signatures",
}
OF_POOL = {
    "COG1": "nobody has a password in it",
    "COG2": "nobody signs in: it knows programs alone",
    "COG3": "nobody signs in: it knows programs alone",
    "COG8": "nobody signs in: it knows programs alone",
}
Options = Callable[[Route], dict[str, Any]]


def http_api(scope: Construct, settings: Settings) -> "HttpApi | None":
    """The API that the access configuration asks for; None if it has neither callers nor hooks."""
    access = access_configuration.read(settings.access_configuration)
    return HttpApi(scope, settings, access) if access.callers or access.hooks else None


class HttpApi:
    """The API of an installation. `environment`: what the function must know of it. `hook_secrets`: the ARNs of what it must read."""

    def __init__(self, scope: Construct, settings: Settings, access: AccessConfiguration) -> None:
        self._scope = scope
        self._settings = settings
        self.hook_secrets = access.hook_secrets
        self._callers = callers = access.callers
        self._keys = {caller.name: self._key(caller) for caller in callers if caller.by == "apiKey"}
        self._pool = self._user_pool() if any(caller.by == "oauth" for caller in callers) else None

    def environment(self) -> str:
        """The ids by which API Gateway knows the callers, as the function takes them."""
        known = {"keys": {name: key.key_id for name, key in self._keys.items()}, "clients": dict(self._clients())}
        return Stack.of(self._scope).to_json_string(known)

    def serve(self, function: lambda_.IFunction) -> gateway.RestApi:
        """Make the API of the routes, with this function behind them."""
        api = self._rest_api()
        # One permission for the API: one for each of the methods would be more than a function's policy holds (20 KiB).
        behind = gateway.LambdaIntegration(function, scope_permission_to_method=False)
        for door, options in self._doors(api):
            for route in ROUTES:
                resource = api.root.resource_for_path(door + route.path)
                method = resource.add_method(route.method, behind, **options(route))
                acknowledge(method, OF_METHODS)
        if self.hook_secrets:
            hooks.serve(api, behind)
        for kind, problem in PROBLEMS.items():
            _gateway_response(api, kind, *problem)
        for caller in self._callers:
            if caller.by == "apiKey":
                self._plan(api, caller)
        if self._settings.api_web_acl:
            arn = api.deployment_stage.stage_arn
            waf.CfnWebACLAssociation(self._scope, "ApiFirewall", resource_arn=arn, web_acl_arn=self._settings.api_web_acl)
        return api

    def url(self, api: gateway.RestApi) -> str:
        """The stage's address."""
        url = f"https://{api.rest_api_id}.execute-api.{Aws.REGION}.{Aws.URL_SUFFIX}/{STAGE}"
        CfnOutput(self._scope, "ApiUrl", value=url)
        return url

    def _doors(self, api: gateway.RestApi) -> Iterator[tuple[str, "Options"]]:
        """The roots that some caller needs, each with what its methods ask for."""
        ways = {caller.by for caller in self._callers}
        if "apiKey" in ways:
            yield "", lambda _: {"api_key_required": True, "authorization_type": gateway.AuthorizationType.NONE}
        if self._pool:
            authorizer = gateway.CognitoUserPoolsAuthorizer(self._scope, "ApiTokens", cognito_user_pools=[self._pool])
            yield OAUTH, lambda route: {"authorizer": authorizer, "authorization_scopes": [f"{names.PRODUCT}/{route.scope}"]}
        if "iam" in ways:
            yield IAM, lambda _: {"authorization_type": gateway.AuthorizationType.IAM}

    def _rest_api(self) -> gateway.RestApi:
        prefix, endpoints = self._settings.prefix, self._settings.api_vpc_endpoints
        api = gateway.RestApi(
            self._scope,
            "Api",
            rest_api_name=prefix,
            description="dbrestore: restores on request",
            endpoint_types=[gateway.EndpointType.PRIVATE if endpoints else gateway.EndpointType.REGIONAL],
            policy=_from_endpoints(endpoints) if endpoints else None,
            cloud_watch_role=False,
            deploy_options=gateway.StageOptions(
                stage_name=STAGE,
                throttling_rate_limit=STAGE_RATE,
                throttling_burst_limit=STAGE_BURST,
                data_trace_enabled=False,
                tracing_enabled=self._settings.tracing,
                method_options=hooks.limits() if self.hook_secrets else {},
                **self._access_log(),
            ),
        )
        acknowledge(api, OF_API)
        acknowledge(api.deployment_stage, OF_STAGE)
        return api

    def _access_log(self) -> dict[str, Any]:
        if not self._settings.api_access_log:
            return {}
        group = logs.LogGroup(
            self._scope,
            "ApiLogs",
            log_group_name=f"/aws/apigateway/{self._settings.prefix}",
            retention=logs.RetentionDays.THREE_MONTHS,
            removal_policy=RemovalPolicy.DESTROY,
        )
        acknowledge(group, {"CKV_AWS_158": "it tells who called which route; CloudWatch encrypts it with a key of its own"})
        return {
            "access_log_destination": gateway.LogGroupLogDestination(group),
            "access_log_format": gateway.AccessLogFormat.custom(json.dumps(ACCESS_LOG)),
        }

    def _key(self, caller: Caller) -> gateway.ApiKey:
        return gateway.ApiKey(
            self._scope,
            f"ApiKey-{caller.name}",
            api_key_name=f"{self._settings.prefix}-{caller.name}",
            description=f"dbrestore: {caller.name} calls with it",
        )

    def _plan(self, api: gateway.RestApi, caller: Caller) -> None:
        plan = gateway.UsagePlan(
            self._scope,
            f"ApiPlan-{caller.name}",
            name=f"{self._settings.prefix}-{caller.name}",
            description=f"dbrestore: how often {caller.name} may call",
            throttle=gateway.ThrottleSettings(
                rate_limit=caller.requests_per_second, burst_limit=max(1, int(2 * caller.requests_per_second))
            ),
            quota=gateway.QuotaSettings(limit=caller.requests_per_day, period=gateway.Period.DAY),
            api_stages=[gateway.UsagePlanPerApiStage(api=api, stage=api.deployment_stage)],
        )
        plan.add_api_key(self._keys[caller.name])

    def _user_pool(self) -> cognito.UserPool:
        """For programs alone: nobody has a password in it."""
        pool = cognito.UserPool(
            self._scope,
            "ApiCallers",
            user_pool_name=f"{self._settings.prefix}-api",
            self_sign_up_enabled=False,
            removal_policy=RemovalPolicy.DESTROY,
        )
        acknowledge(pool, OF_POOL)
        scopes = {name: cognito.ResourceServerScope(scope_name=name, scope_description=told) for name, told in SCOPES.items()}
        server = pool.add_resource_server("Scopes", identifier=names.PRODUCT, scopes=list(scopes.values()))
        pool.add_domain("Tokens", cognito_domain=cognito.CognitoDomainOptions(domain_prefix=f"{self._settings.prefix}-{Aws.ACCOUNT_ID}"))
        self._oauth_scopes = [cognito.OAuthScope.resource_server(server, scope) for scope in scopes.values()]
        return pool

    def _clients(self) -> Iterator[tuple[str, str]]:
        for caller in self._callers:
            if caller.by == "oauth" and self._pool:
                client = self._pool.add_client(
                    f"Client-{caller.name}",
                    user_pool_client_name=f"{self._settings.prefix}-{caller.name}",
                    generate_secret=True,
                    access_token_validity=Duration.minutes(60),
                    auth_flows=cognito.AuthFlow(),
                    # Cognito takes no other flow beside this one (Amazon Cognito Developer Guide, "Resource servers").
                    o_auth=cognito.OAuthSettings(flows=cognito.OAuthFlows(client_credentials=True), scopes=self._oauth_scopes),
                )
                yield caller.name, client.user_pool_client_id


def _from_endpoints(endpoints: Sequence[str]) -> iam.PolicyDocument:
    """Everybody, but only through these interface endpoints (API Gateway Developer Guide, "Resource policy examples")."""
    who, what = [iam.AnyPrincipal()], {"actions": ["execute-api:Invoke"], "resources": ["execute-api:/*"]}
    elsewhere = {"StringNotEquals": {"aws:SourceVpce": list(endpoints)}}
    through = iam.PolicyStatement(principals=[*who], actions=what["actions"], resources=what["resources"])
    past = iam.PolicyStatement(
        effect=iam.Effect.DENY, principals=[*who], actions=what["actions"], resources=what["resources"], conditions=elsewhere
    )
    return iam.PolicyDocument(statements=[through, past])


def _gateway_response(api: gateway.RestApi, kind: str, status: int, name: str, title: str, detail: str) -> None:
    instance = "urn:dbrestore:call:$context.requestId"
    problem = {"type": TYPE + name, "title": title, "status": status, "detail": detail, "instance": instance, "errors": []}
    headers = {"Content-Type": f"'{MEDIA_TYPE}'", "Cache-Control": "'no-store'"}
    if kind in RETRY_AFTER:
        headers["Retry-After"] = f"'{RETRY_AFTER[kind]}'"
    if kind == "UNAUTHORIZED":
        headers["WWW-Authenticate"] = "'Bearer'"
    api.add_gateway_response(
        f"Problem-{kind}",
        type=gateway.ResponseType.of(kind),
        status_code=str(status),
        response_headers=headers,
        templates={"application/json": json.dumps(problem)},
    )
