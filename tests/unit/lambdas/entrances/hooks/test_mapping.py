"""The hooks of the example, and of the page that explains them, over what their senders send."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from dbrestore.contract.request_problems import Problems, read
from lambdas.configuration import access
from lambdas.configuration.hooks import Hook
from lambdas.entrances.hooks import mapping
from lambdas.entrances.hooks.mapping import NotForUs

ROOT = Path(__file__).parents[5]
SENT = ROOT / "tests" / "statemachine" / "senders"
EXAMPLE = access.read(ROOT / "examples" / "configuration" / "access.json")
HOOK: dict[str, Any] = {
    "name": "any",
    "scheme": "github",
    "secrets": ["arn:aws:secretsmanager:eu-central-1:123456789012:secret:any-Ab12Cd"],
    "when": "go",
    "request": {"target": {"dbInstance": "{% to %}"}, "databases": ["{% a %}", {"name": "{% b %}", "as": "{% c %}"}], "reason": None},
}


def mapped(hook: Hook, event: dict[str, Any]) -> dict[str, Any]:
    """The request, which is one."""
    request = mapping.request_of(hook, event)
    problems = Problems()
    assert read(request, problems), problems
    return request


@pytest.mark.parametrize("hook", EXAMPLE.hooks, ids=lambda hook: hook.name)
def test_the_example_makes_requests_of_what_senders_send_and_of_nothing_else(hook: Hook) -> None:
    event, other = (json.loads((SENT / f"{hook.scheme}{kind}.json").read_text()) for kind in ("", ".other"))

    request = mapped(hook, event)

    assert request["databases"][0]["name"] == "orders"
    assert request["ticket"]["id"]
    assert (mapping.key_of(hook, event) is None) is (hook.idempotency_key is None)
    with pytest.raises(NotForUs):
        mapping.request_of(hook, other)


def test_the_body_that_the_page_gives_for_zendesk_fits_the_example() -> None:
    page = (ROOT / "docs" / "hooks.md").read_text()
    (body,) = [block for block in re.findall(r"```json\n(.*?)```", page, re.DOTALL) if "{{ticket.id}}" in block]
    hook = EXAMPLE.hook("zendesk")
    assert hook

    event = json.loads(body.replace("{{ticket.ticket_field_360012345678}}", "orders").replace("{{ticket.id}}", "35436"))

    assert mapped(hook, event)["databases"] == [{"name": "orders", "as": "orders_35436"}]


@pytest.mark.parametrize(
    ("event", "databases"),
    [
        ({"a": "x", "b": "y", "c": "z"}, ["x", {"name": "y", "as": "z"}]),
        ({"a": "x", "b": "y"}, ["x", {"name": "y"}]),
        ({"b": "y", "c": None}, [{"name": "y"}]),
        ({"a": "{% to %}", "b": "'"}, ["{% to %}", {"name": "'"}]),
    ],
)
def test_what_the_event_lacks_is_left_out_and_what_it_has_is_data(event: dict[str, Any], databases: list[Any]) -> None:
    request = mapping.request_of(Hook.model_validate(HOOK), {"go": True, "to": "orders-prod", **event})

    assert request == {"target": {"dbInstance": "orders-prod"}, "databases": databases, "reason": None}


@pytest.mark.parametrize(
    "event",
    [{}, {"go": "yes"}, {"go": 1}, {"go": True}, {"go": True, "to": "x", "a": "x"}, {"go": True, "to": "", "a": "x", "b": "y"}],
)
def test_an_event_that_is_not_for_us_says_why(event: dict[str, Any]) -> None:
    with pytest.raises(NotForUs, match=r"`when` is not true|has nothing for"):
        mapping.request_of(Hook.model_validate(HOOK), event)


@pytest.mark.parametrize(("value", "key"), [("x", "x"), (7, "7"), (None, None), ("", None), ([], None), ({"a": 1}, None)])
def test_a_key_is_a_text_or_a_number(value: Any, key: str | None) -> None:
    hook = Hook.model_validate({**HOOK, "idempotencyKey": "k"})
    if key is not None:
        assert mapping.key_of(hook, {"k": value}) == key
        return
    with pytest.raises(NotForUs):
        mapping.key_of(hook, {"k": value})
