"""Security groups that hold on to what uses them.

| moto 5.2.5 | fixed to |
|---|---|
| DeleteSecurityGroup always succeeds | `DependencyViolation` while an interface, another group's rule or a DB instance uses it |
| an interface asked for with an unknown group invents the group | `InvalidGroup.NotFound` |
| ModifyInstanceAttribute(Groups): unknown ones accepted, not for the interface | `InvalidGroup.NotFound`, for both |
| any number of groups on an interface | at most 5: `SecurityGroupsPerInterfaceLimitExceeded` |

Not simulated: packet filtering. What may reach what is decided by the rules only in the eyes of whoever reads them.
"""

from collections.abc import Callable, Iterator
from typing import Any

from moto.ec2.exceptions import DependencyViolationError, EC2ClientError, InvalidSecurityGroupNotFoundError
from moto.ec2.models.elastic_network_interfaces import NetworkInterfaceBackend
from moto.ec2.models.instances import InstanceBackend
from moto.ec2.models.security_groups import SecurityGroupBackend
from moto.rds.models import rds_backends

from localcloud.base.corrections import fix

# AWS's default quota "security groups per network interface".
GROUPS_PER_INTERFACE = 5


def install() -> None:
    """Fix moto's security groups."""
    fix(SecurityGroupBackend, "delete_security_group", _delete_security_group)
    fix(NetworkInterfaceBackend, "create_network_interface", _create_network_interface)
    fix(InstanceBackend, "modify_instance_security_groups", _modify_instance_security_groups)


def _delete_security_group(original: Callable[..., Any], backend: Any, name: str | None = None, group_id: str | None = None) -> None:
    group = backend.get_security_group_from_id(group_id) if group_id else backend.get_security_group_from_name(name)
    user = next(_users(backend, group), None) if group else None
    if user:
        raise DependencyViolationError(f"resource {group.id} has a dependent object ({user})")
    original(backend, name=name, group_id=group_id)


def _users(backend: Any, group: Any) -> Iterator[str]:
    """Everything that keeps the group from being deleted, by id."""
    for interface in list(backend.enis.values()):
        if any(member.id == group.id for member in interface.group_set):
            yield interface.id
    for other in [member for groups in list(backend.groups.values()) for member in list(groups.values())]:
        rules = [*other.ingress_rules, *other.egress_rules]
        if other.id != group.id and any(rule.source_group.get("GroupId") == group.id for rule in rules):
            yield other.id
    for database in list(rds_backends[backend.account_id][backend.region_name].databases.values()):
        if any(member["VpcSecurityGroupId"] == group.id for member in database.vpc_security_group_membership_list):
            yield database.db_instance_identifier


def _create_network_interface(original: Callable[..., Any], backend: Any, *arguments: Any, **keywords: Any) -> Any:
    _existing_groups(backend, keywords.get("group_ids") or [])
    return original(backend, *arguments, **keywords)


def _modify_instance_security_groups(original: Callable[..., Any], backend: Any, instance_id: str, new_group_id_list: list[str]) -> Any:
    groups = _existing_groups(backend, new_group_id_list)
    instance = original(backend, instance_id, new_group_id_list)
    instance.nics[0]._group_set = groups
    return instance


def _existing_groups(backend: Any, group_ids: list[str]) -> list[Any]:
    groups = {group_id: backend.get_security_group_from_id(group_id) for group_id in group_ids}
    for group_id, group in groups.items():
        if group is None:
            raise InvalidSecurityGroupNotFoundError(group_id)
    if len(groups) > GROUPS_PER_INTERFACE:
        raise EC2ClientError(
            "SecurityGroupsPerInterfaceLimitExceeded",
            f"The maximum number of security groups per interface ({GROUPS_PER_INTERFACE}) has been exceeded.",
        )
    return list(groups.values())
