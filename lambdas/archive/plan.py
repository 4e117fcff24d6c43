"""The archive's part of the plan: what must be retrieved, how long S3 says that takes, and for how long the copies are asked for."""

import math
from collections.abc import Iterable, Sequence
from itertools import groupby

from dbrestore.contract import limits
from dbrestore.contract.errors import ArchiveTierImpossible
from dbrestore.contract.plan import ArchivedFiles, PlannedArchive
from dbrestore.contract.request import ArchiveTier
from dbrestore.contract.request_problems import Problems
from dbrestore.points.archive_classes import LONGEST_WAIT, NAMES
from lambdas.archive.files import FoundFile

POINTER = "/archive/tier"


def part(
    files: Sequence[FoundFile],
    tier: ArchiveTier,
    reading_hours: float,
    problems: Problems,
    batch: int = limits.ARCHIVE_BATCH,
) -> PlannedArchive:
    """What the plan says of the archive, also if no file is in one now: one may go there while the restore runs. `reading_hours`: how
    long the restore reads the files; `batch`: how many one invocation asks for."""
    archived = [file for file in files if file.is_archived]
    _refuse_impossible(archived, tier, problems)
    classes = tuple(_of_class(name, group, tier) for name, group in _by_class(archived))
    return PlannedArchive(
        tier=tier,
        objects=len(archived),
        bytes=sum(file.length for file in archived),
        classes=classes,
        days=days(max((one.wait_hours for one in classes), default=0.0), reading_hours),
        batches=tuple(range(math.ceil(len(files) / batch))),
    )


def _refuse_impossible(archived: Iterable[FoundFile], tier: ArchiveTier, problems: Problems) -> None:
    for name, group in _by_class(archived):
        possible = LONGEST_WAIT[name]
        if tier not in possible:
            instead = " or ".join(f"{other} (at most {hours:g} hours)" for other, hours in possible.items())
            problems.add(
                ArchiveTierImpossible,
                POINTER,
                f"{len(group):,} of the files are in {NAMES[name]}, which has no {tier} retrieval: ask for {instead}",
            )


def _by_class(archived: Iterable[FoundFile]) -> list[tuple[str, list[FoundFile]]]:
    ordered = sorted(archived, key=lambda file: file.storage_class)
    return [(name, list(group)) for name, group in groupby(ordered, key=lambda file: file.storage_class)]


def _of_class(name: str, files: list[FoundFile], tier: ArchiveTier) -> ArchivedFiles:
    return ArchivedFiles(
        storage_class=name,
        objects=len(files),
        bytes=sum(file.length for file in files),
        wait_hours=round(_wait(name, files, tier), 2),
    )


def _wait(name: str, files: list[FoundFile], tier: ArchiveTier) -> float:
    longest = LONGEST_WAIT[name].get(tier, 0.0)
    if tier != "Expedited":
        return longest
    # Over 250 MB it takes as long as its bytes do.
    return max(longest, max(file.length for file in files) / limits.EXPEDITED_BYTES_PER_SECOND / 3600)


def days(wait_hours: float, reading_hours: float) -> int:
    """For how many days S3 is to keep the copies: half as long again as it should take, and a day for what nobody foresaw. They count
    from the end of the retrieval, so the wait is in it only because files of one restore arrive at different times."""
    return math.ceil((wait_hours + reading_hours) * 1.5 / 24) + 1
