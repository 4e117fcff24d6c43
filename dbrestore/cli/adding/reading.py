"""Dumps in S3: copied by S3, read by a worker, and waited for. Invariant: of what can be no point nothing of the copies stays; what failed
for another reason is carried on by the same command.

Whoever leaves (Ctrl-C while the worker reads) leaves it running: the point appears all the same, and the same command waits for it again.
"""

from collections.abc import Sequence
from typing import Final

from botocore.exceptions import ClientError

from dbrestore.cli import consoles
from dbrestore.cli.adding.given import Given
from dbrestore.cli.control import ControlPlane
from dbrestore.cli.following import Ended, Progressed, StateChanged, follow
from dbrestore.cli.identity import Restore, started
from dbrestore.contract.error_names import by_name
from dbrestore.contract.errors import BackupUnfit, RequestRefused, RestoreError, RestoreFailed
from dbrestore.contract.questions.additions import AdditionOrder, AdditionStart
from dbrestore.contract.refusals import error_code
from dbrestore.contract.request import TargetRequest, WorkerRequest
from dbrestore.points import stored_points
from dbrestore.points.in_s3 import making, postgresql
from dbrestore.points.in_s3.unfinished import Unfinished
from dbrestore.points.sqlserver.described_points import Added
from dbrestore.points.unfinished_point import Progress

# Nothing but another dump, or another request, changes it.
_FOR_GOOD: Final = (BackupUnfit, RequestRefused)


def add(plane: ControlPlane, given: Given, pairs: Sequence[tuple[str | None, str]], digests: Sequence[str], told: Progress) -> Added:
    """The point. Raises what `postgresql.prepare` does, and what the plan or the worker met."""
    repository = given.repository(plane)
    note = postgresql.prepare(given.source(plane), repository, given.instance, pairs, told, digests=digests, places=given.staying(plane))
    reading = _started(plane, _order(plane, given, note))
    consoles.say(f"A worker reads {'what stays in place' if given.in_place else 'what S3 has copied'}: {reading.restore_id}")
    if error := _end(plane, reading, told):
        if isinstance(error, _FOR_GOOD):
            making.remove(repository, note, error)
        else:
            consoles.say("What S3 has copied stays for two days: the same command carries on with it, and with what was read of it.")
        raise error
    plane.storage.delete_object(Bucket=plane.repository_bucket, Key=note.key)
    return Added((stored_points.load(plane.storage, plane.repository_bucket, note.instance, note.point_ids[0]),), ())


def _order(plane: ControlPlane, given: Given, note: Unfinished) -> AdditionStart:
    near = TargetRequest(db_instance=given.near or given.instance, account=given.account, region=given.region)
    order = AdditionOrder(
        instance=note.instance,
        point_id=note.point_ids[0],
        near=near,
        worker=WorkerRequest.model_validate(given.worker),
        requested_by=plane.account.caller(),
    )
    return AdditionStart(add=order)


def _started(plane: ControlPlane, order: AdditionStart) -> Restore:
    """The execution: the same one while it runs, another after one that ended."""
    again = 0
    while True:
        again += 1
        try:
            answer = plane.executions.start_execution(
                stateMachineArn=plane.state_machine_arn, name=order.execution_name(again), input=order.input_text()
            )
            return started(answer["executionArn"])
        except ClientError as error:
            if error_code(error) != "ExecutionAlreadyExists":
                raise


def _end(plane: ControlPlane, reading: Restore, told: Progress) -> RestoreError | None:
    """Why there is no point; None if there is one."""
    for event in follow(plane, reading.restore_id, reading.arn):
        if isinstance(event, Progressed):
            now = event.progress
            told(now.bytes_done, now.bytes_total, f"reading {now.database}")
        elif isinstance(event, StateChanged) and event.phase.status == "RUNNING":
            told(0, 0, event.phase.state)
        elif isinstance(event, Ended) and event.status != "SUCCEEDED":
            return by_name(event.error.name)(event.error.message) if event.error else RestoreFailed(f"the reading ended {event.status}")
    return None
