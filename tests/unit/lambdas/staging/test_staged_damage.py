"""Damage on purpose: in the copy alone, in each file, and found without checksums."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from dbrestore.contract.drills import PlannedDrill
from dbrestore.contract.errors import BackupDamaged
from dbrestore.contract.sqlserver_errors import StagedCopyDiffers
from tests.unit.lambdas.staging.staged_backups import BUCKET, UNEQUAL, files, parts, stage_until, stored, there, without_crc32
from tests.unit.lambdas.staging.staged_restores import (
    Account,
    Staged,
    big,
    until_done,
)
from tests.unit.points.sqlserver.backups import Written

__all__ = ["parts", "there"]


def with_damage(restore: Staged) -> Staged:
    drill = PlannedDrill(name="weekly", with_damage=True, point_made_at=datetime.now(UTC))
    return replace(restore, plan=restore.plan.model_copy(update={"drill": drill}))


SIZES = [Written(), big(5), big(6), big(12), big(21)]


@pytest.mark.parametrize("what", SIZES, ids=["small", "just over a part", "6 MiB", "12 MiB", "21 MiB"])
def test_damage_on_purpose_is_found_in_the_copy_and_the_original_stays(there: Account, what: Written) -> None:
    point = there.point(what)
    restore = with_damage(there.restore(point))
    [source] = files(point)
    before = stored(there, "repository", source)

    with pytest.raises(StagedCopyDiffers, match="S3 computed the checksum"):
        until_done(restore.stage)

    [(copy, length)] = there.objects(BUCKET).items()
    found = stored(there, BUCKET, copy)
    assert (length, found[1:], found[0] ^ before[0]) == (len(before), before[1:], 1)
    assert stored(there, "repository", source) == before
    assert there.uploads(BUCKET) == []


def test_damage_on_purpose_is_in_each_file_and_no_checksum_is_needed_to_find_it(there: Account) -> None:
    point = without_crc32(there, there.point(big(12, stripe=1, stripes=2, free=UNEQUAL), big(7, stripe=2, stripes=2, free=UNEQUAL)))
    restore = with_damage(there.restore(point))

    with pytest.raises(StagedCopyDiffers, match="isn't a native SQL Server backup"):
        until_done(restore.stage)

    assert [stored(there, BUCKET, key)[:4] for key in there.objects(BUCKET)] == [b"UAPE", b"UAPE"]


def test_damage_on_purpose_carries_on_where_an_invocation_stopped(there: Account, parts: list[int]) -> None:
    restore = with_damage(there.restore(there.point(big(21))))
    there.bounds = replace(there.bounds, staging_threads=1)
    stage_until(there, restore, lambda: len(parts) >= 2)

    with pytest.raises(StagedCopyDiffers):
        until_done(restore.stage)

    assert parts == [2, 3, 4, 5]


def test_damage_on_purpose_needs_a_file_that_can_be_read(there: Account) -> None:
    point = there.point(big(12))
    there.s3.delete_object(Bucket="repository", Key=files(point)[0])

    with pytest.raises(BackupDamaged, match="is no longer in the repository"):
        until_done(with_damage(there.restore(point)).stage)
