"""Who called what: every API call with the role that made it. Nothing is refused; tests compare the list with the roles' policies."""

import re
import threading
from dataclasses import dataclass
from typing import Any

from moto.core.authorization import ActionAuthenticatorMixin

from localcloud.base.corrections import fix
from localcloud.iam import roles

_HERE = "{region}:{account}"
# The parameters that name what a call is about, by service: the first that is there is an ARN, or fills one in.
_NAMED = {
    "dynamodb": {"TableName": f"arn:aws:dynamodb:{_HERE}:table/{{name}}"},
    "ec2": {
        "InstanceId": f"arn:aws:ec2:{_HERE}:instance/{{name}}",
        "InstanceId.1": f"arn:aws:ec2:{_HERE}:instance/{{name}}",
        "GroupId": f"arn:aws:ec2:{_HERE}:security-group/{{name}}",
        "VpcId": f"arn:aws:ec2:{_HERE}:vpc/{{name}}",
    },
    "rds": {
        "DBInstanceIdentifier": f"arn:aws:rds:{_HERE}:db:{{name}}",
        "DBClusterIdentifier": f"arn:aws:rds:{_HERE}:cluster:{{name}}",
    },
    "secretsmanager": {"SecretId": "{name}"},
    "ssm": {
        "Name": f"arn:aws:ssm:{_HERE}:parameter{{name}}",
        "DocumentName": f"arn:aws:ssm:{_HERE}:document/{{name}}",
    },
    "states": {"stateMachineArn": "{name}", "executionArn": "{name}"},
    "sts": {"RoleArn": "{name}"},
}


@dataclass(frozen=True)
class Call:
    """`principal` is a role's ARN or "root"; `action` is written as in a policy, `service:Operation`, with the service of the signature.
    `resource` is an ARN; "*" where the request does not tell it in so many words."""

    principal: str
    action: str
    resource: str = "*"


_calls: list[Call] = []


class _Here(threading.local):
    principal: str = "root"


_here = _Here()


def install(calls: list[Call]) -> None:
    """Append every call from now on to `calls`."""
    global _calls
    _calls = calls
    fix(ActionAuthenticatorMixin, "_authenticate_and_authorize_action", _note)


def _note(original: Any, response: Any, kind: type, resource: str = "*") -> None:
    original(response, kind, resource)
    call = call_of(response, resource)
    _here.principal = call.principal if call else "root"
    if call:
        _calls.append(call)


def call_of(response: Any, resource: str = "*") -> Call | None:
    """What moto is about to answer; `resource` as moto tells it. None if the request has no signature."""
    scope = re.search(r"Credential=([^/]+)/[^/]*/([^/]*)/([^/]+)/", response.headers.get("Authorization", ""))
    if scope is None:
        return None
    # moto tells it for S3 alone.
    about = resource if resource != "*" else _about(response, scope[3], scope[2])
    return Call(principal(scope[1]), f"{scope[3]}:{response._get_action()}", about)


def is_role_asking() -> bool:
    """Whether the request that this thread answers is a role's: what an account's owner asks, people and tests ask."""
    return _here.principal != "root" and not _here.principal.endswith(f":role/{roles.OWNER}")


def _about(response: Any, service: str, region: str) -> str:
    named = _NAMED.get(service, {})
    if response._get_action() == "GetDocument":
        # There `Name` is a document's.
        named = {"Name": named["DocumentName"]}
    for parameter, arn in named.items():
        if name := response._get_param(parameter):
            # AWS's own parameters are of no account.
            account = "" if str(name).startswith("/aws/") else response.current_account
            return arn.format(region=region, account=account, name=name)
    return "*"


def principal(access_key: str) -> str:
    """The ARN of the role whose session the key is of, in any account, or "root"."""
    session = roles.session_of(access_key)
    return str(session.role_arn) if session else "root"
