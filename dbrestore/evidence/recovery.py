"""The clock: how long it took until the databases were verified, and what the time went into."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby
from typing import Final, Literal

from dbrestore.contract.evidence import ClockPart, RecoveryEvidence
from dbrestore.contract.record import PhaseRow, Report

Part = Literal["planning", "archive", "worker and network", "staging", "restore", "verification", "clean-up", "other"]

VERIFYING: Final = "VerifyDatabases"
_PARTS: Final[dict[str, Part]] = {
    "PlanRestore": "planning",
    "RequestRetrieval": "archive",
    "RetrieveArchive": "archive",
    "DeployWorker": "worker and network",
    "PairSecurityGroups": "worker and network",
    "CopyDumps": "staging",
    "StageNativeBackups": "staging",
    "RestoreNativeBackups": "restore",
    "ReplayDumps": "restore",
    VERIFYING: "verification",
    "DiscardUnfinishedDatabases": "clean-up",
    "RemoveWorker": "clean-up",
    "UnpairSecurityGroups": "clean-up",
    "RemoveStagingBucket": "clean-up",
    "RemoveCopies": "clean-up",
    "CloseRestore": "clean-up",
}

Span = tuple[datetime, datetime]


def part_of(state: str) -> Part:
    """What the time of a state went into."""
    return _PARTS.get(state, "other")


def measured(report: Report) -> RecoveryEvidence:
    """Of a restore that is over."""
    verified = [row.ended_at for row in report.phases if row.state == VERIFYING and row.status == "SUCCEEDED" and row.ended_at]
    by_phases = (verified[-1] - report.started_at).total_seconds() if verified else None
    by_drill = report.drill.recovery_seconds if report.drill else None
    return RecoveryEvidence(
        recovery_seconds=by_drill if by_drill is not None else by_phases,
        total_seconds=(report.ended_at - report.started_at).total_seconds(),
        parts=parts(report.phases),
    )


def parts(phases: Iterable[PhaseRow]) -> tuple[ClockPart, ...]:
    """In the order in which the first state of each began."""
    ended = [(part_of(row.state), (row.started_at, row.ended_at)) for row in phases if row.ended_at]
    order = list(dict.fromkeys(part for part, _ in sorted(ended, key=lambda one: one[1][0])))
    by_part = {part: [span for _, span in group] for part, group in groupby(sorted(ended), key=lambda one: one[0])}
    return tuple(ClockPart(name=part, seconds=covered(by_part[part])) for part in order)


def covered(spans: Sequence[Span]) -> float:
    """The seconds that are covered, each once, however many spans cover them."""
    seconds, until = 0.0, None
    for began, ended in sorted(spans):
        start = began if until is None or began > until else until
        if ended > start:
            seconds += (ended - start).total_seconds()
            until = ended
    return seconds
