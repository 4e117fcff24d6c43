"""What ticket systems, chats and on-call services take: where, by which method, and in which JSON. One row per kind.

Sources: ServiceNow "Table API"; Jira Cloud platform REST API v2 "Add comment"; Jira Service Management REST API "Create request comment";
GitHub REST API "Create an issue comment"; Zendesk "Update Ticket"; PagerDuty REST API "Create a note on an incident" and Events API v2;
Slack "chat.postMessage".
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal

from pydantic import StringConstraints

from lambdas.configuration.files import Place

KindName = Literal[
    "servicenow", "jira", "jira-service-management", "github", "zendesk", "pagerduty-note", "pagerduty-event", "slack", "generic"
]
FieldName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,79}$")]
Channel = Annotated[str, StringConstraints(pattern=r"^[CGD][A-Z0-9]{6,20}$")]
Mail = Annotated[str, StringConstraints(pattern=r"^[^@\s:]{1,100}@[A-Za-z0-9.-]{1,150}$")]
EXPECTED: Final = {
    "field": "must be the name of a field, like work_notes or u_restore_status",
    "public": "must be true or false",
    "channel": "must be the id of a channel, like C024BE91L (it stands below the channel's details)",
    "from": "must be the mail address of a user of PagerDuty",
}


@dataclass(frozen=True)
class Kind:
    """`shape`: what the path of the address must be, and `like` one that is right. `has_ticket`: a `*` in it is its id. `needs` and
    `takes`: keys of an answer. `body_key`: where the service has its key in the body. `headers` are sent so."""

    method: Literal["POST", "PATCH", "PUT"]
    shape: re.Pattern[str]
    like: str
    has_ticket: bool = True
    needs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    body_key: str | None = None
    opens_incidents: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)


_PAGERDUTY: Final = {"Accept": "application/vnd.pagerduty+json;version=2"}
_GITHUB: Final = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
KINDS: Final[Mapping[str, Kind]] = {
    "servicenow": Kind(
        "PATCH",
        re.compile(r"/api/now/(v\d/)?table/[a-z0-9_]+/\*"),
        "https://example.service-now.com/api/now/table/sc_req_item/*",
        takes=("field",),
    ),
    "jira": Kind("POST", re.compile(r"[^*]*/rest/api/2/issue/\*/comment"), "https://example.atlassian.net/rest/api/2/issue/*/comment"),
    "jira-service-management": Kind(
        "POST",
        re.compile(r"[^*]*/rest/servicedeskapi/request/\*/comment"),
        "https://example.atlassian.net/rest/servicedeskapi/request/*/comment",
        takes=("public",),
    ),
    "github": Kind(
        "POST",
        re.compile(r"(/api/v3)?/repos/[^/*]+/[^/*]+/issues/\*/comments"),
        "https://api.github.com/repos/example/restores/issues/*/comments",
        headers=_GITHUB,
    ),
    "zendesk": Kind("PUT", re.compile(r"/api/v2/tickets/\*"), "https://example.zendesk.com/api/v2/tickets/*", takes=("public",)),
    "pagerduty-note": Kind(
        "POST", re.compile(r"/incidents/\*/notes"), "https://api.pagerduty.com/incidents/*/notes", needs=("from",), headers=_PAGERDUTY
    ),
    "pagerduty-event": Kind(
        "POST",
        re.compile(r"/v2/enqueue"),
        "https://events.pagerduty.com/v2/enqueue",
        has_ticket=False,
        body_key="routing_key",
        opens_incidents=True,
    ),
    "slack": Kind(
        "POST", re.compile(r"/api/chat\.postMessage"), "https://slack.com/api/chat.postMessage", has_ticket=False, needs=("channel",)
    ),
    "generic": Kind("POST", re.compile(r"/[^*]*"), "https://changes.example.com/restores", has_ticket=False),
}
_OWN_KEYS: Final = ("field", "public", "channel", "from")


def flaws(answer: Mapping[str, Any], kind: Kind | None) -> Iterator[tuple[Place, str]]:
    """Place and sentence of what doesn't fit the kind of an answer as the JSON has it."""
    if kind is None:
        return
    for key in kind.needs:
        if answer.get(key) is None:
            yield (key,), f"is missing: {answer['to']} needs it; it {EXPECTED[key]}"
    for key in _OWN_KEYS:
        if answer.get(key) is not None and key not in (*kind.needs, *kind.takes):
            yield (key,), f"is of no use with {answer['to']}: leave it out"
    path = re.match(r"https://[^/]*(/.*)", str(answer.get("url")))
    if path and not kind.shape.fullmatch(path[1]):
        yield ("url",), f"isn't where {answer['to']} takes answers: write one like {kind.like}"
