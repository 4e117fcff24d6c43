"""Who called what: every API call with the role that made it. Nothing is refused; tests compare the list with the roles' policies."""

import re
from dataclasses import dataclass
from typing import Any

from moto.core.authorization import ActionAuthenticatorMixin

from localcloud import roles
from localcloud.mending import mend


@dataclass(frozen=True)
class Call:
    """`principal` is a role's ARN or "root"; `action` is written as in a policy, `service:Operation`, with the service of the signature."""

    principal: str
    action: str


_calls: list[Call] = []


def install(calls: list[Call]) -> None:
    """Append every call from now on to `calls`."""
    global _calls
    _calls = calls
    mend(ActionAuthenticatorMixin, "_authenticate_and_authorize_action", _note)


def _note(original: Any, response: Any, *arguments: Any, **keywords: Any) -> None:
    original(response, *arguments, **keywords)
    scope = re.search(r"Credential=([^/]+)/[^/]*/[^/]*/([^/]+)/", response.headers.get("Authorization", ""))
    if scope:
        _calls.append(Call(principal(scope[1]), f"{scope[2]}:{response._get_action()}"))


def principal(access_key: str) -> str:
    """The ARN of the role whose session the key is of, in any account, or "root"."""
    session = roles.session_of(access_key)
    return str(session.role_arn) if session else "root"
