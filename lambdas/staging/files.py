"""Which files of the restore point are staged, and where each goes."""

from dataclasses import dataclass

from dbrestore.contract.manifest import Manifest, NativeBackupSet, StoredFile
from dbrestore.contract.plan import Plan
from dbrestore.points.sqlserver import staged as native_staging
from lambdas.lookup.sqlserver import planned_sets


@dataclass(frozen=True)
class StagedFile:
    """Stripe `stripe` of `backup_set`, from the repository to `key` in the temporary bucket."""

    stored: StoredFile
    backup_set: NativeBackupSet
    stripe: int
    key: str

    @property
    def source_key(self) -> str:
        """What messages call it."""
        return str(self.stored.place(""))

    @property
    def length(self) -> int:
        return self.stored.length


def staged_files(plan: Plan, manifest: Manifest) -> tuple[StagedFile, ...]:
    """What the plan chose. Raises DatabaseNotInRestorePoint, PlanOfAnotherVersion."""
    return tuple(
        StagedFile(file, one, stripe, native_staging.stripe_key(plan.restore_id, database, number, one.kind, stripe))
        for database, planned in enumerate(plan.databases, 1)
        for number, one in enumerate(planned_sets(manifest, planned), 1)
        for stripe, file in enumerate(one.files, 1)
    )
