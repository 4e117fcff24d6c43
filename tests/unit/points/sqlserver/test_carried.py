"""The choice of backup sets, on its way through a plan."""

import pytest

from dbrestore.contract.errors import BackupDamaged
from dbrestore.contract.manifest import NativeDatabaseBackup
from dbrestore.contract.plan import SetRun
from dbrestore.points.sqlserver import carried, needed_sets
from tests.unit.points.sqlserver.test_needed_sets import DIFFERENTIAL, FULL, LOG_1, LOG_2, LOG_3


def point() -> NativeDatabaseBackup:
    """A full backup, and a differential among its logs."""
    sets = (FULL, LOG_1, DIFFERENTIAL, LOG_2, LOG_3)
    return NativeDatabaseBackup(name="crm", source_name="crm", database_id="i", backup_sets=sets)


@pytest.mark.parametrize("places", [[1], [1, 2, 3], [1, 4, 3, 5], [1, 3, 4, 5], [3, 1]])
def test_the_sets_come_back_in_their_order(places: list[int]) -> None:
    backup = point()
    chosen = [backup.backup_sets[place - 1] for place in places]

    assert list(carried.sets(backup, carried.runs(backup, chosen))) == chosen


def test_what_is_restored_over_a_differential_takes_a_run_for_each_side() -> None:
    backup = point()

    assert carried.runs(backup, needed_sets.needed(backup)) == (
        SetRun(first=1, last=1),
        SetRun(first=3, last=5),
    )


def test_sets_that_follow_each_other_take_one_run() -> None:
    backup = point()

    assert carried.runs(backup, backup.backup_sets[:4]) == (SetRun(first=1, last=4),)


def test_a_choice_survives_equal_sets() -> None:
    one = point().backup_sets[0]
    backup = point().model_copy(update={"backup_sets": (one, one.model_copy(), one.model_copy())})

    assert carried.runs(backup, [backup.backup_sets[0], backup.backup_sets[2]]) == (
        SetRun(first=1, last=1),
        SetRun(first=3, last=3),
    )


def test_a_manifest_that_has_become_shorter_is_not_the_plans() -> None:
    backup = point()
    runs = carried.runs(backup, needed_sets.needed(backup))
    shorter = backup.model_copy(update={"backup_sets": backup.backup_sets[:1]})

    with pytest.raises(BackupDamaged, match=r"has 1 backup sets of .* start the restore again"):
        carried.sets(shorter, runs)
