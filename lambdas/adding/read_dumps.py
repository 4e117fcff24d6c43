"""A worker reads the dumps that S3 has copied, and the point becomes visible.

A worker that dies is replaced, some times: the next one skips the dumps that were read. Invariant: the manifest is written last and once;
what is in it was found by a worker of this execution.
"""

from dbrestore.contract import keys, limits
from dbrestore.contract.errors import InternalContradiction, NotReady, WorkerLost
from dbrestore.contract.job import Result
from dbrestore.contract.manifest import DatabaseBackup
from dbrestore.contract.plan import Plan, PlannedAddition
from dbrestore.contract.sections import AddedSection
from dbrestore.ledger.reading import numbered
from dbrestore.points.in_s3 import postgresql, unfinished
from dbrestore.points.unfinished_point import write_manifest
from lambdas.databases import job_documents
from lambdas.databases.job_rows import job_row
from lambdas.databases.jobs import ensure_job
from lambdas.databases.outcomes import outcomes, raise_if_any_failed
from lambdas.runtime import invocations
from lambdas.runtime.inputs import WorkerInput
from lambdas.runtime.state import Restore, state
from lambdas.worker import shown_instances
from lambdas.worker.instance import deploy

STATE = "ReadDumps"
JOB_NAME = "read"


@state(STATE, WorkerInput, makes=True)
def read_dumps(section: WorkerInput, restore: Restore) -> AddedSection:
    """The point, readable by everybody who may read the repository. Raises what the worker met: nothing is visible then."""
    plan = section.plan
    if plan.addition is None:
        raise InternalContradiction("/plan/addition: is missing: report this as a bug")
    result = _read(restore, plan, plan.addition, section.worker.instance_id)
    raise_if_any_failed(result)
    # Whoever removes the copies waits until nobody can make a point of them any more.
    with invocations.at_work(restore.ledger, STATE):
        _publish(restore, plan.addition)
    return AddedSection(instance=plan.addition.instance, point_id=plan.addition.point_id, databases=outcomes(result))


def _read(restore: Restore, plan: Plan, addition: PlannedAddition, instance_id: str) -> Result:
    work = job_documents.planned(restore, plan, "read").model_copy(update={"manifest": addition.note, "manifest_sha256": None})
    for number in range(1, limits.READING_WORKERS + 1):
        name = numbered(JOB_NAME, number)
        row = job_row(restore.ledger, name)
        reader = row.instance_id if row else instance_id if number == 1 else _another(restore, plan, number)
        try:
            return ensure_job(restore, plan, reader, name, work, minutes=plan.worker.max_run_minutes)
        except WorkerLost:
            if number == limits.READING_WORKERS:
                raise
            _require_ending(restore, plan, reader)
    raise InternalContradiction("no worker was asked to read: report this as a bug")


def _require_ending(restore: Restore, plan: Plan, instance_id: str) -> None:
    """One that SSM lost may still run: another one is made when it doesn't. Raises NotReady."""
    ec2 = restore.target(plan).ec2
    if shown_instances.state_of(ec2, instance_id) in shown_instances.ALIVE:
        shown_instances.end(ec2, instance_id)
        raise NotReady(f"waiting for {instance_id} to end: SSM no longer hears it")


def _another(restore: Restore, plan: Plan, number: int) -> str:
    return deploy(restore, plan, numbered("worker", number))


def _publish(restore: Restore, addition: PlannedAddition) -> None:
    s3, bucket = restore.surroundings.control.s3, restore.settings.repository_bucket
    note = unfinished.read(s3, bucket, unfinished.key(addition.instance, addition.point_id))
    backups = [_backup(restore, number) for number in range(1, len(note.dumps) + 1)]
    write_manifest(s3, bucket, postgresql.manifest(note, backups))


def _backup(restore: Restore, number: int) -> DatabaseBackup:
    key = keys.backup_key(restore.ledger.restore_id, number)
    body = restore.surroundings.control.s3.get_object(Bucket=restore.settings.evidence_bucket, Key=key)["Body"]
    return DatabaseBackup.from_json_of_any_version(body.read())
