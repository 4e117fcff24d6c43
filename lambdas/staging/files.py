"""Which files of the restore point are staged, and where each goes."""

from dataclasses import dataclass

from dbrestore.contract.errors import DatabaseNotInRestorePoint
from dbrestore.contract.manifest import Manifest, NativeBackupSet, NativeDatabaseBackup, StoredFile
from dbrestore.contract.plan import Plan
from dbrestore.points.sqlserver import staged as native_staging
from dbrestore.points.sqlserver.recovery import needed


@dataclass(frozen=True)
class StagedFile:
    """Stripe `stripe` of `backup_set`, from the repository to `key` in the temporary bucket."""

    stored: StoredFile
    backup_set: NativeBackupSet
    stripe: int
    key: str

    @property
    def source_key(self) -> str:
        return self.stored.key

    @property
    def length(self) -> int:
        return self.stored.length


def staged_files(plan: Plan, manifest: Manifest) -> tuple[StagedFile, ...]:
    """What the plan's databases need up to its point in time. Raises PointInTimeUnreachable, DatabaseNotInRestorePoint."""
    stop_at = plan.native.stop_at if plan.native else None
    return tuple(
        StagedFile(file, one, stripe, native_staging.stripe_key(plan.restore_id, database, number, one.kind, stripe))
        for database, planned in enumerate(plan.databases, 1)
        for number, one in enumerate(needed(_backup(manifest, planned.name), stop_at), 1)
        for stripe, file in enumerate(one.files, 1)
    )


def _backup(manifest: Manifest, name: str) -> NativeDatabaseBackup:
    for backup in manifest.native_databases:
        if backup.name == name:
            return backup
    raise DatabaseNotInRestorePoint(f"{manifest.point_id} has no SQL Server database {name!r}: start the restore again")
