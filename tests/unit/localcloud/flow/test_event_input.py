"""What a target gets of an event."""

import json
from typing import Any

import pytest

from localcloud.flow.event_input import rendered

RULE = "arn:aws:events:eu-central-1:123456789012:rule/told"
EVENT = {
    "id": "e-1",
    "detail-type": "restore ended",
    "source": "dbrestore",
    "time": "2026-11-29T12:00:00Z",
    "ingestion-time": 1.5,
    "resources": ["arn:one", "arn:two"],
    "detail": {"status": 'FAILED "badly"', "count": 2, "ok": False, "who": {"name": "ä"}, "list": [{"n": 1}]},
}


def _template(template: str, **paths: str) -> str:
    return rendered({"InputTransformer": {"InputTemplate": template, "InputPathsMap": paths}}, EVENT, RULE)


def test_all_of_the_event_a_part_or_a_constant() -> None:
    assert json.loads(rendered({}, EVENT)) == {key: value for key, value in EVENT.items() if key != "ingestion-time"}
    assert json.loads(rendered({"InputPath": "$.detail.who"}, EVENT)) == {"name": "ä"}
    assert rendered({"Input": '{"a": 1}'}, EVENT) == '{"a": 1}'


@pytest.mark.parametrize(
    ("template", "paths", "expected"),
    [
        ('{"a": <x>}', {"x": "$.detail.status"}, {"a": 'FAILED "badly"'}),
        ('{"a": "is <x>, <y>"}', {"x": "$.detail.status", "y": "$.detail.count"}, {"a": 'is FAILED "badly", 2'}),
        ('{"a": <x>, "b": <y>}', {"x": "$.detail.who", "y": "$.detail.ok"}, {"a": {"name": "ä"}, "b": False}),
        ('{"a": "<x>", "b": <y>}', {"x": "$.id", "y": "$.source"}, {"a": "e-1", "b": "dbrestore"}),
        ('{"a": "<x>"}', {"x": "$.detail.nothing"}, {"a": ""}),
        ('{"a": <x>}', {"x": "$.detail-type"}, {"a": "restore ended"}),
        ('{"a": <x>, "b": <y>}', {"x": "$.resources[1]", "y": "$.detail.list[0].n"}, {"a": "arn:two", "b": 1}),
        ('"<x> of <aws.events.rule-name>"', {"x": "$.id"}, "e-1 of told"),
        ('{"a": "say \\"<x>\\""}', {"x": "$.id"}, {"a": 'say "e-1"'}),
        ('{"a": <aws.events.rule-arn>}', {}, {"a": RULE}),
    ],
)
def test_a_template_is_filled_in_and_stays_json(template: str, paths: dict[str, str], expected: Any) -> None:
    assert json.loads(_template(template, **paths)) == expected


def test_the_whole_event_can_stand_in_a_template() -> None:
    filled = json.loads(_template('{"all": <aws.events.event.json>, "head": <aws.events.event>}'))

    assert filled["all"]["detail"] == EVENT["detail"]
    assert "detail" not in filled["head"]
