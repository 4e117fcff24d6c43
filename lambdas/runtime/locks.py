"""The lock on an instance's list of security groups: RDS replaces the whole list and offers no compare-and-set.

A holder that died is waited out: its lock ends by itself after four function time-outs. The same step of the same restore gets its lock
back at once; another step of the same restore only after the first one's function can no longer run. Each acquisition has a higher fence,
and only the holder of that fence releases, so a holder that comes back late releases nothing. A step that finds its work done by a holder
that died before it released gives up that lock, so that nobody else waits for it."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from dbrestore.contract import limits
from dbrestore.contract.errors import NotReady
from dbrestore.ledger.stored_rows import Status
from dbrestore.ledger.table import ConditionFailed, Item
from lambdas.runtime.database_locks import LOCK
from lambdas.runtime.ledger import Ledger


@contextmanager
def group_list_lock(ledger: Ledger, instance_arn: str, holder: str, while_: Status) -> Iterator[None]:
    """Hold the lock for one read and one write of the list, while the restore has this status. Raises NotReady, RestoreClosed."""
    fence = _acquire(ledger, f"GROUPS#{instance_arn}", holder, while_)
    try:
        yield
    finally:
        _release(ledger, f"GROUPS#{instance_arn}", fence)


def give_up_group_list_lock(ledger: Ledger, instance_arn: str, holder: str) -> None:
    """Release what an earlier try of this very step of this restore still holds; nothing otherwise."""
    found = ledger.table.get(f"GROUPS#{instance_arn}", LOCK) or {}
    if (found.get("restoreId"), found.get("holder")) == (ledger.restore_id, holder):
        _release(ledger, f"GROUPS#{instance_arn}", int(found["fence"]))


def _acquire(ledger: Ledger, name: str, holder: str, while_: Status) -> int:
    now = int(ledger.clock().timestamp())
    found = ledger.table.get(name, LOCK) or {}
    if not _is_free(found, ledger.restore_id, holder, now, ledger.bounds.visible_after):
        raise NotReady(f"waiting for restore {found['restoreId']}, which changes the instance's group list")
    fence = int(found.get("fence", 0)) + 1
    lock = {
        "pk": name,
        "sk": LOCK,
        "restoreId": ledger.restore_id,
        "holder": holder,
        "since": now,
        "expires": now + limits.LOCK_SECONDS,
        "fence": fence,
    }
    # The fence doubles as the version: nobody else may have taken the lock since it was read.
    unchanged = "attribute_not_exists(pk) OR #fence = :seen"
    try:
        ledger.table.write(ledger.table.put(lock, unchanged, seen=fence - 1), ledger.while_status(while_))
    except ConditionFailed:
        ledger.require(while_)
        return _ours_after_all(ledger, name, holder, fence)
    return fence


def _is_free(lock: Item, restore_id: str, holder: str, now: int, visible_after: float) -> bool:
    if not lock.get("restoreId") or int(lock["expires"]) < now:
        return True
    if lock["restoreId"] != restore_id:
        return False
    return bool(lock["holder"] == holder or int(lock["since"]) + visible_after < now)


def _ours_after_all(ledger: Ledger, name: str, holder: str, fence: int) -> int:
    found = ledger.table.get(name, LOCK) or {}
    # The answer of a write that did happen may get lost: then the repeated write finds its own lock.
    if (found.get("restoreId"), found.get("holder"), found.get("fence")) == (ledger.restore_id, holder, fence):
        return fence
    raise NotReady("waiting for another restore, which changes the instance's group list")


def _release(ledger: Ledger, name: str, fence: int) -> None:
    change = "REMOVE restoreId, #holder, #since, #expires"
    with suppress(ConditionFailed):
        ledger.table.write(ledger.table.update(name, LOCK, change, "#fence = :fence", fence=fence))
