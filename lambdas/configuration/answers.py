"""Answers: what of the ends of restores is told to ticket systems, chats and on-call services, where, and with which credentials.

A file of its own, read when the stack is synthesised and by nobody afterwards: EventBridge makes the calls. It holds no secret.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, StringConstraints

from dbrestore.contract.document import Document
from dbrestore.contract.errors import AnswerConfigurationInvalid
from lambdas.configuration import answer_kinds, connections
from lambdas.configuration import files as configuration_file
from lambdas.configuration.access import CallerPattern, fits
from lambdas.configuration.answer_kinds import KINDS, Kind, KindName
from lambdas.configuration.connections import Connection, ConnectionName
from lambdas.configuration.files import Place

DEPLOYED = Path(__file__).parents[2] / "configuration" / "answers.json"

Moment = Literal["started", "approval", "phases", "refused", "succeeded", "failed", "leftovers", "drill", "objective"]
Host = Annotated[str, StringConstraints(max_length=253, pattern=r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]$")]
Address = Annotated[str, StringConstraints(max_length=2048, pattern=r"^https://[a-z0-9.-]+/[A-Za-z0-9._~/*-]*$")]
# An incident is opened by what went wrong alone.
OF_INCIDENTS: Final = ("refused", "failed", "leftovers", "drill", "objective")
EXPECTED: Final = {
    **connections.EXPECTED,
    **answer_kinds.EXPECTED,
    "hosts": "must be the name of a host in lower-case letters, like example.service-now.com, without https:// and without a port",
    "answers/name": connections.EXPECTED["name"],
    "to": f"must be {', '.join(list(KINDS)[:-1])} or {list(KINDS)[-1]}",
    "connection": "must be the name of a connection of this file",
    "url": "must be an address like https://example.service-now.com/api/now/table/incident/*, without port, user or query",
    "when": "must be started, approval, phases, refused, succeeded, failed, leftovers, drill or objective",
    "callers": "must be a caller's name of the access configuration, where * stands for any characters and ? for one, like servicenow*",
    "details": "must be true or false",
    "retries": "must be a number from 0 to 185",
}


class Answer(Document):
    """One place that is told. Of a ticket system: whose tickets (`callers`); `*` in the address is the ticket's id. Of a chat or
    an on-call service: all restores and drills, or those of `callers` alone. `details`: with names of databases and the error's message."""

    comment: Any = Field(default=None, alias="Comment", exclude=True)
    name: ConnectionName
    to: KindName
    connection: str
    url: Address
    when: tuple[Moment, ...] = Field(default=("refused", "succeeded", "failed", "leftovers"), min_length=1, max_length=9)
    callers: tuple[CallerPattern, ...] = Field(default=(), max_length=100)
    details: bool = Field(default=False, description="Whether names of databases and the error's message are told, too.")
    retries: int = Field(default=20, ge=0, le=185, description="How often a call is repeated that was not taken, within 24 hours.")
    field: answer_kinds.FieldName | None = Field(default=None, description="servicenow: the field that is written, work_notes by default.")
    public: bool | None = Field(
        default=None, description="jira-service-management, zendesk: whether who opened the ticket reads it, too; false by default."
    )
    channel: answer_kinds.Channel | None = Field(default=None, description="slack: the channel's id.")
    sender: answer_kinds.Mail | None = Field(
        default=None, alias="from", description="pagerduty-note: the mail address of a user of PagerDuty."
    )


class AnswerConfiguration(Document):
    """The file `configuration/answers.json`. Editors read `$schema`, people `Comment`; both are ignored. Nothing is sent to a host that
    `hosts` doesn't name."""

    schema_: str | None = Field(default=None, alias="$schema", exclude=True)
    comment: Any = Field(default=None, alias="Comment", exclude=True)
    hosts: tuple[Host, ...] = Field(default=(), max_length=40, description="Whom answers may be sent to, tokens included.")
    connections: tuple[Connection, ...] = Field(default=(), max_length=40)
    answers: tuple[Answer, ...] = Field(default=(), max_length=40)

    def connection(self, name: str) -> Connection:
        """The connection of this name. Raises KeyError."""
        return {one.name: one for one in self.connections}[name]


def read(path: Path, callers: Iterable[str] = ()) -> AnswerConfiguration:
    """`callers`: the names of the access configuration. Raises AnswerConfigurationInvalid, one line per problem:
    `answers.json#<JSON pointer> (<answer>): <what to write instead>`."""
    known = tuple(callers)
    return configuration_file.read(
        path,
        AnswerConfiguration,
        AnswerConfigurationInvalid,
        expected=EXPECTED,
        contradictions=lambda values: _contradictions(values, known),
        label=_label,
    )


