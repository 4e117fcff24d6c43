"""What bounds a role besides its own policies: its permissions boundary, and the service control policies of the organization.

| moto 5.2.5 | fixed to |
|---|---|
| a role's permissions boundary is kept and means nothing | what it denies or doesn't allow is refused |
| an account has no service control policies | those that `control` gives it: the same, for every role of the account |

The words are AWS's (IAM User Guide, "Troubleshoot access denied error messages"). A call is judged by its action, by its resource as far as
the request tells it, and by the Region; other condition keys are not there. Keys of an account's owner may do everything.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from moto.core import errors
from moto.core.authorization import ActionAuthenticatorMixin
from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult, BaseResponse
from moto.iam.models import iam_backends
from moto.s3.exceptions import S3ClientError

from localcloud.base import callers
from localcloud.base.corrections import fix
from localcloud.iam import access_policies, roles
from localcloud.iam.access_policies import Question, Statement

CONTROL = "service control policy"
BOUNDARY = "permissions boundary"
# The code of a refusal, by the service that signs; others say `AccessDeniedException`.
_CODES = {"ec2": "UnauthorizedOperation", **dict.fromkeys(("iam", "monitoring", "rds", "s3", "sts"), "AccessDenied")}
_PREFIXES = {"monitoring": "cloudwatch"}
# IAM's name where moto has the API's.
_ACTIONS = {"s3:HeadBucket": "s3:ListBucket"}


class _Refusal(ServiceException):  # type: ignore[misc] # moto is untyped
    """Of no service: moto looks an error up in the models of the service whose package it is from."""


def install() -> None:
    """Fix what moto does before it answers."""
    # Every service says them, and no service's model has them.
    errors.COMMON_ERROR_CODES += [code for code in ("AccessDenied", "AccessDeniedException") if code not in errors.COMMON_ERROR_CODES]
    fix(BaseResponse, "call_action", _call_action)
    fix(ActionAuthenticatorMixin, "_authenticate_and_authorize_s3_action", _authorize_s3)


def control(account: str, *documents: Mapping[str, Any]) -> None:
    """From now on these are the account's service control policies, and no others; none let everything through."""
    # On the backend, so that a reset of moto forgets them too.
    vars(iam_backends[account]["aws"])["dbrestore_control_policies"] = documents


def _call_action(original: Callable[..., Any], response: Any) -> Any:
    if refused := _refusal(response):
        code, words = refused
        return response.serialized(ActionResult(_Refusal(code, words)))
    return original(response)


def _authorize_s3(original: Callable[..., Any], response: Any, bucket_name: str | None = None, key_name: str | None = None) -> Any:
    about = f"{bucket_name or '*'}/{key_name}" if key_name else bucket_name or "*"
    if refused := _refusal(response, f"arn:aws:s3:::{about}"):
        raise S3ClientError(*refused)
    return original(response, bucket_name, key_name)


def _refusal(response: Any, resource: str = "*") -> tuple[str, str] | None:
    """Code and words, or None if nothing forbids the call."""
    session = roles.session_of(response.get_access_key())
    if session is None:
        return None
    bounds = list(_bounds(session.role_arn))
    call = callers.call_of(response, resource) if bounds else None
    if call is None:
        return None
    service, _, operation = call.action.partition(":")
    action = _ACTIONS.get(call.action, f"{_PREFIXES.get(service, service)}:{operation}")
    question = Question(session.role_arn, action, call.resource, {"aws:requestedregion": response.region})
    why = next(filter(None, (_why(kind, statements, question) for kind, statements in bounds)), None)
    if why is None:
        return None
    words = f"User: {session.arn} is not authorized to perform: {action} on resource: {call.resource} {why}"
    # What EC2 encodes besides, nobody reads here.
    told = f"You are not authorized to perform this operation. {words}" if service == "ec2" else words
    return _CODES.get(service, "AccessDeniedException"), told


def _bounds(role_arn: str) -> Iterator[tuple[str, list[Statement]]]:
    """Kind and statements of whatever bounds the role."""
    backend = iam_backends[role_arn.split(":")[4]]["aws"]
    if documents := vars(backend).get("dbrestore_control_policies"):
        yield CONTROL, access_policies.statements(*documents)
    role = roles.find(role_arn)
    if role and role.permissions_boundary_arn:
        versions = backend.managed_policies[role.permissions_boundary_arn].versions
        yield BOUNDARY, access_policies.statements(*(version.document for version in versions if version.is_default))


def _why(kind: str, statements: list[Statement], question: Question) -> str | None:
    """The end of the sentence, or None if these let it through."""
    concerned = [one for one in statements if access_policies.concerns(one, question)]
    if any(one["Effect"] == "Deny" for one in concerned):
        return f"with an explicit deny in a {kind}"
    return None if concerned else f"because no {kind} allows the {question.action} action"
