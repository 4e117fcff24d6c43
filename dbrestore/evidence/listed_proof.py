"""What the ledger's list keeps of the proof of a restore."""

from collections.abc import Iterable
from typing import Final

from dbrestore.contract.evidence import ListedProof, ProvenDatabase
from dbrestore.contract.job import Result
from dbrestore.contract.record import Report
from dbrestore.evidence import databases, point, recovery, verdict

LONGEST: Final = 500


def listed(report: Report, results: Iterable[Result]) -> ListedProof | None:
    """Of a restore that is over; None of what restores nothing, so that it proves nothing and fails no backup either."""
    if report.mode in ("add", "swap"):
        return None
    found = databases.gathered(report.databases, results)
    of_point = point.unread(report, "")
    return ListedProof(
        outcome=(judged := verdict.judged(report, found, of_point)).outcome,
        why=judged.sentence[:LONGEST],
        drill=report.drill.name if report.drill else None,
        source=report.source.db_instance,
        restore_point=report.source.restore_point,
        age_seconds=of_point.age_seconds,
        recovery_seconds=recovery.measured(report).recovery_seconds,
        databases=tuple(ProvenDatabase(name=one.name, proven=one.proven, seconds=one.seconds) for one in found),
    )
