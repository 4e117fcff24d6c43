"""Who calls, by what API Gateway has proven: the API key, the client of the access token, or the principal of the signature.

Nothing that the caller wrote into the body or a header of its own counts here.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dbrestore.contract.api.routes import IAM, OAUTH
from lambdas.configuration.access import AccessConfiguration
from lambdas.entrances.api.refusals import Refusal

# Sessions of other roles may be called whatever their holder likes, those of IAM Identity Center after the person.
_PERSONS = "AWSReservedSSO_"


@dataclass(frozen=True)
class Caller:
    """`name` as in the access configuration. `person` is who that is as far as it is proven: two calls of one person have the same."""

    name: str
    person: str


@dataclass(frozen=True)
class Registered:
    """The names of callers by what API Gateway knows them by: ids of API keys, ids of app clients."""

    keys: Mapping[str, str]
    clients: Mapping[str, str]

    @classmethod
    def of(cls, text: str) -> "Registered":
        """From the function's environment: `{"keys": {<name>: <id>}, "clients": {<name>: <id>}}`."""
        values = json.loads(text or "{}")
        return cls(*({id_: name for name, id_ in values.get(kind, {}).items()} for kind in ("keys", "clients")))


def identified(event: Mapping[str, Any], known: Registered, access: AccessConfiguration) -> Caller:
    """The caller. Raises Refusal for one whom the access configuration doesn't name."""
    context = event.get("requestContext") or {}
    door = str(event.get("resource", ""))
    if door.startswith(OAUTH + "/"):
        claims = (context.get("authorizer") or {}).get("claims") or {}
        name = known.clients.get(str(claims.get("client_id")))
        found = Caller(name, name) if name else None
    elif door.startswith(IAM + "/"):
        found = _of_principal(str((context.get("identity") or {}).get("userArn")), access)
    else:
        name = known.keys.get(str((context.get("identity") or {}).get("apiKeyId")))
        found = Caller(name, name) if name else None
    if found is None or access.named(found.name) is None:
        told = "Who calls is proven, but the access configuration of this installation has no such caller: ask its operator to add one"
        raise Refusal(403, "CallerUnknown", "Not a caller of this API", told)
    return found


def _of_principal(arn: str, access: AccessConfiguration) -> Caller | None:
    for caller in access.callers:
        if caller.principal and _is(arn, caller.principal):
            return Caller(caller.name, _person(arn))
    return None


def _is(arn: str, principal: str) -> bool:
    """Whether a caller's ARN is of this user, or of a session of this role. An assumed role's ARN has lost the role's path."""
    partition, account, kind, name = _parts(principal)
    mine = arn.split(":", 5)
    if len(mine) != 6 or (mine[1], mine[4]) != (partition, account):
        return False
    if kind == "user":
        return arn == principal
    assumed, _, rest = mine[5].partition("/")
    return assumed == "assumed-role" and rest.partition("/")[0] == name.rpartition("/")[2]


def _parts(principal: str) -> tuple[str, str, str, str]:
    _, partition, _, _, account, resource = principal.split(":", 5)
    kind, _, name = resource.partition("/")
    return partition, account, kind, name


def _person(arn: str) -> str:
    """A session's name is a person's only if nobody could choose it: else all sessions of a role are one person."""
    head, _, session = arn.rpartition("/")
    role = head.rpartition("/")[2]
    return arn if role.startswith(_PERSONS) or ":user/" in arn else head if session else arn
