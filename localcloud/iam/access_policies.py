"""Who may do what, by the text of policies: as far as a role's access to a bucket or to another role goes.

Known: Effect, Action, Resource, Principal, and the conditions on strings, ARNs, numbers, addresses, truth values and on whether a key is
there.
Invariant: what is not known here never opens a door: a condition with another operator makes a statement that allows fail, and one that
denies hold.
"""

import ipaddress
import json
import operator as comparison
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Statement = Mapping[str, Any]

_OPERATOR = re.compile(r"(String|Arn)(Not)?(Equals|Like)(IfExists)?|(Bool)(IfExists)?")
_NUMERIC: Mapping[str, Callable[[float, float], bool]] = {
    "NumericEquals": comparison.eq,
    "NumericNotEquals": comparison.ne,
    "NumericLessThan": comparison.lt,
    "NumericLessThanEquals": comparison.le,
    "NumericGreaterThan": comparison.gt,
    "NumericGreaterThanEquals": comparison.ge,
}


@dataclass(frozen=True)
class Question:
    """May `principal` (an ARN) do `action` with `resource`? `context` holds condition keys in lower case."""

    principal: str
    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)

    @property
    def account(self) -> str:
        """The principal's."""
        return self.principal.split(":")[4]


def statements(*documents: str | bytes | Mapping[str, Any] | None) -> list[Statement]:
    """All statements of some policies, given as JSON or (as moto has those of a template) decoded already."""
    found: list[Statement] = []
    for document in documents:
        decoded = document if isinstance(document, Mapping) else json.loads(document or '{"Statement": []}')
        listed = decoded["Statement"]
        found += listed if isinstance(listed, list) else [listed]
    return found


def lets(question: Question, own: Iterable[Statement]) -> bool:
    """Whether the principal's own policies let it, of what nobody else has a policy for."""
    concerned = [one for one in own if concerns(one, question)]
    return bool(concerned) and all(one["Effect"] == "Allow" for one in concerned)


def may(question: Question, of_role: Iterable[Statement], of_bucket: Iterable[Statement], owner: str) -> bool:
    """Whether the role's and the bucket's policies let it. `owner` is the bucket's account: within it either suffices, from another
    account both must allow. A statement that denies always wins."""
    own = [one for one in of_role if concerns(one, question)]
    direct = [one for one in of_bucket if concerns(one, question) and names(one, question.principal)]
    by_account = [one for one in of_bucket if concerns(one, question) and _names_account(one, question.account)]
    if any(one["Effect"] == "Deny" for one in (*own, *direct, *by_account)):
        return False
    if question.account == owner:
        return bool(own or direct)
    return bool(own and (direct or by_account))


def may_become(question: Question, own: Iterable[Statement], trust: Iterable[Statement]) -> bool:
    """Whether the principal may assume the role that the question's resource is: the role's trust policy must let it in, and unless that
    names a principal of its own account, the principal's policies must let it ask."""
    allowed = [one for one in own if concerns(one, question)]
    direct = [one for one in trust if concerns(one, question) and names(one, question.principal)]
    by_account = [one for one in trust if concerns(one, question) and _names_account(one, question.account)]
    if any(one["Effect"] == "Deny" for one in (*allowed, *direct, *by_account)):
        return False
    if direct and question.resource.split(":")[4] == question.account:
        return True
    return bool(allowed and (direct or by_account))


def may_assume(trust: Iterable[Statement], service: str, context: Mapping[str, str]) -> bool:
    """Whether a role's trust policy lets a service in."""
    return lets_service(Question(service, "sts:AssumeRole", "", context), trust)


def lets_service(question: Question, of_resource: Iterable[Statement]) -> bool:
    """Whether a resource's own policy lets a service; the question's principal is the service's name."""
    named = [one for one in of_resource if concerns(one, question) and question.principal in _listed(_principals(one).get("Service"))]
    return bool(named) and all(one["Effect"] == "Allow" for one in named)


def concerns(statement: Statement, question: Question) -> bool:
    """Whether the statement is about this action, resource and context."""
    return (
        _any_like(statement.get("Action"), question.action, ignore_case=True)
        and ("Resource" not in statement or _any_like(statement["Resource"], question.resource))
        and _conditions_hold(statement, question.context)
    )


def names(statement: Statement, principal: str) -> bool:
    """Whether the statement is about this principal, or about everybody."""
    return any(one in ("*", principal) for one in _listed(_principals(statement).get("AWS")))


def _names_account(statement: Statement, account: str) -> bool:
    root = re.compile(rf"(arn:[^:]+:iam::)?{account}(:root)?")
    return any(root.fullmatch(one) for one in _listed(_principals(statement).get("AWS")))


def _principals(statement: Statement) -> Mapping[str, Any]:
    principal = statement.get("Principal", {})
    return {"AWS": principal} if isinstance(principal, str) else principal


def _conditions_hold(statement: Statement, context: Mapping[str, str]) -> bool:
    return all(
        _holds(operator, context.get(key.lower()), _listed(values), otherwise=statement["Effect"] == "Deny")
        for operator, keys in statement.get("Condition", {}).items()
        for key, values in keys.items()
    )


def _holds(operator: str, actual: str | None, values: list[str], *, otherwise: bool) -> bool:
    if compare := _NUMERIC.get(operator):
        return actual is not None and any(compare(float(actual), float(value)) for value in values)
    if operator in ("IpAddress", "NotIpAddress"):
        is_within = actual is not None and any(_is_within(actual, value) for value in values)
        return is_within is (operator == "IpAddress")
    if operator == "Null":
        return (actual is None) is (values == ["true"])
    known = _OPERATOR.fullmatch(operator)
    if known is None:
        return otherwise
    is_negative = known[2] is not None
    if actual is None:
        return is_negative or operator.endswith("IfExists")
    # ArnEquals behaves as ArnLike does.
    has_wildcards = known[1] == "Arn" or known[3] == "Like"
    found = _any_like(values, actual) if has_wildcards else actual in values
    return found is not is_negative


def _is_within(address: str, network: str) -> bool:
    return ipaddress.ip_address(address) in ipaddress.ip_network(network, strict=False)


def _any_like(patterns: Any, text: str, *, ignore_case: bool = False) -> bool:
    return any(_like(pattern, text, ignore_case) for pattern in _listed(patterns))


def _like(pattern: str, text: str, ignore_case: bool) -> bool:
    expression = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(expression, text, re.IGNORECASE | re.DOTALL if ignore_case else re.DOTALL) is not None


def _listed(values: Any) -> list[str]:
    if values is None:
        return []
    return [str(one) for one in values] if isinstance(values, list) else [str(values)]
