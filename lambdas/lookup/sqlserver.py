"""The backup sets that a SQL Server database is restored from: those that the plan chose, and nobody chooses again."""

from dbrestore.contract.manifest import Manifest, NativeBackupSet, NativeDatabaseBackup
from dbrestore.contract.plan import PlannedDatabase
from dbrestore.ledger import stored_plan
from dbrestore.points.sqlserver import carried


def planned_sets(manifest: Manifest, database: PlannedDatabase) -> tuple[NativeBackupSet, ...]:
    """In the order of restoring. Raises DatabaseNotInRestorePoint, BackupDamaged if the manifest is not the plan's, and
    PlanOfAnotherVersion for a plan that carries no choice."""
    if not database.backup_sets:
        raise stored_plan.of_another_version([f"/plan/databases: backupSets of {database.name!r} is missing"])
    return carried.sets(manifest.backup(database.name, NativeDatabaseBackup), database.backup_sets)
