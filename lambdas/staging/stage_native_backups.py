"""Step 4: SQL Server's backup files, copied by S3 into the temporary bucket and compared with the manifest, for RDS to read.

Rows of the bucket and of the objects stand in the ledger before either exists; RemoveStagingBucket (lambdas.staging.bucket) removes both.
"""

from dbrestore.contract import limits
from dbrestore.contract.errors import BackupArchived, NotReady
from dbrestore.contract.plan import Plan
from dbrestore.contract.sections import StagingSection
from dbrestore.contract.sqlserver_errors import StagedBackupMissing
from dbrestore.contract.things import BUCKET, STAGED_OBJECTS
from dbrestore.points.sqlserver import staged as native_staging
from lambdas.archive import retrieve_archive as archive
from lambdas.lookup.source import source_manifest
from lambdas.runtime import invocations
from lambdas.runtime.inputs import PlannedInput
from lambdas.runtime.state import Restore, state
from lambdas.staging import bucket as staging_bucket
from lambdas.staging import check as staging_check
from lambdas.staging import copy as staging_copy
from lambdas.staging.bucket import ROLE, STAGING
from lambdas.staging.copy import Pace, Place
from lambdas.staging.files import StagedFile, staged_files


@state(STAGING, PlannedInput, makes=True)
def stage_native_backups(section: PlannedInput, restore: Restore) -> StagingSection:
    """The files, in the bucket and compared. Raises NotReady until all are."""
    pace = _pace(restore, section.plan)
    with invocations.at_work(restore.ledger, STAGING):
        try:
            return _stage(restore, section.plan, pace)
        except NotReady:
            archive.require_readable(restore)
            raise
        except BackupArchived as error:
            raise archive.again(restore, str(error)) from error


def _pace(restore: Restore, plan: Plan) -> Pace:
    bounds, stopwatch = restore.bounds, restore.surroundings.stopwatch
    until = stopwatch() + limits.STAGING_SECONDS
    with_damage = plan.drill is not None and plan.drill.with_damage
    threads = min(bounds.staging_threads, limits.DAMAGING_THREADS) if with_damage else bounds.staging_threads
    return Pace(lambda: stopwatch() >= until, threads, bounds.staging_part_bytes, with_damage)


def _stage(restore: Restore, plan: Plan, pace: Pace) -> StagingSection:
    s3 = restore.target(plan).s3
    bucket = staging_bucket.ensure(restore, plan, s3)
    prefix = native_staging.restore_prefix(plan.restore_id)
    files = _files(restore, plan)
    row = restore.ledger.intend(STAGED_OBJECTS, ROLE, f"{bucket}/{prefix}")
    if row.state == "INTENT":
        target = Place(s3, bucket, plan.target.account)
        _copy(restore, files, _repository(restore, plan), target, prefix, pace)
        note = staging_check.compare(files, target, pace)
        restore.ledger.created(row.model_copy(update={"note": note}), f"s3://{bucket}/{prefix}")
    return StagingSection(bucket=bucket, prefix=prefix, objects=len(files), bytes=sum(file.length for file in files))


def _copy(restore: Restore, files: tuple[StagedFile, ...], source: Place, target: Place, prefix: str, pace: Pace) -> None:
    try:
        staging_copy.copy(files, source, target, prefix, pace)
    except StagedBackupMissing as error:
        row = restore.ledger.row(BUCKET, ROLE, target.bucket)
        if row and row.created_at and (restore.now() - row.created_at).total_seconds() < restore.bounds.shown_within:
            raise NotReady(f"waiting for S3 to know the bucket {target.bucket} everywhere") from error
        raise


def _files(restore: Restore, plan: Plan) -> tuple[StagedFile, ...]:
    return staged_files(plan, source_manifest(restore, plan))


def _repository(restore: Restore, plan: Plan) -> Place:
    """It lies in the control account, which the execution's ARN names."""
    account = plan.execution_arn.split(":")[4]
    return Place(restore.surroundings.control.s3, restore.settings.repository_bucket, account)
