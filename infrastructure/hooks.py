"""The open door of the API: hooks, whose senders can neither hold a key of API Gateway nor sign for AWS."""

from typing import Final

from aws_cdk import aws_apigateway as gateway

from dbrestore.contract.api.routes import HOOK
from infrastructure.acknowledged import acknowledge

# Anybody can send to them: the other routes must not have to share their calls with a flood.
RATE, BURST = 10, 50
WHY_OPEN: Final = "the function checks the sender's signature: API Gateway shows no authorizer a body"


def limits() -> dict[str, gateway.MethodDeploymentOptions]:
    """How often hooks may be called, all of them together."""
    options = gateway.MethodDeploymentOptions(throttling_rate_limit=RATE, throttling_burst_limit=BURST, data_trace_enabled=False)
    return {f"{HOOK}/POST": options}


def serve(api: gateway.RestApi, behind: gateway.LambdaIntegration) -> None:
    """Make the one method of all hooks."""
    method = api.root.resource_for_path(HOOK).add_method("POST", behind, authorization_type=gateway.AuthorizationType.NONE)
    acknowledge(method, {id_: WHY_OPEN for id_ in ("APIG4", "COG4", "CKV_AWS_59")})
