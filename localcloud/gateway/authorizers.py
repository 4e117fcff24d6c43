"""Who calls: what the method's authorization type asks for."""

from localcloud.gateway import permissions, signatures, user_pools
from localcloud.gateway.refusals import Refusal
from localcloud.gateway.visits import Visit


def authorize(visit: Visit) -> None:
    """Let the request through, with what is known of the caller in its identity. Raises Refusal."""
    assert visit.route is not None  # noqa: S101 - only a routed request has a method
    kind = visit.route.method.get("authorizationType") or "NONE"
    if kind == "AWS_IAM":
        _signed(visit)
        return
    permissions.require_anonymous(visit)
    if kind == "COGNITO_USER_POOLS":
        _with_token(visit)
    elif kind != "NONE":
        raise Refusal("AUTHORIZER_CONFIGURATION_ERROR")


def _signed(visit: Visit) -> None:
    caller = signatures.caller(visit)
    visit.identity |= {
        "accessKey": caller.access_key,
        "accountId": caller.account,
        "caller": caller.user_id,
        "user": caller.user_id,
        "userArn": caller.arn,
    }
    permissions.require(visit, caller)


def _with_token(visit: Visit) -> None:
    assert visit.route is not None  # noqa: S101 - only a routed request has a method
    authorizer = visit.stage.api.authorizers.get(visit.route.method.get("authorizerId") or "")
    if authorizer is None:
        raise Refusal("AUTHORIZER_CONFIGURATION_ERROR")
    given = visit.look(authorizer.get("identitySource") or "method.request.header.Authorization")
    claims = user_pools.claims(given, authorizer.get("providerARNs") or [], visit.route.method.get("authorizationScopes") or [])
    visit.authorizer["claims"] = claims
