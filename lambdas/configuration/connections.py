"""Connections: how a call to another system proves who makes it. Secrets are named, never held; EventBridge keeps copies of its own."""

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Annotated, Any, Final, Literal

from pydantic import Field, StringConstraints

from dbrestore.contract.allowed import credentials as allowed_credentials
from dbrestore.contract.document import Document
from lambdas.configuration import hooks
from lambdas.configuration.files import Place
from lambdas.configuration.hooks import SecretArn

# Roles are called <prefix>-answer-<name>-<Region>, in 64 characters.
ConnectionName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,23}$")]
# API Reference of EventBridge, CreateConnection: no ":" in what is put into a header.
HeaderText = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f:\x7f]{1,256}$")]
HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,100}$")]
BodyKey = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,99}$")]
TokenUrl = Annotated[str, StringConstraints(max_length=2048, pattern=r"^https://[a-z0-9.-]+/[A-Za-z0-9._~/-]*$")]
By = Literal["basic", "header", "oauth", "bodyKey"]

EXPECTED: Final = {
    "name": "must be 1 to 24 lower-case letters, digits and -, a letter first, like servicenow",
    "by": "must be basic, header, oauth or bodyKey",
    "secret": hooks.EXPECTED["secrets"],
    "user": "must be a user's name without a colon",
    "header": "must be the name of a header, like Authorization",
    "prefix": 'must be text without a colon that stands before the secret, like "Bearer "',
    "key": "must be a key of the body, like routing_key",
    "clientId": "must be the id of an OAuth client, without a colon",
    "tokenUrl": "must be an address like https://id.example.com/oauth2/token, without port, user or query",
    "parameters": 'must be texts that are sent with the request for a token, like {"scope": "tickets"}',
}
# Which keys a kind of connection needs, and which it may have.
NEEDED: Final[Mapping[str, tuple[str, ...]]] = {
    "basic": ("user",),
    "header": ("header",),
    "oauth": ("clientId", "tokenUrl"),
    "bodyKey": ("key",),
}
POSSIBLE: Final[Mapping[str, tuple[str, ...]]] = {"header": ("prefix",), "oauth": ("parameters",)}
_OWN_KEYS: Final = ("user", "header", "prefix", "clientId", "tokenUrl", "parameters", "key")


class Connection(Document):
    """`by`: basic (user and password), header (a key or token in a header), oauth (client credentials) or bodyKey (a key in the JSON that
    is sent, as PagerDuty's events have). `secret` is the password, the key, or the client's secret, as plain text."""

    comment: Any = Field(default=None, alias="Comment", exclude=True)
    name: ConnectionName
    by: By
    secret: SecretArn = Field(
        description="A secret of this account and Region, by its ARN; its text may have no colon, 512 characters at most."
    )
    user: HeaderText | None = Field(default=None, description="Only with basic.")
    header: HeaderName | None = Field(default=None, description="Only with header: its name, like Authorization.")
    prefix: HeaderText | None = Field(default=None, description="Only with header: what stands there before the secret, like `Bearer `.")
    client_id: HeaderText | None = Field(default=None, description="Only with oauth.")
    token_url: TokenUrl | None = Field(default=None, description="Only with oauth: where a token is asked for.")
    parameters: dict[str, str] = Field(
        default_factory=dict, max_length=10, description="Only with oauth: what is sent with that beside grant_type, like scope."
    )
    key: BodyKey | None = Field(default=None, description="Only with bodyKey: under which key the secret stands.")


def flaws(declared: Sequence[tuple[int, Mapping[str, Any]]], hosts: Sequence[str], used: Set[Any]) -> Iterator[tuple[Place, str]]:
    """Place and sentence of what is wrong with connections as the JSON has them; `used`: the names that answers mention."""
    home: tuple[str, str] | None = None
    for n, connection in declared:
        place: Place = ("connections", n)
        yield from (((*place, *inner), sentence) for inner, sentence in _of_keys(connection))
        yield from flaws_of_address((*place, "tokenUrl"), connection.get("tokenUrl"), hosts)
        if isinstance(connection.get("name"), str) and connection["name"] not in used:
            yield (*place, "name"), "is used by no answer: leave the connection out, or name it in one"
        arn = connection.get("secret")
        if isinstance(arn, str) and arn.count(":") == 6:
            home = home or allowed_credentials.place_of(arn)
            if allowed_credentials.place_of(arn) != home:
                yield (*place, "secret"), "is of another account or Region than the first: all must be of the installation's own"


def _of_keys(connection: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    by = connection.get("by")
    if not isinstance(by, str) or by not in NEEDED:
        return
    for key in NEEDED[by]:
        if not connection.get(key):
            yield (key,), f'is missing: "by": "{by}" needs it; it {EXPECTED[key]}'
    for key in _OWN_KEYS:
        if connection.get(key) is not None and key not in (*NEEDED[by], *POSSIBLE.get(by, ())):
            yield (key,), f"is of no use with {by}: leave it out"
    if isinstance(connection.get("parameters"), dict) and "grant_type" in connection["parameters"]:
        yield ("parameters", "grant_type"), "is client_credentials always: leave it out"


def flaws_of_address(place: Place, address: Any, hosts: Sequence[str]) -> Iterator[tuple[Place, str]]:
    """What is wrong with where something is sent, its form apart."""
    found = re.match(r"https://([^/]*)/", address) if isinstance(address, str) else None
    if found is None:
        return
    if found[1] == "hooks.slack.com":
        yield place, "is a secret by itself: whoever reads it can write. Use https://slack.com/api/chat.postMessage with a bot's token"
    elif found[1] not in hosts:
        yield place, f"{found[1]!r} isn't among this file's hosts: nothing is sent there. Add it to hosts if it is meant"
