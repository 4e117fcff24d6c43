"""The lease on the temporary bucket of a target account and Region: which restores use it, and under which name.

    STAGING#<account>#<region>   LEASE   {generation, holders: {restore id: role with which RDS reads}, version}

The bucket's name holds the generation. Restores join a generation while somebody holds it; when nobody does, the next one begins another.
So a generation that lost its last holder never gets one again: whoever sees that may delete its bucket, late, twice or beside others, and
takes it from no restore. With one name for all generations a remover that comes late would delete the bucket of a restore that runs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from lambdas.contract import PlannedTarget
from lambdas.ledger import Ledger
from lambdas.table import ConditionFailed, Table, Write
from repository.errors import NotReady

LEASE = "LEASE"


@dataclass(frozen=True)
class Lease:
    """As it was read. `version` counts the changes."""

    generation: int = 0
    holders: Mapping[str, str] = field(default_factory=dict)
    version: int = 0

    @property
    def offered(self) -> int:
        """The generation that a restore joins or begins."""
        return self.generation if self.holders else self.generation + 1

    def is_over(self, generation: int) -> bool:
        """Nobody holds this generation, and nobody ever will again."""
        return generation < self.generation or (generation == self.generation and not self.holders)


def read(table: Table, target: PlannedTarget) -> Lease:
    """The lease as it is now."""
    item = table.get(_key(target), LEASE) or {}
    return Lease(int(item.get("generation", 0)), dict(item.get("holders", {})), int(item.get("version", 0)))


def acquire(ledger: Ledger, target: PlannedTarget, seen: Lease, role: str) -> None:
    """Begin or join the generation that `seen` offers. Raises NotReady if the lease changed meanwhile, RestoreClosed."""
    if ledger.restore_id in seen.holders:
        return
    holders = {**seen.holders, ledger.restore_id: role}
    change = _change(ledger.table, target, replace(seen, generation=seen.offered, holders=holders))
    try:
        ledger.table.write(change, ledger.while_status("RUNNING"))
    except ConditionFailed:
        ledger.require("RUNNING")
        _require(ledger.restore_id in read(ledger.table, target).holders)


def release(ledger: Ledger, target: PlannedTarget) -> Lease:
    """Hold it no longer; the lease as it is then. A second time it changes nothing. Raises NotReady."""
    seen = read(ledger.table, target)
    if ledger.restore_id not in seen.holders:
        return seen
    holders = {restore: role for restore, role in seen.holders.items() if restore != ledger.restore_id}
    try:
        ledger.table.write(_change(ledger.table, target, replace(seen, holders=holders)))
    except ConditionFailed:
        # The answer of a write that did happen may get lost: then the repeated one finds itself.
        _require(ledger.restore_id not in read(ledger.table, target).holders)
    return read(ledger.table, target)


def _change(table: Table, target: PlannedTarget, lease: Lease) -> Write:
    item = {
        "pk": _key(target), "sk": LEASE, "generation": lease.generation, "holders": dict(lease.holders),
        "version": lease.version + 1,
    }  # fmt: skip
    return table.put(item, "attribute_not_exists(pk) OR #version = :seen", seen=lease.version)


def _require(done: bool) -> None:
    if not done:
        raise NotReady("waiting for another restore, which begins or ends using the temporary bucket at this moment")


def _key(target: PlannedTarget) -> str:
    return f"STAGING#{target.account}#{target.region}"
