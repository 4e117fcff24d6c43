"""Restore points in the ledger: who reads one and who removes it. Invariant: never both.

    pk                       sk                 what
    POINT#<instance>/<id>    USE                `users`: restores that read it and aren't CLOSED; `removalSince` while and after it is
                                                removed, `removedAt` when that was over
    REMOVALS                 <instance>/<id>    a removal that isn't over: what the clock finishes if the function died

A restore is opened in one transaction with a write of the point's row, and a removal begins with a write of the same row: whoever comes
second finds the first. Both go by this one item: a query that follows a write may still miss a row of a transaction that came before it
(Amazon DynamoDB Developer Guide, "Isolation levels for DynamoDB transactions": queries are read-committed).
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from dbrestore.contract.anchor import AnchoredSource
from dbrestore.contract.errors import LedgerRowUnreadable, RestorePointInUse, RestorePointRemoved
from dbrestore.contract.plan import PlannedSource
from dbrestore.ledger import anchor_reading
from dbrestore.ledger.reading import META, open_restores
from dbrestore.ledger.table import ConditionFailed, Item, Table, Write

REMOVALS: Final = "REMOVALS"
_USE: Final = "USE"
# Between the clocks of two functions. A point that somebody brings back can be restored so long after its removal.
_CLOCKS_APART: Final = timedelta(minutes=5)
Source = PlannedSource | AnchoredSource


@dataclass(frozen=True)
class Removal:
    """A removal that isn't over. `since` tells how long it has been going on, `asked_by` who wanted it."""

    instance: str
    point_id: str
    since: datetime
    asked_by: str | None = None

    @property
    def name(self) -> str:
        """`<instance>/<point id>`."""
        return f"{self.instance}/{self.point_id}"


def read_by(table: Table, source: Source, restore_id: str, started_at: datetime) -> Write:
    """Say that a restore reads the point; its condition fails for a point that is being removed, or was after the restore looked it up."""
    change = "ADD #users :reader"
    free = "attribute_not_exists(removalSince) OR removedAt < :looked"
    return table.update(_pk(source), _USE, change, free, reader={restore_id}, looked=_text(started_at - _CLOCKS_APART))


def require_unremoved(table: Table, source: Source, started_at: datetime) -> None:
    """Raises RestorePointRemoved if that is why `read_by` failed."""
    row = table.get(_pk(source), _USE) or {}
    over_since = row.get("removedAt")
    if "removalSince" in row and not (over_since and str(over_since) < _text(started_at - _CLOCKS_APART)):
        raise RestorePointRemoved(
            f"The restore point {source.restore_point} of {source.db_instance} is being removed since {str(row['removalSince'])[:19]} UTC, "
            "or is gone already: choose another one (`dbrestore points list`)"
        )


def given_back(table: Table, source: Source, restore_id: str) -> list[Write]:
    """Say that the restore no longer reads it; nothing if it never said so."""
    if not source.restore_point or restore_id not in (table.get(_pk(source), _USE) or {}).get("users", ()):
        return []
    return [table.update(_pk(source), _USE, "DELETE #users :reader", reader={restore_id})]


def begin(table: Table, removal: Removal) -> Removal:
    """Say that it is being removed: from here on no restore of it can begin. What is under way already comes back as it began. Raises
    RestorePointInUse."""
    _forget_closed(table, removal)
    try:
        table.write(*_beginning(table, removal))
    except ConditionFailed:
        if under_way := find(table, removal.instance, removal.point_id):
            return under_way
        raise in_use(removal, readers(table, removal)) from None
    # Those that a version opened which wrote no row of the point.
    if found := readers(table, removal):
        withdraw(table, removal)
        raise in_use(removal, found)
    return removal


def find(table: Table, instance: str, point_id: str) -> Removal | None:
    """The removal of the point, if one isn't over."""
    row = table.get(REMOVALS, f"{instance}/{point_id}")
    return _read(row) if row else None


