"""Who may call the API: its resource policy, and the policies of IAM's users and roles.

Source: API Gateway developer guide, "How API Gateway resource policies affect authorization workflow". The texts are as seen in answers
that people have published.
"""

import json
from dataclasses import dataclass
from typing import Any, Final

from localcloud.gateway.refusals import Refusal
from localcloud.gateway.visits import Visit
from localcloud.iam import access_policies
from localcloud.iam.access_policies import Question, Statement

_INVOKE: Final = "execute-api:Invoke"


@dataclass(frozen=True)
class Caller:
    """Whom the signature is of: `principal` is what policies name, `arn` what answers show; the owner's keys may everything."""

    principal: str
    arn: str
    user_id: str
    access_key: str
    policies: tuple[list[Statement], ...] = ()
    is_owner: bool = False

    @property
    def account(self) -> str:
        return self.arn.split(":")[4]


def require_anonymous(visit: Visit) -> None:
    """Whoever calls without a signature: an API with a policy must let them in. Raises Refusal."""
    policy = _policy(visit)
    if policy is None:
        return
    question = _question(visit, "anonymous")
    named = [one for one in policy if access_policies.concerns(one, question) and access_policies.names(one, "anonymous")]
    if not named or any(one["Effect"] == "Deny" for one in named):
        raise _denied(visit, "anonymous", is_explicit=bool(named))


def require(visit: Visit, caller: Caller) -> None:
    """Whoever signed: within the account either policy suffices, from another account both must let them. Raises Refusal."""
    question = _question(visit, caller.principal)
    of_api, account = _policy(visit) or [], visit.stage.api.place.account
    concerned = [one for policy in (*caller.policies, of_api) for one in policy if access_policies.concerns(one, question)]
    is_denied = any(one["Effect"] == "Deny" for one in concerned)
    if caller.is_owner and caller.account == account:
        is_allowed = not is_denied
    else:
        is_allowed = all(access_policies.may(question, policy, of_api, account) for policy in caller.policies)
    if not is_allowed:
        raise _denied(visit, caller.arn, is_explicit=is_denied)


def _question(visit: Visit, principal: str) -> Question:
    context = {"aws:sourceip": visit.request.source_ip, "aws:requestedregion": visit.stage.api.place.region}
    if visit.stage.api.endpoints:
        context["aws:sourcevpce"] = visit.stage.api.endpoints[0]
    return Question(principal, _INVOKE, visit.method_arn, context)


def _policy(visit: Visit) -> list[Statement] | None:
    """The API's, with the short form of its resources written out: `execute-api:/stage/GET/path`."""
    policy = visit.stage.api.policy
    if not policy:
        return None
    whole = visit.stage.arn.rpartition("/")[0]
    return [{**one, "Resource": _written_out(one.get("Resource", "*"), whole)} for one in access_policies.statements(json.loads(policy))]


def _written_out(resources: Any, api: str) -> list[str]:
    listed = resources if isinstance(resources, list) else [resources]
    return [f"{api}/{one.removeprefix('execute-api:').lstrip('/')}" if one.startswith("execute-api:/") else str(one) for one in listed]


def _denied(visit: Visit, who: str, *, is_explicit: bool) -> Refusal:
    account = visit.stage.api.place.account
    resource = visit.method_arn.replace(account, "*" * 8 + account[8:])
    how = " with an explicit deny" if is_explicit else ""
    return Refusal("ACCESS_DENIED", f"User: {who} is not authorized to perform: {_INVOKE} on resource: {resource}{how}")
