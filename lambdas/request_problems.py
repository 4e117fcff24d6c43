"""What is wrong with a request, all of it at once: each problem with the JSON pointer of its place and the error that it would be alone."""

import difflib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from lambdas.database_names import place_of
from lambdas.request import DatabaseRequest, RestoreRequest
from repository.errors import NotReady, NotSupportedYet, RestoreError, RestoreRequestInvalid

Found = TypeVar("Found")


@dataclass(frozen=True)
class Problem:
    """One line of the answer."""

    kind: type[RestoreError]
    pointer: str
    sentence: str


@dataclass
class Problems:
    """Collects problems. `waiting` is something that time mends: it counts only when nothing else is wrong."""

    found: list[Problem] = field(default_factory=list)
    waiting: NotReady | None = None

    def add(self, kind: type[RestoreError], pointer: str, sentence: str) -> None:
        """One more problem."""
        self.found.append(Problem(kind, pointer, sentence))

    def collect(self, pointer: str, look_up: Callable[[], Found]) -> Found | None:
        """The look-up's answer, or None if it found a problem. NotReady is kept for later."""
        try:
            return look_up()
        except NotReady as later:
            self.waiting = later
        except RestoreError as error:
            self.add(type(error), pointer, str(error))
        return None

    def raise_if_any(self) -> None:
        """Problems of one kind are raised under its name, a mixture as RestoreRequestInvalid."""
        kinds = {problem.kind for problem in self.found}
        if kinds:
            kind = kinds.pop() if len(kinds) == 1 else RestoreRequestInvalid
            raise kind("\n".join(f"{problem.pointer}: {problem.sentence}" for problem in self.found))
        if self.waiting:
            raise self.waiting


def read(request: Mapping[str, Any], problems: Problems) -> RestoreRequest | None:
    """The request, or None if its form is wrong; what is wrong with its wishes whatever the engine goes to the problems as well."""
    try:
        read_request = RestoreRequest.model_validate(request)
    except ValidationError as error:
        for detail in _without_echoes(error.errors()):
            problems.add(RestoreRequestInvalid, _pointer(detail), _sentence(detail))
        return None
    for n, database in enumerate(read_request.databases):
        for place, sentence in _half_characters(database):
            problems.add(RestoreRequestInvalid, f"/databases/{n}/{place}", sentence)
    _note_duplicates(read_request, problems)
    _note_later_wishes(read_request, problems)
    return read_request


def _without_echoes(details: list[ErrorDetails]) -> list[ErrorDetails]:
    """A list whose items are wrong is also called too short: only the items' own problems help."""

    def is_echo(detail: ErrorDetails) -> bool:
        place = detail["loc"]
        inside = (other["loc"] for other in details if len(other["loc"]) > len(place))
        return detail["type"] == "too_short" and any(other[: len(place)] == place for other in inside)

    return [detail for detail in details if not is_echo(detail)]


def _pointer(detail: ErrorDetails) -> str:
    # RFC 6901: `~` and `/` inside a key are escaped.
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in detail["loc"]) or "/"


def _sentence(detail: ErrorDetails) -> str:
    if detail["type"] == "extra_forbidden":
        return _unknown_key(detail)
    if detail["type"] == "missing":
        return "is missing: add it"
    if detail["type"] == "too_short":
        return "is empty: name at least one database"
    if detail["loc"] == ("sqlserver", "stopAt"):
        sentence = (
            "must be a moment on the clock of the server that was backed up, without a zone, like 2026-05-12T13:29:50"
        )
        return f"{sentence}, not {_shown(detail)}"
    return f"{_expectation(detail)}, not {_shown(detail)}"


def _shown(detail: ErrorDetails) -> str:
    return json.dumps(detail["input"], default=str)[:80]


def _expectation(detail: ErrorDetails) -> str:
    # Pydantic names its own types and our classes, which mean nothing to who wrote the JSON.
    place = detail["loc"]
    if detail["type"] == "tuple_type":
        return "must be a list of database names"
    if place == ("sqlserver", "stopAt"):
        return (
            "must be a moment on the clock of the server that was backed up, without a zone, like 2026-05-12T13:29:50"
        )
    if detail["type"] == "model_type" and place[:1] == ("databases",):
        return 'must be a name or {"name": ..., "as": ...}'
    if detail["type"] == "model_type":
        keys = _keys_at(RestoreRequest, [part for part in place if isinstance(part, str)])
        return f'must be an object like {{"{keys[0]}": ...}}'
    message = detail["msg"].removeprefix("Input ")
    return f"{message[0].lower()}{message[1:]}"


def _unknown_key(detail: ErrorDetails) -> str:
    known = _keys_at(RestoreRequest, [part for part in detail["loc"][:-1] if isinstance(part, str)])
    near = difflib.get_close_matches(str(detail["loc"][-1]).lower(), [key.lower() for key in known], n=1)
    near = [key for key in known if key.lower() in near]
    return f"is no known key: did you mean {near[0]}?" if near else f"is no known key here: use {', '.join(known)}"


def _keys_at(model: type[BaseModel], path: list[str]) -> list[str]:
    """The keys that an object at this place may have."""
    if not path:
        return [name.alias or key for key, name in model.model_fields.items() if name.alias != "Comment"]
    inner = next(f.annotation for key, f in model.model_fields.items() if path[0] in (key, f.alias))
    if path[0] == "databases":
        inner = DatabaseRequest
    return _keys_at(inner, path[1:]) if isinstance(inner, type) and issubclass(inner, BaseModel) else []


def _half_characters(database: DatabaseRequest) -> Iterator[tuple[str, str]]:
    for place, name in (("name", database.name), ("as", database.as_)):
        if any("\ud800" <= character <= "\udfff" for character in name or ""):
            yield place, "holds half a surrogate pair, which is no text: write the name as Unicode"


def _note_duplicates(request: RestoreRequest, problems: Problems) -> None:
    names = Counter(database.name for database in request.databases)
    asked = Counter(database.asked_name for database in request.databases)
    for n, database in enumerate(request.databases):
        if names[database.name] > 1:
            problems.add(
                RestoreRequestInvalid, f"/databases/{n}/name", f"{database.name!r} is asked for twice: ask once"
            )
        elif asked[database.asked_name] > 1:
            place = place_of(database)
            sentence = f"two databases would get the name {database.asked_name!r}: give one another name"
            problems.add(RestoreRequestInvalid, f"/databases/{n}/{place}", sentence)


def _note_later_wishes(request: RestoreRequest, problems: Problems) -> None:
    if request.on_conflict == "replace":
        sentence = (
            "replacing a database comes in a later version: use fail, and bring the database back under another name"
        )
        problems.add(NotSupportedYet, "/onConflict", sentence)
    if request.mode == "drill":
        sentence = "drills come in a later version: use restore with another name for the database, or plan"
        problems.add(NotSupportedYet, "/mode", sentence)
