"""Steps 4 and 7: SQL Server's backup files in a temporary bucket, RDS's native restore from there, and the bucket's removal.

What is staged has a row in the ledger, so that the remover can tell an empty house from one that nobody looked at.
"""

from lambdas.contract import PlannedInput, RemoverInput
from lambdas.state import Restore, state
from repository.errors import LeftoversRemain, NotSupportedYet

STAGED = ("bucket", "staged-objects")
REASON = "This version restores PostgreSQL only: restore the native backup with rds_restore_database"


@state("StageNativeBackups", PlannedInput, makes=True)
def stage_native_backups(section: PlannedInput, restore: Restore) -> None:
    """Always refuses: PlanRestore lets no SQL Server restore come this far."""
    raise NotSupportedYet(REASON)


@state("RestoreNativeBackups", PlannedInput, makes=True)
def restore_native_backups(section: PlannedInput, restore: Restore) -> None:
    """Always refuses: PlanRestore lets no SQL Server restore come this far."""
    raise NotSupportedYet(REASON)


@state("RemoveStagingBucket", RemoverInput)
def remove_staging_bucket(section: RemoverInput, restore: Restore) -> None:
    """Nothing was staged, says the ledger; if it says otherwise this version can't remove it and must not pass in silence."""
    restore.ledger.advance("CLOSING")
    if staged := restore.ledger.unsettled(*STAGED):
        raise LeftoversRemain(
            f"Made by another version and not removed by this one: {', '.join(r.name for r in staged)}"
        )
