"""A JSON file of the installation's configuration, read so that everything that is wrong with it is told at once, each with its place."""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from dbrestore.contract import form_problems
from dbrestore.contract.document import Document
from dbrestore.contract.errors import ConfigurationInvalid

Model = TypeVar("Model", bound=Document)
Place = tuple[str | int, ...]
Contradictions = Callable[[Any], Iterable[tuple[Place, str]]]


def _unlabelled(place: Place, values: Any) -> str:
    return ""


def read(
    path: Path,
    model: type[Model],
    refusal: type[ConfigurationInvalid],
    *,
    expected: Mapping[str, str],
    contradictions: Contradictions,
    label: Callable[[Place, Any], str] = _unlabelled,
) -> Model:
    """The file as `model`. `contradictions` looks at the JSON itself, so that it finds them beside values of a wrong form; `label` tells a
    place in words after its JSON pointer. Raises `refusal`, one line per problem: `<file>#<JSON pointer>: <what to write instead>`."""
    try:
        text = path.read_text()
        values = json.loads(text, object_pairs_hook=_without_repeats)
    except (OSError, ValueError) as error:
        raise refusal(f"{path}: can't be read as JSON ({error}): fix the file") from error
    problems = list(contradictions(values))
    try:
        found = model.model_validate_json(text, strict=True)
    except ValidationError as error:
        problems = [*form_problems.told(error, model, expected), *problems]
    if problems:
        raise refusal(
            "\n".join(f"{path.name}#{form_problems.pointer(place)}{label(place, values)}: {sentence}" for place, sentence in problems)
        )
    return found


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key!r} appears twice in one object")
        found[key] = value
    return found
