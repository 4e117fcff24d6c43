"""The backup sets that the plan chose."""

import pytest

from dbrestore.contract.errors import PlanOfAnotherVersion
from dbrestore.contract.manifest import NativeDatabaseBackup
from dbrestore.contract.plan import PlannedDatabase, SetRun
from lambdas.lookup.sqlserver import planned_sets
from tests.unit.contract.test_manifest import manifest
from tests.unit.points.sqlserver.test_needed_sets import DIFFERENTIAL, FULL, LOG_2


def planned(*runs: SetRun) -> PlannedDatabase:
    return PlannedDatabase(name="crm", asked_name="crm", temporary_name="crm", bytes=1, rows=0, tables=0, backup_sets=runs)


def test_they_are_taken_from_the_manifest_as_the_plan_says() -> None:
    sets = (FULL, DIFFERENTIAL, LOG_2)
    backup = NativeDatabaseBackup(name="crm", source_name="crm", database_id="i", backup_sets=sets)
    point = manifest().model_copy(update={"native_databases": (backup,)})

    # Not what anybody would choose: it is not chosen again.
    assert planned_sets(point, planned(SetRun(first=1, last=1), SetRun(first=3, last=3))) == (FULL, LOG_2)


def test_a_plan_of_a_version_that_did_not_carry_them_says_so() -> None:
    with pytest.raises(PlanOfAnotherVersion, match="backupSets of 'crm' is missing"):
        planned_sets(manifest(), planned())
