"""What became of restore points that were to be removed, as people read it. What isn't freed yet is never called freed."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from dbrestore.cli.views.units import number, size
from dbrestore.contract.questions.removal import BilledLonger, Outcome, PointRemoval

WORDS: Final[dict[Outcome, str]] = {"removed": "removed", "removable": "would remove", "refused": "kept", "unfinished": "not yet removed"}


def amount(some: Iterable[PointRemoval]) -> str:
    """`3 files, 1.2 GB`."""
    all_of_them = list(some)
    files = sum(one.files for one in all_of_them)
    return f"{number(files)} {'file' if files == 1 else 'files'}, {size(sum(one.bytes for one in all_of_them))}"


def sums(told: Sequence[PointRemoval]) -> list[str]:
    """When S3 frees the bytes of what is removed, and what it bills beyond that."""
    gone = [one for one in told if one.outcome in ("removed", "removable")]
    return [*_kept_versions(gone), *_billed_longer(gone)] if gone else []


def _kept_versions(gone: list[PointRemoval]) -> list[str]:
    versioned = [one for one in gone if one.versioned]
    if not versioned:
        return []
    dates = [one.freed_at for one in versioned]
    if until := _latest(dates):
        return [f"Not freed yet: S3 keeps {amount(versioned)} as old versions and bills them until {until:%Y-%m-%d}"]
    return [
        f"Not freed: S3 keeps {amount(versioned)} as old versions and bills them for ever, because no lifecycle rule of the bucket deletes "
        "old versions (NoncurrentVersionExpiration)"
    ]


def _latest(dates: list[datetime | None]) -> datetime | None:
    """None if one of them is never freed."""
    known = [at for at in dates if at]
    return max(known) if len(known) == len(dates) else None


def _billed_longer(gone: list[PointRemoval]) -> list[str]:
    by_class: dict[str, list[BilledLonger]] = {}
    for one in gone:
        for billed in one.billed_longer:
            by_class.setdefault(billed.storage_class, []).append(billed)
    return [
        f"{size(sum(one.bytes for one in some))} in {name} are billed as if they stayed until {max(one.until for one in some):%Y-%m-%d} at "
        "least: the class has a minimum storage duration"
        for name, some in sorted(by_class.items())
    ]
