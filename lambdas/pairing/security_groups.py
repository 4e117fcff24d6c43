"""Steps 3 and 6: two security groups that let the worker reach the instance on its port and nothing else, and their removal.

The rules name the other group, so no address is opened. A group can be deleted only when nobody names or carries it: first off the
instance's list, then the rules of both, then both."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from dbrestore.contract import names
from dbrestore.contract.anchor import Anchor, Whereabouts
from dbrestore.contract.errors import AwsRefused, NotReady
from dbrestore.contract.refusals import error_code
from dbrestore.contract.sections import SecurityGroupsSection
from dbrestore.contract.things import SECURITY_GROUP, SECURITY_GROUP_RULE, WAY, GroupRole, Way, rule_name
from dbrestore.ledger.stored_rows import Status
from lambdas.pairing import group_list
from lambdas.runtime.aws import TargetAccount
from lambdas.runtime.inputs import RemoverInput, WorkerInput
from lambdas.runtime.state import Restore, state

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.type_defs import SecurityGroupTypeDef


@state("PairSecurityGroups", WorkerInput, makes=True)
def pair_security_groups(section: WorkerInput, restore: Restore) -> SecurityGroupsSection:
    """The pair, in force on the worker and on the instance."""
    return pair(restore, section.plan, section.worker.instance_id)


def pair(restore: Restore, where: Whereabouts, instance_id: str, while_: Status = "RUNNING") -> SecurityGroupsSection:
    """Make sure that both groups exist with their rules and are in force. Raises NotReady."""
    if isinstance(where, Anchor):
        where.require("worker.security_group_ids", "target.arn", "target.db_instance", "target.port", "target.vpc_id")
    target = restore.target(where)
    worker = _ensure_group(restore, target.ec2, where, "worker", while_)
    database = _ensure_group(restore, target.ec2, where, "database", while_)
    _ensure_rule(restore, target.ec2, where, "worker", worker, database, while_)
    _ensure_rule(restore, target.ec2, where, "database", database, worker, while_)
    _put_on_worker(target, instance_id, (*where.worker.security_group_ids, worker))
    group_list.attach(restore, target, where, database, while_)
    return SecurityGroupsSection(database_group_id=database, worker_group_id=worker)


def _ensure_group(restore: Restore, ec2: "EC2Client", where: Whereabouts, role: GroupRole, while_: Status) -> str:
    name = names.resource_name(where.restore_id, role)
    row = restore.ledger.intend(SECURITY_GROUP, role, name, while_, again=True)
    if row.physical_id:
        return row.physical_id
    group_id = _create_or_adopt(ec2, where, role, name)
    restore.ledger.created(row, group_id)
    return group_id


def _create_or_adopt(ec2: "EC2Client", where: Whereabouts, role: GroupRole, name: str) -> str:
    tags: Any = [{"ResourceType": "security-group", "Tags": names.tags(where, role, name)}]
    text = f"Temporary: restore {where.restore_id} into {where.target.db_instance}"
    try:
        created = ec2.create_security_group(GroupName=name, Description=text, VpcId=where.target.vpc_id, TagSpecifications=tags)
        return created["GroupId"]
    except ClientError as error:
        # There is no client token: a creation whose answer was lost shows itself as a duplicate.
        if error_code(error) != "InvalidGroup.Duplicate":
            raise
    return _adopt(ec2, where, name)


def _adopt(ec2: "EC2Client", where: Whereabouts, name: str) -> str:
    mine = [group for group in find(ec2, where.restore_id) if group["GroupName"] == name]
    if not mine:
        raise AwsRefused(
            f"A security group {name} exists in {where.target.vpc_id} but carries no tag of this restore: "
            "delete or rename it, then start again"
        )
    return mine[0]["GroupId"]


def _ensure_rule(restore: Restore, ec2: "EC2Client", where: Whereabouts, role: GroupRole, group_id: str, peer: str, while_: Status) -> None:
    name = rule_name(where.restore_id, role, where.target.port)
    row = restore.ledger.intend(SECURITY_GROUP_RULE, role, name, while_, again=True)
    rules = _rules(_shown(ec2, group_id))
    for way, present in rules.items():
        # A new group lets everything out: that default goes, and whatever else somebody may have added.
        _revoke(ec2, way, group_id, [r for r in present if way != WAY[role] or not _is_rule(r, where.target.port, peer)])
    if not any(_is_rule(rule, where.target.port, peer) for rule in rules[WAY[role]]):
        _authorize(ec2, WAY[role], group_id, _rule(where.target.port, peer))
    if row.state == "INTENT":
        restore.ledger.created(row, group_id)


def _shown(ec2: "EC2Client", group_id: str) -> "SecurityGroupTypeDef":
    found = ec2.describe_security_groups(Filters=[{"Name": "group-id", "Values": [group_id]}])["SecurityGroups"]
    if not found:
        raise NotReady(f"waiting for EC2 to show the group {group_id}")
    return found[0]


def _rules(group: "SecurityGroupTypeDef") -> dict[Way, Sequence[Any]]:
    return {"ingress": group["IpPermissions"], "egress": group["IpPermissionsEgress"]}


def _is_rule(rule: Mapping[str, Any], port: int, peer: str) -> bool:
    elsewhere = [rule.get(kind) for kind in ("IpRanges", "Ipv6Ranges", "PrefixListIds")]
    peers = [pair["GroupId"] for pair in rule.get("UserIdGroupPairs", [])]
    ports = (rule.get("IpProtocol"), rule.get("FromPort"), rule.get("ToPort"))
    return ports == ("tcp", port, port) and peers == [peer] and not any(elsewhere)


def _rule(port: int, peer: str) -> dict[str, Any]:
    return {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "UserIdGroupPairs": [{"GroupId": peer}]}


def _authorize(ec2: "EC2Client", way: Way, group_id: str, rule: Any) -> None:
    call = ec2.authorize_security_group_ingress if way == "ingress" else ec2.authorize_security_group_egress
    try:
        call(GroupId=group_id, IpPermissions=[rule])
    except ClientError as error:
        if error_code(error) != "InvalidPermission.Duplicate":
            raise


def _revoke(ec2: "EC2Client", way: Way, group_id: str, rules: Sequence[Any]) -> None:
    if not rules:
        return
    call = ec2.revoke_security_group_ingress if way == "ingress" else ec2.revoke_security_group_egress
    try:
        call(GroupId=group_id, IpPermissions=rules)
    except ClientError as error:
        if error_code(error) not in ("InvalidPermission.NotFound", "InvalidGroup.NotFound"):
            raise


def _put_on_worker(target: TargetAccount, instance_id: str, groups: tuple[str, ...]) -> None:
    target.ec2.modify_instance_attribute(InstanceId=instance_id, Groups=list(groups))


def find(ec2: "EC2Client", restore_id: str) -> "tuple[SecurityGroupTypeDef, ...]":
    """All groups of a restore, by tag."""
    return tuple(ec2.describe_security_groups(Filters=names.tagged(restore_id))["SecurityGroups"])


@state("UnpairSecurityGroups", RemoverInput)
def unpair_security_groups(section: RemoverInput, restore: Restore) -> None:
    """The entry in the instance's list, the rules and both groups, gone and seen absent."""
    restore.ledger.advance("CLOSING")
    where = restore.ledger.meta().anchor
    target = restore.target(where)
    group_list.detach(restore, target, where)
    _delete_groups(target.ec2, where.restore_id)
    for row in restore.ledger.unsettled(SECURITY_GROUP, SECURITY_GROUP_RULE):
        restore.ledger.seen_absent(row)


def _delete_groups(ec2: "EC2Client", restore_id: str) -> None:
    groups = find(ec2, restore_id)
    for group in groups:
        for way, rules in _rules(group).items():
            _revoke(ec2, way, group["GroupId"], rules)
    for group in groups:
        _delete(ec2, group["GroupId"])
    if left := find(ec2, restore_id):
        raise NotReady(f"waiting for {', '.join(group['GroupId'] for group in left)} to be deleted")


def _delete(ec2: "EC2Client", group_id: str) -> None:
    try:
        ec2.delete_security_group(GroupId=group_id)
    except ClientError as error:
        if error_code(error) == "DependencyViolation":
            raise NotReady(f"waiting until nothing carries or names the group {group_id} any more") from error
        if error_code(error) != "InvalidGroup.NotFound":
            raise
