"""An IAM statement as a row of text, before it is known in which account and Region it will stand."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Statement:
    """Allowed `actions` on `resources` under `conditions`.

    Resources and condition values may hold places in braces that the stack fills in: its own `{partition}`, `{region}`, `{account}`;
    `{vpc}`, `{ledger}`, `{repository}`, `{evidence}`, `{program}`, and `{control}`, the control account.
    """

    actions: tuple[str, ...]
    resources: tuple[str, ...] = ("*",)
    conditions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def to_json(self, places: Mapping[str, str]) -> dict[str, Any]:
        """The statement as IAM reads it."""
        statement: dict[str, Any] = {
            "Effect": "Allow",
            "Action": list(self.actions),
            "Resource": [_fill(resource, places) for resource in self.resources],
        }
        if self.conditions:
            statement["Condition"] = {
                operator: {key: _fill(value, places) for key, value in tests.items()}
                for operator, tests in self.conditions.items()
            }
        return statement


def policy(statements: Iterable[Statement], places: Mapping[str, str]) -> dict[str, Any]:
    """A whole policy document; a statement that several functions share stands in it once."""
    unique = dict.fromkeys(json.dumps(statement.to_json(places)) for statement in statements)
    return {"Version": "2012-10-17", "Statement": [json.loads(text) for text in unique]}


def session_policy(statements: Iterable[Statement]) -> str:
    """What a function asks for when it assumes the target role: its own actions. What a session may do is this AND what the role may do, so
    resources and conditions stay where there is room for them, in the role. Empty if the function needs nothing there."""
    actions = sorted({action for statement in statements for action in statement.actions})
    if not actions:
        return ""
    document = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": actions, "Resource": "*"}}
    return json.dumps(document, separators=(",", ":"))


def _fill(value: Any, places: Mapping[str, str]) -> Any:
    if isinstance(value, tuple | list):
        return [_fill(item, places) for item in value]
    for name, text in places.items():
        value = value.replace("{" + name + "}", text)
    return value
