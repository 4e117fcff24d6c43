"""One request on its way through a stage, with what is learnt of it: `$context`, and the `requestContext` that functions get."""

import base64
import random
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from localcloud.gateway.deployments import Route, Stage
from localcloud.gateway.requests import Request

_NOBODY = (
    "cognitoIdentityPoolId",
    "cognitoIdentityId",
    "principalOrgId",
    "cognitoAuthenticationType",
    "cognitoAuthenticationProvider",
    "accountId",
    "caller",
    "user",
    "userArn",
    "accessKey",
)


def _extended_id() -> str:
    # As long as AWS's, and as meaningless.
    return base64.b64encode(random.randbytes(11)).decode()


@dataclass
class Visit:
    """`identity` and `authorizer` are filled by whoever finds out who calls; `error` by a refusal."""

    request: Request
    stage: Stage
    route: Route | None = None
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    extended_id: str = field(default_factory=_extended_id)
    began: float = field(default_factory=time.time)
    identity: dict[str, Any] = field(default_factory=dict)
    authorizer: dict[str, Any] = field(default_factory=dict)
    error: dict[str, str | None] = field(default_factory=dict)
    outcome: dict[str, str] = field(default_factory=dict)

    @property
    def method_arn(self) -> str:
        """What IAM and the API's policy judge."""
        return f"{self.stage.arn}/{self.request.method}/{self.request.path_below_stage.strip('/')}"

    @property
    def source_arn(self) -> str:
        """What a function's policy judges: the method that was deployed, not the path that was asked for."""
        assert self.route is not None  # noqa: S101 - only a routed request reaches a function
        segments = ["*" if one.startswith("{") else one for one in self.route.resource_path.strip("/").split("/")]
        return f"{self.stage.arn}/{self.request.method}/{'/'.join(segments)}"

    def request_context(self) -> dict[str, Any]:
        """As a function gets it (API Gateway developer guide, "Input format of a Lambda function for proxy integration")."""
        api, host = self.stage.api, self.request.header("Host") or ""
        context = {
            "resourceId": self.route.resource_id if self.route else None,
            "resourcePath": self.route.resource_path if self.route else None,
            "httpMethod": self.request.method,
            "extendedRequestId": self.extended_id,
            "requestTime": datetime.fromtimestamp(self.began, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000"),
            "path": self.request.path,
            "accountId": api.place.account,
            "protocol": self.request.protocol,
            "stage": self.stage.name,
            "domainPrefix": host.partition(".")[0],
            "requestTimeEpoch": int(self.began * 1000),
            "requestId": self.request_id,
            "identity": self._identity(),
            "domainName": host,
            "apiId": api.id,
        }
        return {**context, "authorizer": self.authorizer} if self.authorizer else context

    def _identity(self) -> dict[str, Any]:
        nobody = dict.fromkeys(_NOBODY)
        return {**nobody, "sourceIp": self.request.source_ip, "userAgent": self.request.header("User-Agent"), **self.identity}

    def look(self, name: str) -> str | None:
        """The text of `context.requestId`, `stageVariables.name`, `method.request.header.Name`; None for what isn't there."""
        kind, _, rest = name.partition(".")
        if kind == "stageVariables":
            return self.stage.variables.get(rest)
        if kind == "method":
            return self._of_request(rest.removeprefix("request."))
        if kind != "context":
            return None
        told: Any = {**self.request_context(), **self.outcome, "error": self.error}
        for part in rest.split("."):
            told = told.get(part) if isinstance(told, dict) else None
        return None if told is None or isinstance(told, dict) else str(told)

    def _of_request(self, name: str) -> str | None:
        kind, _, rest = name.partition(".")
        if kind == "header":
            return self.request.header(rest)
        if kind == "path":
            return self.route.parameters.get(rest) if self.route else None
        return dict(self.request.query_pairs).get(rest)