def readers(table: Table, removal: Removal) -> list[str]:
    """Restores that aren't CLOSED and read it."""
    told = {str(user) for user in (table.get(_pk_of(removal), _USE) or {}).get("users", ())}
    opened = {restore_id for restore_id in open_restores(table) if _reads(table, restore_id, removal)}
    return sorted(opened | {user for user in told if not _is_closed(table, user)})


def in_use(removal: Removal, found: list[str]) -> RestorePointInUse:
    """The error, with the restores that read it."""
    some = ", ".join(found) or "a restore that begins at this moment"
    return RestorePointInUse(f"{removal.point_id}: {some} reads it and isn't over: nothing was removed; wait for its end or cancel it")


def withdraw(table: Table, removal: Removal) -> None:
    """Say that it is not removed after all; nothing of it was touched. A removal that began at another time stays as it is."""
    same = "removalSince = :since AND attribute_not_exists(removedAt)"
    row = table.update(_pk_of(removal), _USE, "REMOVE removalSince", same, since=_text(removal.since))
    with suppress(ConditionFailed):
        table.write(row, table.delete(REMOVALS, removal.name))


def over(table: Table, removal: Removal, now: datetime) -> None:
    """Say that nothing of it is left in the listing."""
    row = table.update(_pk_of(removal), _USE, "SET removedAt = :now", now=_text(now))
    table.write(row, table.delete(REMOVALS, removal.name))


def unfinished(table: Table) -> Iterator[Removal]:
    """Removals that aren't over."""
    return map(_read, table.query(REMOVALS))


def _read(row: Item) -> Removal:
    instance, _, point_id = str(row["sk"]).rpartition("/")
    return Removal(instance, point_id, datetime.fromisoformat(str(row["since"])), row.get("askedBy"))


def removed_at(table: Table, instance: str, point_id: str) -> str | None:
    """When its removal was over, as text; None if there was none."""
    found = (table.get(f"POINT#{instance}/{point_id}", _USE) or {}).get("removedAt")
    return str(found) if found else None


def _beginning(table: Table, removal: Removal) -> tuple[Write, Write]:
    # One that was brought back has the end of its earlier removal.
    free = "attribute_not_exists(#users) AND (attribute_not_exists(removalSince) OR attribute_exists(removedAt))"
    change = "SET removalSince = :since, askedBy = :by REMOVE removedAt"
    row = table.update(_pk_of(removal), _USE, change, free, since=_text(removal.since), by=removal.asked_by or "")
    return row, table.put({"pk": REMOVALS, "sk": removal.name, "since": _text(removal.since), "askedBy": removal.asked_by})


def _forget_closed(table: Table, removal: Removal) -> None:
    """Restores that a version closed which knew nothing of the row."""
    told = (table.get(_pk_of(removal), _USE) or {}).get("users", ())
    if closed := {str(user) for user in told if _is_closed(table, str(user))}:
        table.write(table.update(_pk_of(removal), _USE, "DELETE #users :closed", closed=closed))


def _is_closed(table: Table, restore_id: str) -> bool:
    meta = table.get(restore_id, META)
    return meta is not None and meta.get("status") == "CLOSED"


def _reads(table: Table, restore_id: str, removal: Removal) -> bool:
    """What can't be read counts as reading: nobody can tell that it doesn't."""
    meta: Item | None = table.get(restore_id, META)
    if meta is None or meta.get("status") == "CLOSED":
        return False
    try:
        source = anchor_reading.read(restore_id, meta).anchor.source
    except LedgerRowUnreadable:
        return True
    return not source.restore_point or (source.db_instance, source.restore_point) == (removal.instance, removal.point_id)


def _pk(source: Source) -> str:
    return f"POINT#{source.db_instance}/{source.restore_point}"


def _pk_of(removal: Removal) -> str:
    return f"POINT#{removal.name}"


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
