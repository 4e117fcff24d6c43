"""Steps 3 and 6, the part on the instance or the cluster: our group's entry in its list of security groups, and its removal.

RDS replaces the whole list. Every write is made under a lock from a list that was read under it, and is level-triggered: what others put
there stays, our entry is there or not, and entries of restores that are over (by this ledger) go. So any writer repairs what an earlier
one left."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from dbrestore.contract import limits, names
from dbrestore.contract.anchor import Anchor, Whereabouts
from dbrestore.contract.errors import AwsRefused, LedgerRowUnreadable, NotReady, TargetNotUsable
from dbrestore.contract.record import ResourceRow
from dbrestore.contract.refusals import error_code
from dbrestore.contract.things import GROUP_LIST_ENTRY, SECURITY_GROUP, group_list_entry
from dbrestore.ledger.stored_rows import Status
from lambdas.lookup import instance_status
from lambdas.lookup.instance_status import PASSING, USABLE
from lambdas.pairing import list_owner
from lambdas.pairing.list_owner import BUSY, ListOwner
from lambdas.runtime.aws import TargetAccount
from lambdas.runtime.ledger import Ledger
from lambdas.runtime.locks import give_up_group_list_lock, group_list_lock
from lambdas.runtime.state import Restore
from lambdas.runtime.telemetry import log

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

ROLE = "database"


def attach(restore: Restore, target: TargetAccount, where: Whereabouts, group_id: str, while_: Status) -> None:
    """Our group on the target's list, in force. Raises NotReady, TargetNotUsable."""
    row = restore.ledger.intend(GROUP_LIST_ENTRY, ROLE, group_list_entry(where.restore_id), while_, again=True)
    owner = _there(target, where)
    if owner.memberships.get(group_id) != "active":
        _wait_or_write(restore, target, where, while_, lambda groups: [*groups, group_id])
        raise NotReady(f"waiting until {group_id} is in force on {where.target.db_instance}")
    give_up_group_list_lock(restore.ledger, where.target.arn, restore.state)
    restore.ledger.created(row, group_id)


def keep(restore: Restore, where: Whereabouts) -> None:
    """Our group still on the instance's list, while a job of the worker runs: whoever writes a whole list of their own, such as `terraform
    apply`, takes it off. Sessions go on without it, new ones can't be made. It is put back and the ledger tells when it was missed.

    Raises NotReady while it is being put back, TargetNotUsable if it is taken off again and again, or the instance is gone."""
    row = restore.ledger.row(GROUP_LIST_ENTRY, ROLE, group_list_entry(where.restore_id))
    if row is None or row.state not in ("INTENT", "CREATED") or not row.physical_id:
        return
    target, group_id = restore.target(where), row.physical_id
    owner = _by_its_name(target, where)
    # What is being added is as good as there.
    if owner.memberships.get(group_id) in ("active", "adding"):
        if row.state == "INTENT":
            give_up_group_list_lock(restore.ledger, where.target.arn, restore.state)
            restore.ledger.created(row, group_id)
        return
    _put_back(restore, target, where, restore.ledger.taken_off(row) if row.state == "CREATED" else row)


def require_reachable(restore: Restore, where: Whereabouts) -> None:
    """For a worker that did not reach the server, or could not log in, and can't know why. Raises TargetNotUsable if the target is gone,
    has another name, or is in a state that does not pass by itself."""
    _require_lasting(_by_its_name(restore.target(where), where))


def _by_its_name(target: TargetAccount, where: Whereabouts) -> ListOwner:
    owner = _there(target, where)
    if owner.name != where.target.db_instance:
        raise TargetNotUsable(
            f"{where.target.db_instance} was renamed to {owner.name} while the restore ran, and its "
            "address with it: restore again into the instance by its new name"
        )
    return owner


def _there(target: TargetAccount, where: Whereabouts) -> ListOwner:
    owner = list_owner.find(target.rds, where)
    if owner is None:
        raise TargetNotUsable(f"{where.target.db_instance} was deleted while the restore ran")
    return owner


def _put_back(restore: Restore, target: TargetAccount, where: Whereabouts, row: ResourceRow) -> None:
    group_id, name, times = row.physical_id or "", where.target.db_instance, len(row.taken_off_at)
    if times > limits.PUT_BACK_AT_MOST:
        raise TargetNotUsable(
            f"Somebody took {group_id} off the list of {name} {times} times while the restore ran, last at {row.taken_off_at[-1]:%H:%M:%S} "
            "UTC: stop what writes that list (CloudTrail shows who called ModifyDBInstance), then restore again"
        )
    log.warning("%s was taken off the list of %s (%d.): it is put back", group_id, name, times)
    # Waits for the instance since it was missed, not since the job began, which may be days ago.
    since = replace(restore, waits_since=row.taken_off_at[-1] if row.taken_off_at else restore.waits_since)
    _wait_or_write(since, target, where, "RUNNING", lambda groups: [*groups, group_id])
    # RDS took it: if it is missing once more, somebody took it off once more.
    restore.ledger.created(row, group_id)
    raise NotReady(f"somebody took {group_id} off the list of {name}: it is being put back ({times} of {limits.PUT_BACK_AT_MOST} times)")


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
        _require_settled(restore, owner, while_)
        current = list(owner.memberships)
        wanted = sorted(set(change(_without_dead(restore.ledger, target.ec2, current))))
        if not wanted:
            raise AwsRefused(f"{where.target.db_instance} would be left without any security group: add one of your own")
        if wanted != sorted(current):
            _write(restore, owner, wanted)


def _require_lasting(owner: ListOwner) -> None:
    if owner.status not in USABLE | PASSING:
        raise TargetNotUsable(
            f"{owner.name} is {owner.status} since the restore began, which doesn't resolve by itself: fix that, and restore again"
        )


def _require_settled(restore: Restore, owner: ListOwner, while_: Status) -> None:
    # A clean-up waits all the same: it has nothing better to do.
    if while_ == "RUNNING":
        _require_lasting(owner)
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
