"""What a target gets of an event: all of it, a part, a constant text, or a template with parts filled in.

Source: EventBridge User Guide, "Amazon EventBridge input transformation". Assumed: what isn't in the event is an empty text; inside a
text a value is written so that the text stays JSON.

| moto 5.2.5 | fixed to |
|---|---|
| InputPath is left out | the part of the event |
| a text that stands for itself in a template has no quotes, and the template is no JSON | quotes |
| no reserved variables but two | those of the User Guide |
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

_STEP: Final = re.compile(r"\.([^.\[\]]+)|\[(\d+|\*)\]")
_PLACEHOLDER: Final = re.compile(r"<([\w.-]+)>")
_MISSING: Final = ""


def rendered(target: Mapping[str, Any], event: Mapping[str, Any], rule_arn: str = "") -> str:
    """The JSON text, or plain text where the template is none."""
    told = {key: value for key, value in event.items() if key != "ingestion-time"}
    if "Input" in target:
        return str(target["Input"])
    if "InputPath" in target:
        return json.dumps(at(told, target["InputPath"]))
    transformer = target.get("InputTransformer")
    if not transformer:
        return json.dumps(told)
    values = {name: at(told, path) for name, path in (transformer.get("InputPathsMap") or {}).items()}
    return _filled(transformer["InputTemplate"], {**_reserved(told, event, rule_arn), **values})


def parameter(value: str, event: Mapping[str, Any]) -> str:
    """What a target's parameter is for this event: a value that is a path as a whole stands for what the event has there (EventBridge User
    Guide, "Dynamic path parameters")."""
    if not re.fullmatch(r"\$(\.[\w-]+|\[\d+\])+", value):
        return value
    found = at(event, value)
    return found if isinstance(found, str) else json.dumps(found)


def at(event: Any, path: str) -> Any:
    """The part of the event that a path like `$.detail.items[0].name` names; empty if there is none."""
    found = event
    for name, index in _STEP.findall(path.removeprefix("$")):
        if name and isinstance(found, Mapping):
            found = found.get(name, _MISSING)
        elif index.isdecimal() and isinstance(found, list) and int(index) < len(found):
            found = found[int(index)]
        elif not (index == "*" and isinstance(found, list)):
            return _MISSING
    return found


def _reserved(told: dict[str, Any], event: Mapping[str, Any], rule_arn: str) -> dict[str, Any]:
    return {
        "aws.events.rule-arn": rule_arn,
        "aws.events.rule-name": rule_arn.rpartition("/")[2],
        "aws.events.event": {key: value for key, value in told.items() if key != "detail"},
        "aws.events.event.json": told,
        "aws.events.event.ingestion-time": str(event.get("ingestion-time", event.get("time", ""))),
    }


def _filled(template: str, values: Mapping[str, Any]) -> str:
    """Inside quotes a value is text; outside it is JSON. A template that is no JSON at all is a text."""
    written, is_inside, position = [], False, 0
    for found in _PLACEHOLDER.finditer(template):
        before = template[position : found.start()]
        is_inside ^= _quotes(before) % 2 == 1
        value = values.get(found[1], _MISSING)
        written += [before, _as_text(value) if is_inside else json.dumps(value)]
        position = found.end()
    return "".join([*written, template[position:]])


def _quotes(text: str) -> int:
    return len(re.findall(r'(?<!\\)"', text))


def _as_text(value: Any) -> str:
    return json.dumps(value if isinstance(value, str) else json.dumps(value))[1:-1]
