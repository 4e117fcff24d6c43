"""Hooks: signed webhooks of other systems, which of them concern us, and the request that such an event becomes.

Part of the access configuration. Secrets are named, never held; what the sender's data puts into a request is data, never an expression.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import Field, StringConstraints

from dbrestore.contract import form_problems
from dbrestore.contract.allowed import credentials as allowed_credentials
from dbrestore.contract.document import Document
from dbrestore.contract.request_problems import Problems
from dbrestore.contract.request_problems import read as read_request
from lambdas.configuration import expressions
from lambdas.configuration.caller_names import CallerName
from lambdas.configuration.files import Place

SchemeName = Literal["github", "jira", "pagerduty", "zendesk", "standard-webhooks"]
# With the six characters that Secrets Manager adds: without them a policy's statement would be for another secret, or for none.
SecretArn = Annotated[
    str, StringConstraints(pattern=r"^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:\d{12}:secret:[A-Za-z0-9/_+=.@!-]{1,512}-[A-Za-z0-9]{6}$")
]
Expression = Annotated[str, StringConstraints(min_length=1, max_length=expressions.LONGEST)]

EXPECTED: Final = {
    "hooks/name": "must be 1 to 32 lower-case letters, digits and -, a letter first, like jira",
    "scheme": "must be github, jira, pagerduty, zendesk or standard-webhooks",
    "secrets": "must be the whole ARN of a secret, like arn:aws:secretsmanager:eu-central-1:123456789012:secret:github-Ab12Cd",
    "when": "must be a JMESPath expression, like webhookEvent == 'jira:issue_updated'",
    "idempotencyKey": "must be a JMESPath expression, like issue.key",
    "request": 'must be a request, like {"target": {"dbInstance": "orders-test"}, "databases": [{"name": "{% issue.fields.database %}"}]}',
}
# Where data of a sender may stand: what is restored from where into what, and why. Whatever else a request can say, the operator says.
OPEN: Final = (
    ("target", "dbInstance"),
    ("target", "account"),
    ("target", "region"),
    ("source",),
    ("databases",),
    ("sqlserver", "stopAt"),
    ("reason",),
    ("requestedBy",),
    ("ticket",),
)
_OURS: Final = {"permittedBy": "is for the API to say: leave it out", "mode": "must be restore, or be left out: hooks restore"}
# What stands for an expression while everything around it is looked at, by the key.
_STAND_INS: Final[Mapping[str, Any]] = {
    "account": "123456789012",
    "region": "eu-central-1",
    "stopAt": "2026-01-01T00:00:00",
    "source": {},
    "ticket": {},
    "restorePoint": "latest",
}


class Hook(Document):
    """One sender of signed webhooks, at `POST /hooks/<name>`. Its name is the caller's in rules. What it sends becomes a restore if its
    signature is right, `when` is true, and a rule lets the hook restore that. JMESPath expressions see the JSON body, and no header:
    headers aren't signed."""

    comment: Any = Field(default=None, alias="Comment", exclude=True)
    name: CallerName
    scheme: SchemeName = Field(description="How the sender signs.")
    secrets: tuple[SecretArn, ...] = Field(
        min_length=1,
        max_length=2,
        description="Secrets of this account and Region, by their ARNs. With two either fits, so that one can go.",
    )
    when: Expression = Field(
        description="A JMESPath expression. Events for which it isn't true are answered with 204, and nothing is done."
    )
    request: dict[str, Any] = Field(
        description="A restore request. A string `{% expression %}` is replaced by the value that the event has there; "
        "a key whose expression has no value is left out."
    )
    idempotency_key: Expression | None = Field(
        default=None, description="A JMESPath expression: events with the same value are one restore. Without it equal bodies are."
    )


def flaws(hooks: Sequence[tuple[int, Mapping[str, Any]]], callers: Iterable[str]) -> Iterator[tuple[Place, str]]:
    """Place and sentence of what is wrong with hooks as the JSON has them, `callers` being the names that are taken already."""
    yield from _of_names(hooks, callers)
    yield from _of_secrets([(("hooks", n, "secrets", m), arn) for n, hook in hooks for m, arn in enumerate(_secrets(hook))])
    for n, hook in hooks:
        yield from ((("hooks", n, *place), sentence) for place, sentence in _of_hook(hook))


