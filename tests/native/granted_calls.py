"""The calls that the local cloud saw, held against the policies of the roles as they were deployed there.

Actions and resources are compared. Conditions are not, but for those that the local cloud refuses by itself: trust, external id, bucket
policies.
"""

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any

from localcloud.base.callers import Call
from localcloud.iam import roles

# IAM's names where they differ from the API's, or where a request is signed for a service by another name; moto has S3's from IAM. A call
# that needs several is allowed by all of them.
ACTIONS = {
    "dynamodb:TransactWriteItems": tuple(f"dynamodb:{action}" for action in ("PutItem", "UpdateItem", "DeleteItem", "ConditionCheckItem")),
    "lambda:Invoke": ("lambda:InvokeFunction",),
    "s3:HeadBucket": ("s3:ListBucket",),
    "monitoring:GetMetricStatistics": ("cloudwatch:GetMetricStatistics",),
}


def not_granted(calls: Iterable[Call]) -> set[Call]:
    """The calls of roles that their own policies don't allow. Keys of an account's owner may do everything."""
    return {call for call in set(calls) if call.principal != "root" and not _is_granted(call)}


def _is_granted(call: Call) -> bool:
    role = roles.find(call.principal)
    allowed = [one for one in roles.permissions(role) if one["Effect"] == "Allow"] if role else []
    return all(
        any(_covers(statement, action, _resource(call)) for statement in allowed) for action in ACTIONS.get(call.action, (call.action,))
    )


def _resource(call: Call) -> str:
    # DeleteObjects has its keys in the body.
    return f"{call.resource}/*" if call.action == "s3:DeleteObject" and "/" not in call.resource else call.resource


def _covers(statement: Any, action: str, resource: str) -> bool:
    is_meant = any(fnmatchcase(action.lower(), pattern.lower()) for pattern in _listed(statement["Action"]))
    return is_meant and (resource == "*" or any(fnmatchcase(resource, pattern) for pattern in _listed(statement["Resource"])))


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
