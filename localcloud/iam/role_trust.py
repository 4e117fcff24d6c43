"""AssumeRole as IAM judges it: who is trusted under which conditions, and for how long.

| moto 5.2.5 | fixed to |
|---|---|
| a role that does not exist is assumed | `AccessDenied`, the same as for one that does not trust the caller |
| trust policies are not looked at | principal, ExternalId and `aws:PrincipalArn` are judged, and the caller's own policies |
| any DurationSeconds | at most the role's maximum, and an hour when a role assumes a role: `ValidationError` |

An account's own keys are its administrator's. Sessions that AWS's services open for themselves are no calls: `localcloud.iam.roles`.
"""

from collections.abc import Callable
from typing import Any

from moto.core.exceptions import AccessDeniedError
from moto.sts.exceptions import STSValidationError
from moto.sts.responses import TokenResponse

from localcloud.base.corrections import fix
from localcloud.iam import access_policies, roles
from localcloud.iam.access_policies import Question, Statement, statements

CHAINED_SECONDS = 3600
EVERYTHING: list[Statement] = [{"Effect": "Allow", "Action": "*", "Resource": "*"}]

_is_judging = False


def install() -> None:
    """Judge every AssumeRole until `shutdown`."""
    global _is_judging
    _is_judging = True
    fix(TokenResponse, "assume_role", _assume_role)


def shutdown() -> None:
    """moto alone lets everybody in, and tests of its own sort count on that."""
    global _is_judging
    _is_judging = False


def _assume_role(original: Callable[..., Any], response: Any) -> Any:
    if _is_judging:
        caller = roles.session_of(response.get_access_key())
        role = _trusting(response, caller)
        _require_duration(response._get_int_param("DurationSeconds", CHAINED_SECONDS), role, is_chained=caller is not None)
    return original(response)


def _trusting(response: Any, caller: Any) -> Any:
    """The role, if the caller may assume it."""
    arn = response._get_param("RoleArn")
    role = roles.find(arn)
    principal = caller.role_arn if caller else f"arn:aws:iam::{response.current_account}:root"
    context = {"aws:principalarn": principal, "aws:principalaccount": principal.split(":")[4], "aws:resourceaccount": arn.split(":")[4]}
    if external_id := response._get_param("ExternalId"):
        context["sts:externalid"] = external_id
    question = Question(principal, "sts:AssumeRole", arn, context)
    trust = statements(role.assume_role_policy_document) if role else []
    if not access_policies.may_become(question, _permissions(caller), trust):
        who = caller.arn if caller else principal
        raise AccessDeniedError(who, f"sts:AssumeRole on resource: {arn}")
    return role


def _permissions(caller: Any) -> list[Statement]:
    if caller is None:
        return EVERYTHING
    role = roles.find(caller.role_arn)
    return roles.permissions(role) if role else []


def _require_duration(seconds: int, role: Any, *, is_chained: bool) -> None:
    # The code of both is in the STS API reference, the wording is assumed.
    if is_chained and seconds > CHAINED_SECONDS:
        raise STSValidationError("The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining")
    if seconds > int(role.max_session_duration or CHAINED_SECONDS):
        raise STSValidationError("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
