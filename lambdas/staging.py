"""Step 4: SQL Server's backup files, copied by S3 into the temporary bucket and compared with the manifest, for RDS to read.

Rows of the bucket and of the objects stand in the ledger before either exists; RemoveStagingBucket (lambdas.staging_bucket) removes both.
"""

import time

from lambdas import archive, invocations, limits, staging_bucket, staging_check, staging_copy
from lambdas.contract import Plan
from lambdas.inputs import PlannedInput
from lambdas.sections import StagingSection
from lambdas.staging_bucket import OBJECTS, ROLE, STAGING
from lambdas.staging_copy import Place
from lambdas.staging_files import StagedFile, staged_files
from lambdas.state import Restore, state
from repository import native_staging, stored_points
from repository.errors import BackupArchived, NotReady


@state(STAGING, PlannedInput, makes=True)
def stage_native_backups(section: PlannedInput, restore: Restore) -> StagingSection:
    """The files, in the bucket and compared. Raises NotReady until all are."""
    until = time.monotonic() + limits.STAGING_SECONDS
    with invocations.at_work(restore.ledger, STAGING):
        try:
            return _stage(restore, section.plan, until)
        except NotReady:
            archive.require_readable(restore)
            raise
        except BackupArchived as error:
            raise archive.again(restore, str(error)) from error


def _stage(restore: Restore, plan: Plan, until: float) -> StagingSection:
    s3 = restore.target(plan).s3
    bucket = staging_bucket.ensure(restore, plan, s3)
    prefix = native_staging.restore_prefix(plan.restore_id)
    files = _files(restore, plan)
    row = restore.ledger.intend(OBJECTS, ROLE, f"{bucket}/{prefix}")
    if row.state == "INTENT":
        target = Place(s3, bucket, plan.target.account)
        staging_copy.copy(files, _repository(restore, plan), target, prefix, until)
        note = staging_check.compare(files, target, until)
        restore.ledger.created(row.model_copy(update={"note": note}), f"s3://{bucket}/{prefix}")
    return StagingSection(bucket=bucket, prefix=prefix, objects=len(files), bytes=sum(file.length for file in files))


def _files(restore: Restore, plan: Plan) -> tuple[StagedFile, ...]:
    source = plan.source
    s3, bucket = restore.surroundings.control.s3, restore.settings.repository_bucket
    return staged_files(plan, stored_points.load(s3, bucket, source.db_instance, source.restore_point))


def _repository(restore: Restore, plan: Plan) -> Place:
    """It lies in the control account, which the execution's ARN names."""
    account = plan.execution_arn.split(":")[4]
    return Place(restore.surroundings.control.s3, restore.settings.repository_bucket, account)
