"""What is wrong with the form of a document that people write, told without the library's own words: where, what, what to do."""

import difflib
import json
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

MOMENT = "must be a moment on the clock of the server that was backed up, without a zone, like 2026-05-12T13:29:50"

# Somebody may have put a password into these.
_UNSHOWN = {"proxy", "secretArn", "secrets", "secretName", "iamUser", "credentials"}


def told(error: ValidationError, model: type[BaseModel], expected: Mapping[str, str]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Place and sentence of each problem. `expected` says what a value must be, by the key that it stands under, or by the last keys, like
    `checks/name`, of which the longest fits."""
    for detail in _without_echoes(error.errors()):
        place = tuple(part for part in detail["loc"] if part != "[key]")
        yield place, _sentence(detail, place, model, expected)


def pointer(place: tuple[str | int, ...]) -> str:
    """The place as a JSON pointer (RFC 6901: `~` and `/` inside a key are escaped). What isn't text in a key is written as `\\ud800`: the
    pointer becomes part of an error's message, which must be text."""
    keys = (str(part).replace("~", "~0").replace("/", "~1") for part in place)
    return "".join("/" + key.encode("utf-8", "backslashreplace").decode() for key in keys) or "/"


def _without_echoes(details: list[ErrorDetails]) -> list[ErrorDetails]:
    """A list whose items are wrong is also called too short: only the items' own problems help."""

    def is_echo(detail: ErrorDetails) -> bool:
        place = detail["loc"]
        inside = (other["loc"] for other in details if len(other["loc"]) > len(place))
        return detail["type"] == "too_short" and any(other[: len(place)] == place for other in inside)

    return [detail for detail in details if not is_echo(detail)]


def _sentence(detail: ErrorDetails, place: tuple[str | int, ...], model: type[BaseModel], expected: Mapping[str, str]) -> str:
    kind = detail["type"]
    if kind == "extra_forbidden":
        return _unknown_key(place, model)
    if kind == "missing":
        return "is missing: add it"
    if kind == "too_short":
        return "is empty: name at least one" + (" database" if place == ("databases",) else ", or leave it out")
    if kind == "too_long":
        return f"has too many: {detail['ctx']['max_length']} at most"
    if kind == "value_error":
        return str(detail["ctx"]["error"])
    expectation = _expectation(detail, place, model, expected)
    return expectation if _key(place) in _UNSHOWN else f"{expectation}, not {json.dumps(detail['input'], default=str)[:80]}"


def _expectation(detail: ErrorDetails, place: tuple[str | int, ...], model: type[BaseModel], expected: Mapping[str, str]) -> str:
    # Pydantic names its own types and our classes, which mean nothing to who wrote the JSON.
    if detail["type"] == "tuple_type":
        return f"must be a list of {'database names' if place == ('databases',) else 'values'}"
    if place == ("sqlserver", "stopAt"):
        return MOMENT
    if detail["type"] == "model_type" and place[:1] == ("checks",):
        return 'must be an object like {"name": ..., "sql": ..., "expect": ...}'
    if detail["type"] == "model_type" and place[:1] == ("databases",):
        return 'must be a name or {"name": ..., "as": ...}'
    if detail["type"] == "model_type":
        return f'must be an object like {{"{keys_at(model, place)[0]}": ...}}'
    keys = [part for part in place if isinstance(part, str)]
    for n in range(len(keys)):
        if (path := "/".join(keys[n:])) in expected:
            return expected[path]
    message = detail["msg"].removeprefix("Input ")
    return f"{message[0].lower()}{message[1:]}"


def _key(place: tuple[str | int, ...]) -> str:
    return next((part for part in reversed(place) if isinstance(part, str)), "")


def _unknown_key(place: tuple[str | int, ...], model: type[BaseModel]) -> str:
    known = keys_at(model, place[:-1])
    near = difflib.get_close_matches(str(place[-1]).lower(), [key.lower() for key in known], n=1)
    near = [key for key in known if key.lower() in near]
    return f"isn't a known key: did you mean {near[0]}?" if near else f"isn't a known key here: use {', '.join(known)}"


def keys_at(model: type[BaseModel], place: tuple[str | int, ...]) -> list[str]:
    """The keys that an object at this place may have."""
    path = [part for part in place if isinstance(part, str)]
    if not path:
        return [field.alias or key for key, field in model.model_fields.items() if field.alias != "Comment"]
    inner = next(_model_in(f.annotation) for key, f in model.model_fields.items() if path[0] in (key, f.alias))
    return keys_at(inner, tuple(path[1:])) if inner else []


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model of an object or of a list's items."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for argument in get_args(annotation) if (found := _model_in(argument))), None)
