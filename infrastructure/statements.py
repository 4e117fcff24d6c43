"""An IAM statement as a row of text, before it is known in which account and Region it will stand."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

# What stands in the braces of statements.
Places = Mapping[str, str | tuple[str, ...]]


@dataclass(frozen=True)
class Statement:
    """Allowed `actions` on `resources` under `conditions`.

    Resources and condition values may hold places in braces that the stack fills in: its own `{partition}`, `{region}`, `{account}`;
    `{ledger}`, `{repository}`, `{evidence}`, `{undelivered}`, `{program}`, `{control}` and
    `{control_region}`, the control account and its Region, `{prefix}`, the installation's name, and `{vpc}` and `{hook_secret}`, which
    stand for each of several, as do `{adopted_bucket}`, `{adopted_files}`, `{adopted_key}` and `{adopted_points}`, which rules of adoption
    name, `{in_place_bucket}`, `{in_place_files}` and `{in_place_key}`, from which restores read in place, and `{copied_bucket}`,
    `{copied_files}` and `{copied_key}`, from which executions copy; `{target_account}`, each of the accounts that may be restored into;
    `{credential_prefix}` and `{iam_user}`, what workers may log in with; `{repository_keys}` and `{volume_keys}`, the ARN of the one KMS
    key that the TargetStack was told, or a pattern.
    """

    actions: tuple[str, ...]
    resources: tuple[str, ...] = ("*",)
    conditions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def to_json(self, places: Places) -> dict[str, Any]:
        """The statement as IAM reads it."""
        statement: dict[str, Any] = {
            "Effect": "Allow",
            "Action": list(self.actions),
            "Resource": [text for resource in self.resources for text in filled(resource, places)],
        }
        if self.conditions:
            statement["Condition"] = {
                operator: {key: _fill(value, places) for key, value in tests.items()} for operator, tests in self.conditions.items()
            }
        return statement


def policy(statements: Iterable[Statement], places: Places) -> dict[str, Any]:
    """A whole policy document. What is allowed on the same resources under the same conditions stands in one statement: a role's policies
    have room for 10,240 characters. What would be allowed on none, because a place has no value here, isn't in it."""
    merged: dict[str, dict[str, None]] = {}
    for statement in statements:
        rest = statement.to_json(places)
        if not rest["Resource"]:
            continue
        actions = rest.pop("Action")
        merged.setdefault(json.dumps(rest), {}).update(dict.fromkeys(actions))
    joined = [{**json.loads(rest), "Action": list(actions)} for rest, actions in merged.items()]
    return {"Version": "2012-10-17", "Statement": joined}


def session_policy(statements: Iterable[Statement]) -> str:
    """What a function asks for when it assumes the target role: its own actions. What a session may do is this AND what the role may do, so
    resources and conditions stay where there is room for them, in the role. Empty if the function needs nothing there."""
    actions = sorted({action for statement in statements for action in statement.actions})
    if not actions:
        return ""
    document = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": actions, "Resource": "*"}}
    return json.dumps(document, separators=(",", ":"))


def _fill(value: str | tuple[str, ...], places: Places) -> str | list[str]:
    """A condition's value: a text stays one, unless one of its places has several values."""
    texts = [value] if isinstance(value, str) else value
    found = [text for pattern in texts for text in filled(pattern, places)]
    return found[0] if isinstance(value, str) and len(found) == 1 else found


def filled(pattern: str, places: Places) -> list[str]:
    """The pattern with every place filled in, once for each value of a place that has several."""
    texts = [pattern]
    for name, values in places.items():
        place = "{" + name + "}"
        if place in pattern:
            each = [values] if isinstance(values, str) else values
            texts = [text.replace(place, value) for text in texts for value in each]
    return texts