def _listed(values: Any, key: str) -> list[Any]:
    found = values.get(key) if isinstance(values, dict) else None
    return found if isinstance(found, list) else []


def _objects(values: Any, key: str) -> list[tuple[int, dict[str, Any]]]:
    return [(n, one) for n, one in enumerate(_listed(values, key)) if isinstance(one, dict)]


def _label(place: Place, values: Any) -> str:
    """` (servicenow)` for everything in an answer or a connection that has a name."""
    n = place[1] if len(place) > 1 and place[0] in ("answers", "connections") else None
    one = _listed(values, str(place[0]))[n] if isinstance(n, int) else None
    name = one.get("name") if isinstance(one, dict) else None
    return f" ({name})" if isinstance(name, str) and name else ""


def _contradictions(values: Any, callers: tuple[str, ...]) -> Iterator[tuple[Place, str]]:
    """Place and sentence. Looks at the JSON itself, so that it finds them beside values of a wrong form."""
    declared, answers = _objects(values, "connections"), _objects(values, "answers")
    hosts = [host for host in _listed(values, "hosts") if isinstance(host, str)]
    for key, ones in (("connections", declared), ("answers", answers)):
        yield from _same_names(key, ones)
    used = {answer.get("connection") for _, answer in answers}
    yield from connections.flaws(declared, hosts, used)
    by_name = {str(one.get("name")): one for _, one in declared}
    for n, answer in answers:
        yield from ((("answers", n, *place), sentence) for place, sentence in _of_answer(answer, by_name, hosts, callers))


def _same_names(key: str, ones: list[tuple[int, dict[str, Any]]]) -> Iterator[tuple[Place, str]]:
    taken: dict[str, int] = {}
    for n, one in ones:
        name = one.get("name")
        if isinstance(name, str) and taken.setdefault(name, n) != n:
            yield (key, n, "name"), f"is the name of {key}/{taken[name]} too: give one of them another"


def _of_answer(
    answer: Mapping[str, Any], declared: Mapping[str, Mapping[str, Any]], hosts: list[str], callers: tuple[str, ...]
) -> Iterator[tuple[Place, str]]:
    to = answer.get("to")
    kind = KINDS.get(to) if isinstance(to, str) else None
    yield from answer_kinds.flaws(answer, kind)
    yield from connections.flaws_of_address(("url",), answer.get("url"), hosts)
    connection = declared.get(str(answer.get("connection")))
    if isinstance(answer.get("connection"), str) and connection is None:
        yield ("connection",), f"there is no connection {answer['connection']!r} in this file: add it, or write another's name"
    if kind and connection:
        yield from _of_credentials(kind, connection)
    if kind:
        yield from _of_hearing(answer, kind, callers)


def _of_credentials(kind: Kind, connection: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    is_key = connection.get("by") == "bodyKey"
    if is_key is not (kind.body_key is not None):
        wanted = f'a connection with "by": "bodyKey" and "key": "{kind.body_key}"' if kind.body_key else "basic, header or oauth"
        yield ("connection",), f"{connection.get('name')!r} is by {connection.get('by')}, and this service asks for {wanted}"
    elif is_key and connection.get("key") != kind.body_key:
        yield (
            ("connection",),
            f"{connection.get('name')!r} sends the key {connection.get('key')!r}; this service asks for {kind.body_key!r}",
        )


def _of_hearing(answer: Mapping[str, Any], kind: Kind, known: tuple[str, ...]) -> Iterator[tuple[Place, str]]:
    moments = _listed(answer, "when")
    if kind.opens_incidents:
        for n, moment in enumerate(moments):
            if moment not in OF_INCIDENTS and isinstance(moment, str):
                yield ("when", n), f"{moment!r} would open an incident for what went well: name {', '.join(OF_INCIDENTS)} alone"
        if "when" not in answer:
            yield (
                ("when",),
                f"is missing: by default good ends are told too, and each opens an incident; name some of {', '.join(OF_INCIDENTS)}",
            )
    if "phases" in moments and "approval" in moments:
        yield ("when", moments.index("approval")), "is told by phases already: leave one of them out"
    patterns = _listed(answer, "callers")
    if kind.has_ticket and not patterns:
        yield ("callers",), "is missing: say whose tickets they are, or any caller could have any ticket of this system written to"
    for n, pattern in enumerate(patterns):
        if isinstance(pattern, str) and not any(fits(name, (pattern,)) for name in known):
            yield ("callers", n), f"{pattern!r} fits no caller or hook of the access configuration: write one's name, or add it there"
