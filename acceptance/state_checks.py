"""What Step Functions must answer of each Retry and Catch of a definition, read from the definition as the language is specified.

Two tries of each policy and one after its last; the same for an error that no policy names. Sources: https://states-language.net/spec.html,
"Retrying after error" and "Fallback states"; AWS Step Functions Developer Guide, "Testing state machines with TestState API".
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
ALL = "States.ALL"
# One that nobody names, as a function's own error would be.
UNNAMED = "SomethingUnheardOf"
# What the language says where a Retry doesn't (spec, "Retrying after error").
INTERVAL, RATE, ATTEMPTS = 1, 2.0, 3


@dataclass(frozen=True)
class Question:
    """A state that fails with `error` when its policy has tried it again `retries` times; `within`: of a Map or Parallel, a state in it."""

    state: str
    error: str
    retries: int
    within: str | None


@dataclass(frozen=True)
class Answer:
    """TestState's: `status`, and of the policy that counts its place in the list, the pause in seconds, and where it leads."""

    status: str
    retry: int | None = None
    pause: int | None = None
    catch: int | None = None
    next: str | None = None

    def __str__(self) -> str:
        said = {"Retry": self.retry, "pause": self.pause, "Catch": self.catch, "next": self.next}
        return " ".join([self.status, *(f"{name} {value}" for name, value in said.items() if value is not None)])


@dataclass(frozen=True)
class Check:
    """A question, and what must be answered."""

    question: Question
    expected: Answer


def checks(definition: Json) -> list[Check]:
    """Of every state that has a Retry or a Catch, those in branches and maps too."""
    return [check for name, state in _states(definition) if _policies(state) for check in _of_state(name, state)]


def _states(machine: Json) -> Iterator[tuple[str, Json]]:
    for name, state in machine["States"].items():
        yield name, state
        for inner in _inner(state):
            yield from _states(inner)


def _inner(state: Json) -> list[Json]:
    return [*state.get("Branches", []), *([state["ItemProcessor"]] if "ItemProcessor" in state else [])]


def _policies(state: Json) -> list[Json]:
    return [*state.get("Retry", []), *state.get("Catch", [])]


def _of_state(name: str, state: Json) -> Iterator[Check]:
    named = [error for policy in _policies(state) for error in policy["ErrorEquals"] if error != ALL]
    within = next((inner["StartAt"] for inner in _inner(state)), None)
    for error in (*dict.fromkeys(named), UNNAMED):
        for retries in _tries(state, error):
            yield Check(Question(name, error, retries, within), _answer(state, error, retries))


def _tries(state: Json, error: str) -> list[int]:
    place = _first(state.get("Retry", []), error)
    most = state["Retry"][place].get("MaxAttempts", ATTEMPTS) if place is not None else 0
    return sorted({0, min(1, most), most})


def _answer(state: Json, error: str, retries: int) -> Answer:
    retry, caught = _first(state.get("Retry", []), error), _first(state.get("Catch", []), error)
    if retry is not None and retries < state["Retry"][retry].get("MaxAttempts", ATTEMPTS):
        return Answer("RETRIABLE", retry=retry, pause=_pause(state["Retry"][retry], retries))
    if caught is not None:
        return Answer("CAUGHT_ERROR", catch=caught, next=state["Catch"][caught]["Next"])
    return Answer("FAILED")


def _pause(policy: Json, retries: int) -> int:
    grown = policy.get("IntervalSeconds", INTERVAL) * policy.get("BackoffRate", RATE) ** retries
    return int(min(grown, policy.get("MaxDelaySeconds", grown)))


def _first(policies: list[Json], error: str) -> int | None:
    """The place of the first policy that names it, or takes all."""
    return next((place for place, policy in enumerate(policies) if {error, ALL} & set(policy["ErrorEquals"])), None)
