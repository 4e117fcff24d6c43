"""Steps 3 and 6, the part on the instance or the cluster: our group's entry in its list of security groups, and its removal.

RDS replaces the whole list. Every write is made under a lock from a list that was read under it, and is level-triggered: what others put
there stays, our entry is there or not, and entries of restores that are over (by this ledger) go. So any writer repairs what an earlier
one left."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from dbrestore.contract import names
from dbrestore.contract.anchor import Anchor, Whereabouts
from dbrestore.contract.errors import AwsRefused, LedgerRowUnreadable, NotReady, TargetNotUsable
from dbrestore.contract.record import ResourceRow
from dbrestore.contract.refusals import error_code
from dbrestore.contract.things import GROUP_LIST_ENTRY, SECURITY_GROUP, group_list_entry
from dbrestore.ledger.stored_rows import Status
from lambdas.lookup import instance_status
from lambdas.lookup.instance_status import USABLE
from lambdas.pairing import list_owner
from lambdas.pairing.list_owner import BUSY, ListOwner
from lambdas.runtime.aws import TargetAccount
from lambdas.runtime.ledger import Ledger
from lambdas.runtime.locks import give_up_group_list_lock, group_list_lock
from lambdas.runtime.state import Restore

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

ROLE = "database"


def attach(restore: Restore, target: TargetAccount, where: Whereabouts, group_id: str, while_: Status) -> None:
    """Our group on the target's list, in force. Raises NotReady, TargetNotUsable."""
    row = restore.ledger.intend(GROUP_LIST_ENTRY, ROLE, group_list_entry(where.restore_id), while_, again=True)
    owner = list_owner.find(target.rds, where)
    if owner is None:
        raise TargetNotUsable(f"{where.target.db_instance} was deleted while the restore ran")
    if owner.memberships.get(group_id) != "active":
        _wait_or_write(restore, target, where, while_, lambda groups: [*groups, group_id])
        raise NotReady(f"waiting until {group_id} is in force on {where.target.db_instance}")
    give_up_group_list_lock(restore.ledger, where.target.arn, restore.state)
    restore.ledger.created(row, group_id)


def detach(restore: Restore, target: TargetAccount, where: Anchor) -> None:
    """Our group off the target's list, seen absent. Raises NotReady, LedgerRowUnreadable."""
    row = restore.ledger.row(GROUP_LIST_ENTRY, ROLE, group_list_entry(where.restore_id))
    if row is None:
        return
    where.require("target.arn", "target.db_instance")
    owner = list_owner.find(target.rds, where)
    if owner is not None and (ours := _ours(restore.ledger, target.ec2, row, list(owner.memberships))):
        _wait_or_write(restore, target, where, "CLOSING", lambda groups: [g for g in groups if g not in ours])
        raise NotReady(f"waiting until {', '.join(ours)} is off the list of {where.target.db_instance}")
    give_up_group_list_lock(restore.ledger, where.target.arn, restore.state)
    # Looked for every time: as long as the group exists, another writer's late list can bring it back.
    if row.state != "DELETED":
        restore.ledger.seen_absent(row)


def _wait_or_write(
    restore: Restore,
    target: TargetAccount,
    where: Whereabouts,
    while_: Status,
    change: Callable[[list[str]], list[str]],
) -> None:
    with group_list_lock(restore.ledger, where.target.arn, restore.state, while_):
        owner = list_owner.find(target.rds, where)
        if owner is None:
            return
        _require_settled(restore, owner)
        current = list(owner.memberships)
        wanted = sorted(set(change(_without_dead(restore.ledger, target.ec2, current))))
        if not wanted:
            raise AwsRefused(f"{where.target.db_instance} would be left without any security group: add one of your own")
        if wanted != sorted(current):
            _write(restore, owner, wanted)


def _require_settled(restore: Restore, owner: ListOwner) -> None:
    changing = sorted(group for group, state in owner.memberships.items() if state != "active")
    if owner.status not in USABLE:
        raise instance_status.later(owner.name, f"has been {owner.status}", restore.waited)
    if changing:
        raise instance_status.later(owner.name, f"has been changing {', '.join(changing)}", restore.waited)


def _write(restore: Restore, owner: ListOwner, groups: list[str]) -> None:
    try:
        owner.write(groups)
    except ClientError as error:
        # Which of the states in which the server works let the list be changed, RDS alone knows.
        if error_code(error) not in BUSY:
            raise
        raise instance_status.later(owner.name, f"has refused changes ({owner.status})", restore.waited) from error


def _without_dead(ledger: Ledger, ec2: "EC2Client", groups: Sequence[str]) -> list[str]:
    dead = {group["GroupId"] for group in _described(ec2, groups) if _is_dead(ledger, names.tag(group, names.RESTORE_ID))}
    return [group for group in groups if group not in dead]


def _is_dead(ledger: Ledger, restore_id: str | None) -> bool:
    # Only restores of this ledger: another installation's groups are foreign like anybody else's.
    row: ResourceRow | None = None
    if restore_id is not None:
        # What can't be determined of another restore is not changed; its own clean-up names the row.
        with suppress(LedgerRowUnreadable):
            row = Ledger(ledger.table, restore_id, ledger.clock, ledger.bounds).row(GROUP_LIST_ENTRY, ROLE, group_list_entry(restore_id))
    return row is not None and row.state == "DELETED"


def _ours(ledger: Ledger, ec2: "EC2Client", row: ResourceRow, groups: Sequence[str]) -> list[str]:
    # The ids from the ledger count too: the tag may not show yet, or somebody deleted the group, and its tag, before the list was fixed.
    tagged = {g["GroupId"] for g in _described(ec2, groups) if names.tag(g, names.RESTORE_ID) == ledger.restore_id}
    known = {row.physical_id, *(group.physical_id for group in ledger.rows(SECURITY_GROUP))}
    return [group for group in groups if group in tagged | known]


def _described(ec2: "EC2Client", groups: Sequence[str]) -> Sequence[Any]:
    return ec2.describe_security_groups(Filters=[{"Name": "group-id", "Values": list(groups)}])["SecurityGroups"]
