"""GetSecretValue as IAM judges it: a role reads the secrets that its policies name, by ARN or by the secret's tags.

| moto 5.2.5 | fixed to |
|---|---|
| whoever has keys of the account reads every secret | `AccessDeniedException` for a role whose policies don't allow it |

An account's own keys are its administrator's. Policies of secrets and keys are not judged.
"""

from collections.abc import Callable
from typing import Any

from moto.core.exceptions import JsonRESTError
from moto.secretsmanager.responses import SecretsManagerResponse

from localcloud.base.corrections import fix
from localcloud.iam import access_policies, roles
from localcloud.iam.access_policies import Question

_is_judging = False


def install() -> None:
    """Judge every GetSecretValue until `shutdown`."""
    global _is_judging
    _is_judging = True
    fix(SecretsManagerResponse, "get_secret_value", _get_secret_value)


def shutdown() -> None:
    """moto alone lets everybody in, and tests of its own sort count on that."""
    global _is_judging
    _is_judging = False


def _get_secret_value(original: Callable[..., Any], response: Any) -> Any:
    caller = roles.session_of(response.get_access_key()) if _is_judging else None
    if caller:
        _require_allowed(response, caller)
    return original(response)


def _require_allowed(response: Any, caller: Any) -> None:
    named = response._get_param("SecretId")
    secret = response.backend.secrets.get(named) if response.backend.secrets else None
    arn = secret.arn if secret else named
    tags = {f"aws:resourcetag/{tag['Key'].lower()}": tag["Value"] for tag in (secret.tags if secret else None) or []}
    role = roles.find(caller.role_arn)
    question = Question(caller.role_arn, "secretsmanager:GetSecretValue", arn, tags)
    if role and access_policies.may(question, roles.permissions(role), [], owner=caller.role_arn.split(":")[4]):
        return
    # The code is in the API reference, the wording is assumed.
    raise JsonRESTError(
        "AccessDeniedException",
        f"User: {caller.arn} is not authorized to perform: secretsmanager:GetSecretValue on resource: {named} because no identity-based "
        "policy allows the secretsmanager:GetSecretValue action",
    )