def _of_names(hooks: Sequence[tuple[int, Mapping[str, Any]]], callers: Iterable[str]) -> Iterator[tuple[Place, str]]:
    taken = dict.fromkeys(callers, "a caller")
    for n, hook in hooks:
        name = hook.get("name")
        if isinstance(name, str):
            if name in taken:
                yield ("hooks", n, "name"), f"is that of {taken[name]} too: who calls could not be told apart"
            taken.setdefault(name, f"hooks/{n}")


def _of_secrets(secrets: Sequence[tuple[Place, Any]]) -> Iterator[tuple[Place, str]]:
    taken: set[str] = set()
    home: tuple[str, str] | None = None
    for place, arn in secrets:
        if not isinstance(arn, str) or arn.count(":") != 6:
            continue
        home = home or allowed_credentials.place_of(arn)
        if arn in taken:
            yield place, "stands in this file twice: what is signed for one hook would fit another, and a second secret would be none"
        if allowed_credentials.place_of(arn) != home:
            yield place, "is of another account or Region than the first: all must be of the installation's own"
        taken.add(arn)


def _secrets(hook: Mapping[str, Any]) -> list[Any]:
    given = hook.get("secrets")
    return given if isinstance(given, list) else []


def _of_hook(hook: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    for key in ("when", "idempotencyKey"):
        text = hook.get(key)
        if isinstance(text, str) and (expressions.inside(text) is not None or expressions.is_half(text)):
            yield (key,), "is always an expression: write it without {% and %}"
        elif isinstance(text, str) and text and (wrong := expressions.flaw(text)):
            yield (key,), wrong
    request = hook.get("request")
    if isinstance(request, dict):
        yield from ((("request", *place), sentence) for place, sentence in _of_mapping(request))


def _of_mapping(request: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    """Its expressions by themselves, and the rest as the request that it is, each expression standing for something that fits."""
    open_places: list[Place] = []
    for place, text in _strings(request, ()):
        if expressions.is_half(text):
            yield place, "is text and expression in one: make the whole string an expression, like {% join('-', ['a', b]) %}"
        inside = expressions.inside(text)
        if inside is None:
            continue
        open_places.append(place)
        if wrong := expressions.flaw(inside):
            yield place, wrong
        if not any(place[: len(free)] == free for free in OPEN):
            yield place, f"can't come from the sender: write the value, or put expressions into {', '.join(map('/'.join, OPEN))} alone"
    yield from _of_the_rest(request, open_places)


def _of_the_rest(request: Mapping[str, Any], open_places: list[Place]) -> Iterator[tuple[Place, str]]:
    for key, sentence in _OURS.items():
        if key in request and request[key] != "restore":
            yield (key,), sentence
    problems = Problems()
    read_request(_filled({key: value for key, value in request.items() if key not in _OURS}, ()), problems)
    pointers = tuple(form_problems.pointer(place) for place in open_places)
    for problem in problems.found:
        if not any(problem.pointer == pointer or problem.pointer.startswith(f"{pointer}/") for pointer in pointers):
            yield _place(problem.pointer), problem.sentence


def _strings(value: Any, place: Place) -> Iterator[tuple[Place, str]]:
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _strings(inner, (*place, key))


def _filled(value: Any, place: Place) -> Any:
    if isinstance(value, dict):
        return {key: _filled(inner, (*place, key)) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, (*place, n)) for n, inner in enumerate(value)]
    if expressions.inside(value) is None:
        return value
    if place == ("databases",):
        return ["stands-for-several"]
    # A name of its own each time: that two expressions differ is for the event to say.
    return _STAND_INS.get(str(place[-1]), f"stands-for-{'-'.join(map(str, place))}")


def _place(pointer: str) -> Place:
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:] if part)
