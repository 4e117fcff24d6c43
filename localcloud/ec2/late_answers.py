"""EC2 that is eventually consistent, while `localcloud.base.consistency` says so.

| moto 5.2.5 | fixed to |
|---|---|
| what was made is known at once | instances and groups may be missing from answers for a while |
| asked for by id, it is always found | meanwhile `InvalidInstanceID.NotFound`, `InvalidGroup.NotFound` |
| tags are known at once | they may be missing for a while, and a filter by tag then misses the thing |
| a new state shows at once | an answer may show the state before it |
| changing what is new always succeeds | `InvalidInstanceID.NotFound`, `InvalidGroup.NotFound`; now and then `IncorrectInstanceState` |

A refused call has no effect, TerminateInstances included: AWS's documentation warns that after `InvalidInstanceID.NotFound` the instance
may run on.
"""

import copy
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from moto.ec2.exceptions import EC2ClientError, InvalidInstanceIdError, InvalidSecurityGroupNotFoundError
from moto.ec2.responses import EC2Response

from localcloud.base import consistency
from localcloud.base.consistency import Inconsistency
from localcloud.base.corrections import fix

# Of the time until a new thing is known: until a changed state is.
STATE = 0.2
EARLIER = {"running": ("pending", 0), "shutting-down": ("running", 16), "terminated": ("shutting-down", 32)}


def install() -> None:
    """Fix moto's EC2: whatever is asked of it, not what it holds."""
    fix(EC2Response, "run_instances", _run_instances)
    fix(EC2Response, "create_security_group", _create_security_group)
    fix(EC2Response, "describe_instances", _describe_instances)
    fix(EC2Response, "describe_security_groups", _describe_security_groups)
    fix(EC2Response, "describe_volumes", _describe_volumes)
    fix(EC2Response, "describe_network_interfaces", _describe_network_interfaces)
    fix(EC2Response, "terminate_instances", _changed_instances)
    fix(EC2Response, "modify_instance_attribute", _modify_instance)
    for way in ("ingress", "egress"):
        fix(EC2Response, f"authorize_security_group_{way}", _changed_groups)
        fix(EC2Response, f"revoke_security_group_{way}", _changed_groups)
    fix(EC2Response, "delete_security_group", _changed_groups)


class _Shown:
    """A thing as one answer shows it."""

    def __init__(self, thing: Any, **shown: Any) -> None:
        self._thing = thing
        vars(self).update(shown)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._thing, name)


class _EarlierState:
    def __init__(self, name: str, code: int) -> None:
        self.name, self.code = name, code


def _asked() -> Inconsistency | None:
    """What this call meets; None if nothing."""
    late = consistency.current()
    if late is None or not late.applies():
        return None
    late.call()
    return late


def _run_instances(original: Callable[..., Any], response: Any) -> Any:
    answer = original(response)
    if late := consistency.current():
        for instance in answer.result.instances:
            late.made(instance.id)
            volumes = [device.volume_id for device in instance.block_device_mapping.values()]
            for thing in (*volumes, *(interface.id for interface in instance.nics.values())):
                late.made(thing, with_=instance.id)
    return answer


def _create_security_group(original: Callable[..., Any], response: Any) -> Any:
    answer = original(response)
    if late := consistency.current():
        late.made(answer.result["GroupId"])
    return answer


def _describe_instances(original: Callable[..., Any], response: Any) -> Any:
    late = _asked()
    if late is None:
        return original(response)
    _require_known(late, response._get_param("InstanceIds", []), InvalidInstanceIdError)
    answer = original(response)
    reservations = []
    for reservation in answer.result["Reservations"]:
        shown = copy.copy(reservation)
        shown.instances = [_with_state(late, one) for one in _shown(late, response, reservation.instances)]
        reservations += [shown] if shown.instances else []
    answer.result["Reservations"] = reservations
    return answer


def _with_state(late: Inconsistency, instance: Any) -> Any:
    state = instance._state
    change = f"{instance.id} {state.name}"
    if state.name not in EARLIER:
        return instance
    late.made(change)
    if late.knows(change, "state", STATE):
        return instance
    # Both names: moto judges filters by one and answers with the other.
    earlier = _EarlierState(*EARLIER[state.name])
    return _Shown(instance, _state=earlier, instance_state=earlier)


def _describe_security_groups(original: Callable[..., Any], response: Any) -> Any:
    return _described(original, response, "SecurityGroups", "GroupIds", InvalidSecurityGroupNotFoundError)


def _describe_volumes(original: Callable[..., Any], response: Any) -> Any:
    return _described(original, response, "Volumes")


def _describe_network_interfaces(original: Callable[..., Any], response: Any) -> Any:
    return _described(original, response, "NetworkInterfaces")


def _described(original: Callable[..., Any], response: Any, kind: str, ids: str = "", refusal: Any = None) -> Any:
    late = _asked()
    if late is None:
        return original(response)
    if ids:
        _require_known(late, response._get_param(ids, []), refusal)
    answer = original(response)
    answer.result[kind] = list(_shown(late, response, answer.result[kind]))
    return answer


def _shown(late: Inconsistency, response: Any, things: Iterable[Any]) -> Iterator[Any]:
    by_tag = any(name.startswith("tag") for name in response._filters_from_querystring())
    for thing in things:
        if not late.knows(thing.id):
            continue
        if late.knows(thing.id, "tags"):
            yield thing
        elif not by_tag:
            yield _Shown(thing, tags=[], get_tags=list)


def _require_known(late: Inconsistency, ids: Iterable[str], refusal: Callable[[str], Exception]) -> None:
    for thing in ids:
        if not late.knows(thing):
            raise refusal(thing)


def _changed_instances(original: Callable[..., Any], response: Any) -> Any:
    if late := _asked():
        _require_known(late, response._get_param("InstanceIds", []), InvalidInstanceIdError)
    return original(response)


def _modify_instance(original: Callable[..., Any], response: Any) -> Any:
    if late := _asked():
        instance_id = response._get_param("InstanceId")
        _require_known(late, [instance_id], InvalidInstanceIdError)
        _require_known(late, response._get_param("Groups", []), InvalidSecurityGroupNotFoundError)
        if late.is_young(instance_id) and late.meets("IncorrectInstanceState"):
            raise EC2ClientError("IncorrectInstanceState", f"The instance '{instance_id}' is not in a state from which it can be modified.")
    return original(response)


def _changed_groups(original: Callable[..., Any], response: Any) -> Any:
    if late := _asked():
        permissions = response._get_param("IpPermissions", [])
        pairs = [pair for permission in permissions for pair in permission.get("UserIdGroupPairs", permission.get("Groups", []))]
        ids = [response._get_param("GroupId"), *(pair.get("GroupId") for pair in pairs)]
        _require_known(late, filter(None, ids), InvalidSecurityGroupNotFoundError)
    return original(response)
