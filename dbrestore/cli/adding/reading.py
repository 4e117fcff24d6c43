"""Dumps in S3: copied by S3, read by a worker, and waited for. Invariant: of what can be no point nothing of the copies stays; what failed
for another reason is carried on by the same command.

Whoever leaves (Ctrl-C while the worker reads, or while the execution has the dumps copied) leaves it running: the point appears all the
same, and the same command waits for it again.
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
from dbrestore.points.in_s3 import copying, making, postgresql
from dbrestore.points.in_s3.copying import Repository
from dbrestore.points.in_s3.making import Making
from dbrestore.points.in_s3.unfinished import Unfinished
from dbrestore.points.sqlserver.described_points import Added
from dbrestore.points.unfinished_point import Progress

# Nothing but another dump, or another request, changes it.
_FOR_GOOD: Final = (BackupUnfit, RequestRefused)


def add(plane: ControlPlane, given: Given, pairs: Sequence[tuple[str | None, str]], digests: Sequence[str], told: Progress) -> Added:
    """The point. Raises what `postgresql.prepare` does, and what the plan or the worker met."""
    repository, copied_from = given.repository(plane), given.copied_from(plane)
    note = postgresql.prepare(
        given.source(plane),
        repository,
        given.instance,
        pairs,
        told,
        digests=digests,
        places=given.staying(plane),
        copied_from=copied_from,
        begins=_tell_who_copies,
    )
    reading = _started(plane, _order(plane, given, note))
    consoles.say(f"{_what_happens(note, in_place=given.in_place)}: {reading.restore_id}")
    if error := _end(plane, reading, told):
        _leave(repository, note, error)
        raise error
    if not note.ordered:
        plane.storage.delete_object(Bucket=plane.repository_bucket, Key=note.key)
    return Added((stored_points.load(plane.storage, plane.repository_bucket, note.instance, note.point_ids[0]),), ())


def _tell_who_copies(what: Making) -> None:
    """Before it begins: it may take hours."""
    if what.ordered:
        consoles.say("The execution has S3 copy the dumps: this computer may be switched off meanwhile.")
    elif not what.in_place:
        bucket = what.objects[0].bucket
        consoles.say(
            "S3 copies the dumps at the request of this computer, which must stay switched on until a worker reads them: "
            f"s3://{bucket} is no place that this installation may copy from. Name it in configuration/in_place.json and deploy the "
            "ControlStack, and the execution does it by itself."
        )


def _what_happens(note: Unfinished, *, in_place: bool) -> str:
    if note.ordered:
        return "S3 copies, then a worker reads"
    return f"A worker reads {'what stays in place' if in_place else 'what S3 has copied'}"


def _leave(repository: Repository, note: Unfinished, error: RestoreError) -> None:
    """Who copied removes: what the execution copied, it has removed, or keeps for the same command; another one may be at work on it."""
    if isinstance(error, _FOR_GOOD) and not note.ordered:
        making.remove(repository, note, error)
    elif not note.ordered or not copying.is_empty(repository, note.prefixes[0]):
        consoles.say("What S3 has copied stays for two days: the same command carries on with it, and with what was read of it.")


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
            told(0, 0, event.phase.waiting_for or event.phase.state)
        elif isinstance(event, Ended) and event.status != "SUCCEEDED":
            return by_name(event.error.name)(event.error.message) if event.error else RestoreFailed(f"the reading ended {event.status}")
    return None
