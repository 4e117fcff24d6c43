"""What the worker is asked about exchanges of names, and how its answers settle the ledger's rows.

A row of the kind `swap` is INTENT before the job is sent, like everything else that a restore does to the server. It is settled when a
worker has looked which name holds what: KEPT if the exchange was done, DELETED if it was not, with the truth as its note.
"""

from collections.abc import Iterable

from dbrestore.contract.anchor import Anchor
from dbrestore.contract.job import Result, SwapResult
from dbrestore.contract.swaps.exchanges import PlannedSwap, SwapJob
from dbrestore.contract.things import SWAP
from lambdas.databases import swap_records
from lambdas.databases.repeated_jobs import told_so_far
from lambdas.databases.verify_databases import JOB_NAME as VERIFY
from lambdas.runtime.ledger import Ledger
from lambdas.runtime.state import Restore


def asked(restore: Restore, swap: PlannedSwap) -> tuple[SwapJob, ...]:
    """Each exchange with the identities that are known by now: a restore's own verification tells that of the restored one."""
    verified = told_so_far(restore, VERIFY)
    identities = {database.asked_name: database.identity for database in verified.databases} if verified else {}
    return tuple(
        SwapJob(
            action=swap.action,
            sessions=swap.sessions,
            seconds=swap.minutes * 60,
            **one.model_dump() | {"restored_id": one.restored_id or identities.get(one.restored_as, "")},
        )
        for one in swap.exchanges
    )


def intend(ledger: Ledger, swaps: Iterable[SwapJob]) -> None:
    """Write down what will be exchanged, or dropped."""
    for swap in swaps:
        ledger.intend(SWAP, swap.name, swap.kept_as)


def settle(ledger: Ledger, where: Anchor, result: Result) -> None:
    """What a worker saw of each exchange."""
    seen = {swap.name: swap for swap in result.swaps}
    for row in ledger.unsettled(SWAP):
        if found := seen.get(row.role):
            # The record first: a function that dies between the two comes again, because the row isn't settled.
            swap_records.note(ledger, where, found)
            if found.is_done:
                ledger.kept(row, row.name, _told(found))
            else:
                ledger.deleted(row, f"not done: {found.truth}")


def unsettled(restore: Restore, where: Anchor) -> tuple[SwapJob, ...]:
    """Those that nobody has seen the end of. With them goes what the job that was sent knew of them."""
    names = {row.role for row in restore.ledger.unsettled(SWAP)}
    if not names or where.swap is None:
        return ()
    planned = PlannedSwap.model_validate({"sessions": "wait", "minutes": 1, **where.swap.model_dump()})
    return tuple(swap for swap in asked(restore, planned) if swap.name in names)


def _told(found: SwapResult) -> str:
    if found.action == "drop":
        return f"{found.kept_as!r} was dropped"
    return found.truth
