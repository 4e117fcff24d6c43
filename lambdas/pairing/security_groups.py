"""Steps 3 and 6: two security groups that let the worker reach the instance on its port and nothing else, and their removal.

The rules name the other group, so no address is opened. A group can be deleted only when nobody names or carries it: first off the
instance's list, then the rules of both, then both. EC2 may know a group here and not there for minutes after it was made, and its tags
later still: so groups are looked for by id and by tag, and what is not shown is called gone only when it would have to be shown."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from dbrestore.contract import names
from dbrestore.contract.anchor import Anchor, Whereabouts
from dbrestore.contract.errors import AwsRefused, NotReady
from dbrestore.contract.record import ResourceRow
from dbrestore.contract.refusals import error_code
from dbrestore.contract.sections import SecurityGroupsSection
from dbrestore.contract.things import SECURITY_GROUP, SECURITY_GROUP_RULE, WAY, GroupRole, Way, rule_name
from dbrestore.ledger.stored_rows import Status
from lambdas.pairing import group_list
from lambdas.runtime.aws import TargetAccount, about
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
    rows = {role: _ensure_group(restore, target.ec2, where, role, while_) for role in WAY}
    worker, database = (rows[role].physical_id or "" for role in WAY)
    made_at = max(row.created_at or row.intended_at for row in rows.values())
    with about(made_at, restore.now()):
        _ensure_rule(restore, target.ec2, where, rows["worker"], database, while_)
        _ensure_rule(restore, target.ec2, where, rows["database"], worker, while_)
        _put_on_worker(target, instance_id, (*where.worker.security_group_ids, worker))
        group_list.attach(restore, target, where, database, while_)
    return SecurityGroupsSection(database_group_id=database, worker_group_id=worker)


def _ensure_group(restore: Restore, ec2: "EC2Client", where: Whereabouts, role: GroupRole, while_: Status) -> ResourceRow:
    name = names.resource_name(where.restore_id, role)
    row = restore.ledger.intend(SECURITY_GROUP, role, name, while_, again=True)
    if row.physical_id:
        _require_shown(restore, ec2, row)
        return row
    return restore.ledger.created(row, _create_or_adopt(restore, ec2, where, role, name))


def _require_shown(restore: Restore, ec2: "EC2Client", row: ResourceRow) -> None:
    """A group that somebody deleted, or a remover of a clean-up before this one, is made anew by the next call. Raises NotReady."""
    if _described(ec2, "group-id", row.physical_id or ""):
        restore.ledger.found(row)
        return
    if row.deleted_at:
        restore.ledger.deleted(row)
    else:
        restore.ledger.missed(row)
    raise NotReady(f"the group {row.physical_id} is gone: waiting for the next call, which makes another")


def _create_or_adopt(restore: Restore, ec2: "EC2Client", where: Whereabouts, role: GroupRole, name: str) -> str:
    tags: Any = [{"ResourceType": "security-group", "Tags": names.tags(where, role, name)}]
    text = f"Temporary: restore {where.restore_id} into {where.target.db_instance}"
    try:
        created = ec2.create_security_group(GroupName=name, Description=text, VpcId=where.target.vpc_id, TagSpecifications=tags)
        return created["GroupId"]
    except ClientError as error:
        # There is no client token: a creation whose answer was lost shows itself as a duplicate.
        if error_code(error) != "InvalidGroup.Duplicate":
            raise
    return _adopt(restore, ec2, where, name)


def _adopt(restore: Restore, ec2: "EC2Client", where: Whereabouts, name: str) -> str:
    mine = [group for group in find(ec2, where.restore_id) if group["GroupName"] == name]
    if not mine and restore.waited < restore.bounds.shown_within:
        raise NotReady(f"waiting for EC2 to show the group {name} with its tags")
    if not mine:
        raise AwsRefused(
            f"A security group {name} exists in {where.target.vpc_id} but carries no tag of this restore: "
            "delete or rename it, then start again"
        )
    return mine[0]["GroupId"]


def _ensure_rule(restore: Restore, ec2: "EC2Client", where: Whereabouts, of: ResourceRow, peer: str, while_: Status) -> None:
    role: GroupRole = "worker" if of.role == "worker" else "database"
    group_id = of.physical_id or ""
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
    found = _described(ec2, "group-id", group_id)
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
        if error_code(error) != "InvalidPermission.NotFound":
            raise


def _put_on_worker(target: TargetAccount, instance_id: str, groups: tuple[str, ...]) -> None:
    target.ec2.modify_instance_attribute(InstanceId=instance_id, Groups=list(groups))


def find(ec2: "EC2Client", restore_id: str, ids: Sequence[str] = ()) -> "tuple[SecurityGroupTypeDef, ...]":
    """All groups of a restore, by tag and by the ids that the ledger knows: tags may show later than the groups do."""
    tagged = ec2.describe_security_groups(Filters=names.tagged(restore_id))["SecurityGroups"]
    known = _described(ec2, "group-id", *ids) if ids else []
    return tuple({group["GroupId"]: group for group in (*tagged, *known)}.values())


def _described(ec2: "EC2Client", by: str, *values: str) -> "Sequence[SecurityGroupTypeDef]":
    return ec2.describe_security_groups(Filters=[{"Name": by, "Values": list(values)}])["SecurityGroups"]


@state("UnpairSecurityGroups", RemoverInput)
def unpair_security_groups(section: RemoverInput, restore: Restore) -> None:
    """The entry in the instance's list, the rules and both groups, gone and seen absent."""
    restore.ledger.advance("CLOSING")
    where = restore.ledger.meta().anchor
    target = restore.target(where)
    group_list.detach(restore, target, where)
    _delete_groups(restore, target.ec2, where.restore_id)
    for row in restore.ledger.unsettled(SECURITY_GROUP):
        # EC2 took the deletion, or no look finds the group any more: anything else proves nothing.
        (restore.ledger.deleted if row.deleted_at else restore.ledger.missed)(row)
    for row in restore.ledger.unsettled(SECURITY_GROUP_RULE):
        restore.ledger.seen_absent(row)


