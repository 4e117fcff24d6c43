"""What the definition is written with: Amazon States Language in Python. Nothing of this application's flow stands here.

Fields bear the names that the language gives them: https://states-language.net/spec.html.
"""

from dataclasses import dataclass
from typing import Any, TypedDict, Unpack

from dbrestore.contract.errors import RestoreError

Json = dict[str, Any]
# One of ours, or one that AWS names.
Error = type[RestoreError] | str

ALL = "States.ALL"
TIMEOUT = "States.Timeout"


class Fields(TypedDict, total=False):
    """What a state may have, in the order in which the JSON shows it. None becomes null; what isn't given is absent."""

    Type: str
    Comment: str
    Choices: list[Json]
    Default: str
    Resource: str
    Parameters: Json
    ItemsPath: str
    ItemSelector: Json
    MaxConcurrency: int
    ItemProcessor: Json
    OutputPath: str
    Branches: list[Json]
    ResultSelector: Json
    TimeoutSeconds: int
    ResultPath: str | None
    Retry: list[Json]
    Catch: list[Json]
    Next: str
    End: bool
    Error: str
    ErrorPath: str
    Cause: str
    CausePath: str


@dataclass(frozen=True)
class State:
    """A state and its name."""

    name: str
    fields: Json


def state(name: str, **fields: Unpack[Fields]) -> State:
    """Any state; its `Type` is the language's."""
    return _ordered(name, {**fields})


def task(name: str, **fields: Unpack[Fields]) -> State:
    """Calls the function of its own name; with a `Resource` it says itself how that is called."""
    return _ordered(name, {"Type": "Task", "Resource": f"${{{name}}}", **fields})


def choice(name: str, *rules: Json, **fields: Unpack[Fields]) -> State:
    """Goes where the first rule that holds leads, otherwise to `Default`."""
    return _ordered(name, {"Type": "Choice", "Choices": list(rules), **fields})


def fail(name: str, error: Error, **fields: Unpack[Fields]) -> State:
    """Ends the execution with this error, or in a branch the branch."""
    return _ordered(name, {"Type": "Fail", "Error": error_name(error), **fields})


def _ordered(name: str, fields: Json) -> State:
    return State(name, {key: fields[key] for key in Fields.__annotations__ if key in fields})


def flow(*states: State) -> Json:
    """A machine or a branch of it, which starts with the first of these states. Raises ValueError if two have one name."""
    names = [each.name for each in states]
    if len(set(names)) < len(names):
        raise ValueError(f"Two states of one flow have the same name: {', '.join(names)}")
    return {"StartAt": names[0], "States": {each.name: each.fields for each in states}}


def when(*comparisons: Json, then: str) -> Json:
    """A rule of a choice: if all of this holds, go there."""
    return {**(comparisons[0] if len(comparisons) == 1 else {"And": list(comparisons)}), "Next": then}


def compare(variable: str, **operator: bool | str) -> Json:
    """One comparison, with one of the language's operators."""
    return {"Variable": variable, **operator}


def catch(error: Error, *, into: str | None, then: str) -> Json:
    """Goes there after this error. Its name and cause are written `into` that path, or nowhere."""
    return {"ErrorEquals": [error_name(error)], "ResultPath": into, "Next": then}


def error_name(error: Error) -> str:
    """As Step Functions knows it: Lambda reports the name of the class."""
    return error if isinstance(error, str) else error.__name__
