"""The look-up of a database in a manifest."""

from datetime import UTC, datetime

import pytest

from dbrestore.contract.errors import DatabaseNotInRestorePoint
from dbrestore.contract.manifest import DatabaseBackup, Manifest, NativeDatabaseBackup


def manifest() -> Manifest:
    databases = tuple(NativeDatabaseBackup(name=name, source_name=name, database_id="i", backup_sets=()) for name in ("orders", "crm"))
    return Manifest(
        point_id="20261123T051200Z-3fa9c1d2",
        instance="shop",
        engine="sqlserver",
        engine_version="15.0",
        created_at=datetime(2026, 11, 23, tzinfo=UTC),
        native_databases=databases,
    )


def test_a_database_is_found_by_its_name() -> None:
    assert manifest().backup("crm", NativeDatabaseBackup).name == "crm"


def test_a_name_that_the_point_has_not_got_is_refused_with_what_it_has() -> None:
    with pytest.raises(DatabaseNotInRestorePoint) as caught:
        manifest().backup("Crm", NativeDatabaseBackup)

    assert str(caught.value) == "the restore point 20261123T051200Z-3fa9c1d2 has no database 'Crm'; it has crm, orders"


def test_a_database_of_another_engine_is_not_the_one_that_was_asked_for() -> None:
    with pytest.raises(DatabaseNotInRestorePoint):
        manifest().backup("crm", DatabaseBackup)