def _delete_groups(restore: Restore, ec2: "EC2Client", restore_id: str) -> None:
    rows = restore.ledger.unsettled(SECURITY_GROUP)
    ids = [row.physical_id for row in rows if row.physical_id]
    groups = {group["GroupId"]: group for group in find(ec2, restore_id, ids)}
    for group_id, group in groups.items():
        for way, rules in _rules(group).items():
            _revoke_if_known(ec2, way, group_id, rules)
    # What EC2 doesn't show may be there all the same.
    for group_id in groups.keys() | set(ids):
        if _delete(ec2, group_id):
            _note_removal(restore, rows, group_id, groups.get(group_id))
    if left := find(ec2, restore_id, ids):
        raise NotReady(f"waiting for {', '.join(group['GroupId'] for group in left)} to be deleted")


def delete_with_rules(ec2: "EC2Client", group_id: str) -> None:
    """A group that belongs to nobody any more. Raises NotReady while something carries or names it."""
    for group in _described(ec2, "group-id", group_id):
        for way, rules in _rules(group).items():
            _revoke_if_known(ec2, way, group_id, rules)
    _delete(ec2, group_id)


def _note_removal(restore: Restore, rows: Sequence[ResourceRow], group_id: str, group: "SecurityGroupTypeDef | None") -> None:
    name = group["GroupName"] if group else None
    for row in rows:
        if row.physical_id == group_id or (row.physical_id is None and row.name == name):
            restore.ledger.removal_accepted(row, group_id)


def _revoke_if_known(ec2: "EC2Client", way: Way, group_id: str, rules: Sequence[Any]) -> None:
    try:
        _revoke(ec2, way, group_id, rules)
    except ClientError as error:
        # Its deletion tells how it stands.
        if error_code(error) != "InvalidGroup.NotFound":
            raise


def _delete(ec2: "EC2Client", group_id: str) -> bool:
    """Whether EC2 knew the group, and deletes it. Raises NotReady."""
    try:
        ec2.delete_security_group(GroupId=group_id)
    except ClientError as error:
        if error_code(error) == "DependencyViolation":
            raise NotReady(f"waiting until nothing carries or names the group {group_id} any more") from error
        if error_code(error) != "InvalidGroup.NotFound":
            raise
        return False
    return True
