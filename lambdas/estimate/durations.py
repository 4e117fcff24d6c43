"""How long each state is expected to take.

Invariant: a number never goes without its basis, so that a reader can tell a figure of S3's own from an assumption of ours.
"""

from collections.abc import Iterator

from dbrestore.contract.manifest import Engine
from dbrestore.contract.plan import DurationItem, Plan, PlannedArchive
from lambdas.estimate.engines import ENGINES
from lambdas.estimate.rates import Span, item, looked_for

BOOT = Span(90, "assumed: boot, installation of the program, registration with SSM")
PAIRING = Span(60, "assumed: RDS takes the new group into its list within a minute")
TERMINATION = Span(60, "assumed: EC2 terminates within a minute")
UNPAIRING = Span(90, "assumed: groups can be deleted when the worker's network interface is gone")
CLOSING = Span(5, "assumed: one function writes the report")


def expected(plan: Plan) -> tuple[DurationItem, ...]:
    """Every state that takes time, in the order of the flow."""
    archive = to_retrieve(plan)
    parts = (
        _retrieval(archive) if archive else (),
        _until_paired(),
        ENGINES[plan.engine].durations(plan),
        _removal(plan),
    )
    return tuple(one for part in parts for one in part)


def reading_hours(size: int, engine: Engine) -> float:
    """Hours from when the data lies ready in S3 until its last byte was read. `size` is what the restore reads by: bytes of COPY text for
    PostgreSQL, whose worker reads while it replays; bytes of the backup files for SQL Server, which is read when it is staged."""
    return (BOOT.seconds + PAIRING.seconds + ENGINES[engine].reading.seconds(size)) / 3600


def to_retrieve(plan: Plan) -> PlannedArchive | None:
    """The archive's part of the plan if anything lies in an archive."""
    return plan.archive if plan.archive and plan.archive.classes else None


def _retrieval(archive: PlannedArchive) -> Iterator[DurationItem]:
    slowest = max(archive.classes, key=lambda one: one.wait_hours)
    told = f"the longest that S3 states for {archive.tier} of {slowest.storage_class}"
    yield item("RetrieveArchive", slowest.wait_hours * 3600, f"{told}; half an hour more if its event is lost")


def _until_paired() -> Iterator[DurationItem]:
    yield looked_for("DeployWorker", BOOT.seconds, BOOT.basis)
    yield looked_for("PairSecurityGroups", PAIRING.seconds, PAIRING.basis)


def _removal(plan: Plan) -> Iterator[DurationItem]:
    yield looked_for("RemoveWorker", TERMINATION.seconds, TERMINATION.basis)
    yield looked_for("UnpairSecurityGroups", UNPAIRING.seconds, UNPAIRING.basis)
    yield from ENGINES[plan.engine].removal(plan)
    yield item("CloseRestore", CLOSING.seconds, CLOSING.basis)
