"""The lease on the temporary bucket of a target account and Region: which restores use it, and under which name.

    STAGING#<account>#<region>   LEASE   {generation, holders: {restore id: role with which RDS reads}, version, lockedUntil}

The bucket's name holds the generation. Restores join a generation while somebody holds it; when nobody does, the next one begins another.
So a generation that lost its last holder never gets one again: whoever sees that may delete its bucket, late, twice or beside others, and
takes it from no restore. With one name for all generations a remover that comes late would delete the bucket of a restore that runs.

The bucket's policy follows the holders, and S3 knows no compare-and-set: so a change of the holders and the policy that follows from it
are one locked section. A holder of the lock that died is waited out.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace

from botocore.exceptions import ClientError

from dbrestore.contract.anchor import AnchoredTarget
from dbrestore.contract.errors import NotReady, RestoreError
from dbrestore.contract.plan import PlannedTarget
from dbrestore.ledger.table import ConditionFailed, Table, Write
from lambdas.runtime.ledger import Ledger

LEASE = "LEASE"
Target = PlannedTarget | AnchoredTarget


@dataclass(frozen=True)
class Lease:
    """As it was read. `version` counts the changes; `locked_until` in milliseconds since 1970, 0 when nobody changes it."""

    generation: int = 0
    holders: Mapping[str, str] = field(default_factory=dict)
    version: int = 0
    locked_until: int = 0

    @property
    def offered(self) -> int:
        """The generation that a restore joins or begins."""
        return self.generation if self.holders else self.generation + 1

    def joined_by(self, restore_id: str, role: str) -> "Lease":
        """What it becomes when this restore holds it too."""
        return replace(self, generation=self.offered, holders={**self.holders, restore_id: role})

    def is_over(self, generation: int) -> bool:
        """Nobody holds this generation, and nobody ever will again."""
        return generation < self.generation or (generation == self.generation and not self.holders)


def read(table: Table, target: Target) -> Lease:
    """The lease as it is now."""
    item = table.get(_key(target), LEASE) or {}
    numbers = (int(item.get(name, 0)) for name in ("version", "lockedUntil"))
    return Lease(int(item.get("generation", 0)), dict(item.get("holders", {})), *numbers)


@contextmanager
def joined(ledger: Ledger, target: Target, seen: Lease, role: str) -> Iterator[Lease]:
    """Hold the generation that `seen` offers; until the end of the block nobody else joins or leaves. Raises NotReady, RestoreClosed."""
    with _changed(ledger, target, seen, seen.joined_by(ledger.restore_id, role), joins=True) as lease:
        yield lease


@contextmanager
def left(ledger: Ledger, target: Target) -> Iterator[Lease]:
    """Hold it no longer; until the end of the block nobody else joins or leaves, unless nobody holds the lease: then its generation is over
    whoever comes. A second time the holders stay as they are. Raises NotReady."""
    seen = read(ledger.table, target)
    if not seen.holders:
        yield seen
        return
    holders = {restore: role for restore, role in seen.holders.items() if restore != ledger.restore_id}
    with _changed(ledger, target, seen, replace(seen, holders=holders)) as lease:
        yield lease


@contextmanager
def _changed(ledger: Ledger, target: Target, seen: Lease, wanted: Lease, joins: bool = False) -> Iterator[Lease]:
    if seen.locked_until > _milliseconds(ledger):
        raise NotReady("waiting for another restore, which begins or ends using the temporary bucket at this moment")
    locked = replace(wanted, version=seen.version + 1, locked_until=_milliseconds(ledger) + int(ledger.bounds.visible_after * 1000))
    _write(ledger, target, locked, [ledger.while_status("RUNNING")] if joins else [])
    try:
        yield locked
    except NotReady:
        # It goes on with this generation: another one for each time that S3 says "later" would be another bucket each time.
        _unlock(ledger.table, target, locked)
        raise
    except (RestoreError, ClientError):
        # Every request was answered: nothing of this change is still under way. Who could not join must not stay a holder: S3 would refuse
        # the policy of all for its sake. The generation stays, so a bucket that it began alone is over.
        _unlock(ledger.table, target, replace(locked, holders=seen.holders) if joins else locked)
        raise
    _unlock(ledger.table, target, locked)


def _write(ledger: Ledger, target: Target, lease: Lease, conditions: list[Write]) -> None:
    try:
        ledger.table.write(_put(ledger.table, target, lease), *conditions)
    except ConditionFailed:
        if conditions:
            ledger.require("RUNNING")
        # The answer of a write that did happen may get lost: then the repeated one finds itself.
        if read(ledger.table, target) != lease:
            raise NotReady("waiting for another restore, which began or ended using the temporary bucket") from None


def _unlock(table: Table, target: Target, locked: Lease) -> None:
    # Whoever waited this change out has changed the lease since.
    with suppress(ConditionFailed):
        table.write(_put(table, target, replace(locked, version=locked.version + 1, locked_until=0)))


def _put(table: Table, target: Target, lease: Lease) -> Write:
    item = {
        "pk": _key(target),
        "sk": LEASE,
        "generation": lease.generation,
        "holders": dict(lease.holders),
        "version": lease.version,
        "lockedUntil": lease.locked_until,
    }
    return table.put(item, "attribute_not_exists(pk) OR #version = :before", before=lease.version - 1)


def _key(target: Target) -> str:
    return f"STAGING#{target.account}#{target.region}"


def _milliseconds(ledger: Ledger) -> int:
    return int(ledger.clock().timestamp() * 1000)
