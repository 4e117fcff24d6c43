"""The worker's job that drops what is unfinished, made from the anchor and the ledger's own rows alone: it works whatever version planned
the restore, and needs nothing of the restore point, which may be gone by now."""

from collections.abc import Iterable

from dbrestore.contract.anchor import Anchor, unreadable
from dbrestore.contract.job import Job
from dbrestore.contract.record import ResourceRow
from dbrestore.contract.swaps.exchanges import SwapJob
from dbrestore.contract.things import SWAP
from lambdas.databases.engines import ENGINES
from lambdas.runtime.state import Restore


def of(restore: Restore, where: Anchor, rows: Iterable[ResourceRow], swaps: tuple[SwapJob, ...] = ()) -> Job:
    """Every database of which one of these rows is left, and exchanges of names whose end nobody saw. Raises LedgerRowUnreadable."""
    credentials = () if where.target.iam_user else ("target.secret_arn",)
    where.require("engine", "target.host", "target.port", *credentials)
    if where.engine is None:
        raise unreadable(where.restore_id, ["/anchor/engine is missing"])
    work = ENGINES[where.engine].discard(restore, where, {row.role for row in rows if row.kind != SWAP})
    # A worker's program that is older than this function knows of none.
    return work.model_copy(update={"swaps": swaps}) if swaps else work
