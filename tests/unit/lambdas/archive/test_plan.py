"""What the plan says of the archive, from the classes of the files alone."""

from typing import Any

import pytest

from dbrestore.contract.errors import ArchiveTierImpossible
from dbrestore.contract.plan import PlannedArchive
from dbrestore.contract.request_problems import Problems
from lambdas.archive import plan as archive_plan
from lambdas.archive.files import FoundFile

READABLE = ("STANDARD", "GLACIER_IR", "INTELLIGENT_TIERING", "ONEZONE_IA")


def part(tier: Any, *classes: str, reading_hours: float = 1.0, length: int = 100) -> PlannedArchive:
    """The plan's part for a file of each class. Raises what the problems are."""
    problems = Problems()
    files = [FoundFile(f"a/{n}", length, name) for n, name in enumerate(classes)]
    planned = archive_plan.part(files, tier, reading_hours, problems)
    problems.raise_if_any()
    return planned


def test_only_what_lies_in_an_archive_is_counted() -> None:
    planned = part("Standard", *READABLE, "GLACIER", "DEEP_ARCHIVE", "ARCHIVE_ACCESS", "GLACIER")

    told = {one.storage_class: (one.objects, one.bytes, one.wait_hours) for one in planned.classes}
    assert told == {"ARCHIVE_ACCESS": (1, 100, 5), "DEEP_ARCHIVE": (1, 100, 12), "GLACIER": (2, 200, 5)}
    assert (planned.objects, planned.bytes, planned.batches) == (4, 400, (0,))


@pytest.mark.parametrize("storage_class", ["DEEP_ARCHIVE", "DEEP_ARCHIVE_ACCESS"])
def test_a_tier_that_one_class_of_a_mixed_point_has_not_is_refused_for_that_class_alone(storage_class: str) -> None:
    with pytest.raises(ArchiveTierImpossible) as caught:
        part("Expedited", "GLACIER", storage_class, "ARCHIVE_ACCESS", storage_class)

    assert str(caught.value).startswith(f"/archive/tier: 2 of the files are in {archive_plan.NAMES[storage_class]}, ")
    assert "Flexible Retrieval" not in str(caught.value)


def test_the_copies_are_kept_half_as_long_again_as_waiting_and_reading_take_and_a_day() -> None:
    assert part("Bulk", "DEEP_ARCHIVE", reading_hours=40).days == 7
    assert part("Standard", "GLACIER", reading_hours=0.1).days == 2


def test_a_large_file_takes_an_expedited_retrieval_as_long_as_its_bytes_do() -> None:
    hour_at_s3s_own_speed = 300_000_000 * 3600

    planned = part("Expedited", "GLACIER", length=hour_at_s3s_own_speed)

    assert planned.classes[0].wait_hours == 1
