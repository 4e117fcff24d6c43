"""Whether the policy of an S3 endpoint lets a worker read a bucket (AWS PrivateLink Guide, "Control access to VPC endpoints using endpoint
policies").

Invariant: what isn't certain is told as uncertain. A condition may hold or not, and a principal may be the worker's role or not: only a
policy that denies without any `if`, or allows nothing that could be this, surely denies.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal

Verdict = Literal["allows", "perhaps", "denies"]
READING = "s3:GetObject"


def reading(policy: str, partition: str, bucket: str) -> Verdict:
    """Whether objects of the bucket can be read through an endpoint with this policy (JSON; empty: the default one, which allows all)."""
    if not policy:
        return "allows"
    try:
        statements = list(_statements(json.loads(policy)))
    except (ValueError, TypeError):
        return "perhaps"
    object_arn = f"arn:{partition}:s3:::{bucket}/any/object"
    about = [one for one in statements if isinstance(one, dict) and _matches(one, object_arn)]
    if any(one.get("Effect") == "Deny" and _is_certain(one) for one in about):
        return "denies"
    allowing = [one for one in about if one.get("Effect") == "Allow"]
    if not allowing:
        return "denies"
    may_deny = any(one.get("Effect") == "Deny" for one in about)
    return "allows" if any(map(_is_certain, allowing)) and not may_deny else "perhaps"


def _statements(policy: Any) -> Iterator[Any]:
    found = policy.get("Statement", []) if isinstance(policy, dict) else []
    yield from found if isinstance(found, list) else [found]


def _matches(statement: Mapping[str, Any], object_arn: str) -> bool:
    """As far as the part of a bucket that a resource names says: one that names some of its objects may be about this one."""
    return _names(statement, "Action", READING, fold=True) and _names(statement, "Resource", object_arn)


def _names(statement: Mapping[str, Any], key: str, value: str, *, fold: bool = False) -> bool:
    if f"Not{key}" in statement:
        return not any(_is_like(value, pattern, fold=fold) for pattern in _listed(statement[f"Not{key}"]))
    return any(_is_like(value, pattern, fold=fold) for pattern in _listed(statement.get(key, [])))


def _listed(value: Any) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else [str(value)]


def _is_like(value: str, pattern: str, *, fold: bool) -> bool:
    # Whoever names some objects of a bucket may mean those that are read.
    bucket, slash, rest = pattern.partition("/")
    wider = f"{bucket}/*" if slash and rest else pattern
    expression = re.escape(wider).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(expression, value, re.IGNORECASE if fold else 0) is not None


def _is_certain(statement: Mapping[str, Any]) -> bool:
    """It holds for everybody, always, and for every object."""
    everybody = statement.get("Principal") in ("*", {"AWS": "*"}) or statement.get("Principal") == {"AWS": ["*"]}
    whole = "NotResource" in statement or any(one == "*" or one.endswith(("/*", ":::*")) for one in _listed(statement.get("Resource", [])))
    return everybody and whole and not statement.get("Condition")
