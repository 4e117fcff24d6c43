"""An event of a sender as a restore request, by the hook's own declaration. What the event holds is data: it is never an expression."""

import json
from collections.abc import Mapping
from typing import Any, Final

from dbrestore.contract.api import notice
from lambdas.configuration import expressions
from lambdas.configuration.expressions import NoValue
from lambdas.configuration.hooks import Hook

# Where an event has the text that somebody wrote just now: there an answer of ours may come back.
_WRITTEN: Final[Mapping[str, tuple[str, ...]]] = {
    "github": ("comment.body",),
    "jira": ("comment.body",),
    "pagerduty": ("event.data.title", "event.data.content"),
    "zendesk": ("comment", "ticket.comment"),
    "standard-webhooks": ("data.text",),
}


class NotForUs(Exception):
    """The event doesn't concern us, or has not what a restore needs. The message says why, without the event's data."""


def request_of(hook: Hook, event: dict[str, Any]) -> dict[str, Any]:
    """The request that this event asks for. Raises NotForUs."""
    if any(notice.is_ours(json.dumps(_value(place, event))) for place in _WRITTEN[hook.scheme]):
        raise NotForUs("it brings back what an answer of ours wrote")
    if _value(hook.when, event) is not True:
        raise NotForUs("`when` is not true")
    request = _mapped(hook.request, event)
    if missing := _missing(request):
        raise NotForUs(f"the event has nothing for {missing}")
    return dict(request)


def key_of(hook: Hook, event: dict[str, Any]) -> str | None:
    """What makes two events one restore, if the hook says so. Raises NotForUs if this event has nothing there."""
    if hook.idempotency_key is None:
        return None
    value = _value(hook.idempotency_key, event)
    if value is None or value == "" or not isinstance(value, str | int | float):
        raise NotForUs("the event has no text or number for idempotencyKey")
    return str(value)


def _value(expression: str, event: dict[str, Any]) -> Any:
    try:
        return expressions.value_of(expression, event)
    except NoValue:
        return None


def _mapped(value: Any, event: dict[str, Any]) -> Any:
    """With the values of its expressions; what has none is left out."""
    if isinstance(value, dict):
        found = {key: _mapped(inner, event) for key, inner in value.items()}
        return {key: inner for key, inner in found.items() if inner is not None or value[key] is None}
    if isinstance(value, list):
        return [inner for inner in (_mapped(inner, event) for inner in value) if inner is not None]
    expression = expressions.inside(value)
    return value if expression is None else _value(expression, event)


def _missing(request: dict[str, Any]) -> str | None:
    """What no restore can do without, if the event has nothing there. What it has and is wrong is the request's reader's to say."""
    target, databases = request.get("target"), request.get("databases")
    if isinstance(target, dict) and target.get("dbInstance") in (None, ""):
        return "target.dbInstance"
    if databases in (None, "", []):
        return "databases"
    if isinstance(databases, list) and any(one == "" or (isinstance(one, dict) and one.get("name") in (None, "")) for one in databases):
        return "databases[].name"
    return None
