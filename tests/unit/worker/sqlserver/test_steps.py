"""What is due for one database, from RDS's list of tasks alone."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from dbrestore.contract.job import NativeDatabaseJob, NativeStep
from dbrestore.contract.sqlserver_errors import NativeTaskCancelled, NativeTaskFailed, NativeTaskStuck
from dbrestore.worker.base import limits
from dbrestore.worker.sqlserver.steps import Chain, Submission
from dbrestore.worker.sqlserver.tasks import Listing, Task

MOMENT = datetime(2026, 1, 2, 3, 4, 5)
PREFIX = "r-1/1/"
STEPS = tuple(
    NativeStep(kind=kind, s3_arn=f"arn:aws:s3:::bucket/{PREFIX}{number:02}-{kind.lower()}/s-01.bak")
    for number, kind in enumerate(("FULL", "DIFFERENTIAL", "LOG"), start=1)
)


@dataclass
class Stopwatch:
    """The worker's own time, which a test lets pass."""

    seconds: float = 1000.0

    def __call__(self) -> float:
        return self.seconds

    def passes(self, seconds: float) -> None:
        self.seconds += seconds


def chain(steps: int = 3, stopwatch: Callable[[], float] = time.monotonic) -> Chain:
    job = NativeDatabaseJob(backup_name="shop", asked_name="shop", key_prefix=PREFIX, steps=STEPS[:steps])
    return Chain(job, [100] * steps, stopwatch=stopwatch)


def listing(*tasks: Task, minutes: float = 0) -> Listing:
    return Listing(tasks, MOMENT + timedelta(minutes=minutes))


def task(number: int, lifecycle: str = "SUCCESS", percent: int = 100, task_id: int = 0) -> Task:
    """Of the n-th step; the finish after all steps."""
    arn, kind = (STEPS[number].s3_arn, "RESTORE_DB_NORECOVERY") if number < len(STEPS) else ("", "FINISH_RESTORE")
    return Task(task_id or number + 1, kind, "shop", lifecycle, percent, "", MOMENT, arn)


def test_a_single_backup_is_recovered_by_its_own_task() -> None:
    assert chain(1).next(listing()) == Submission(0, STEPS[0], recover=True)
    assert chain(1).next(listing(task(0))) == "restored"


def test_each_step_follows_the_one_before_and_the_finish_follows_all() -> None:
    asked = chain()

    due = [asked.next(listing(*map(task, range(done)))) for done in range(5)]

    assert due == [
        Submission(0, STEPS[0], recover=False),
        Submission(1, STEPS[1], recover=False),
        Submission(2, STEPS[2], recover=False),
        Submission(3, None, recover=True),
        "restored",
    ]
    assert asked.bytes_done == 300


@pytest.mark.parametrize("life", ["CREATED", "IN_PROGRESS", "CANCEL_REQUESTED", "PAUSED"])
@pytest.mark.parametrize("number", [0, 2, 3])
def test_a_task_that_is_not_over_is_awaited(number: int, life: str) -> None:
    asked = chain()

    due = asked.next(listing(*map(task, range(number)), task(number, life, percent=40)))

    assert due == "awaited"
    assert asked.bytes_done == min(number * 100 + 40, 300)


def test_a_failed_task_counts_only_if_there_is_no_better_one() -> None:
    twice = listing(task(0, "IN_PROGRESS", task_id=5), task(0, "ERROR", task_id=6))

    assert chain(1).next(twice) == "awaited"
    with pytest.raises(NativeTaskFailed):
        chain(1).next(listing(task(0, "ERROR")))
    with pytest.raises(NativeTaskCancelled):
        chain(1).next(listing(task(0, "CANCELLED")))


@pytest.mark.parametrize("number", [0, 1, 3])
def test_a_lost_submission_is_looked_for_and_then_due_again(number: int) -> None:
    stopwatch = Stopwatch()
    asked, before = chain(stopwatch=stopwatch), [task(n) for n in range(number)]
    due = asked.next(listing(*before))
    assert isinstance(due, Submission)
    asked.submitted(due, is_certain=False)

    looks = []
    for _ in range(4):
        looks.append(asked.next(listing(*before)))
        stopwatch.passes(limits.NATIVE_LOOK_AGAIN_SECONDS / 2)

    assert looks == ["awaited", "awaited", due, due]


@pytest.mark.parametrize("number", [0, 1, 3])
def test_a_lost_submission_that_arrived_is_never_due_again(number: int) -> None:
    stopwatch = Stopwatch()
    asked, before = chain(stopwatch=stopwatch), [task(n) for n in range(number)]
    due = asked.next(listing(*before))
    assert isinstance(due, Submission)
    asked.submitted(due, is_certain=False)
    assert asked.next(listing(*before)) == "awaited"

    for _ in range(3):
        stopwatch.passes(limits.NATIVE_LOOK_AGAIN_SECONDS)
        assert asked.next(listing(*before, task(number, "IN_PROGRESS"))) == "awaited"


@pytest.mark.parametrize("how", ["answered", "seen"])
def test_a_task_that_rds_forgets_is_not_submitted_twice_but_told(how: str) -> None:
    stopwatch = Stopwatch()
    asked = chain(1, stopwatch)
    due = asked.next(listing())
    assert isinstance(due, Submission)
    if how == "answered":
        asked.submitted(due, is_certain=True)
    else:
        asked.next(listing(task(0, "IN_PROGRESS")))

    assert asked.next(listing()) == "awaited"
    stopwatch.passes(limits.NATIVE_RECONNECT_SECONDS - 1)
    assert asked.next(listing()) == "awaited", "a fail-over takes that long"
    stopwatch.passes(1)

    with pytest.raises(NativeTaskFailed, match="no longer lists it"):
        asked.next(listing())


def test_a_task_is_stuck_by_the_servers_clock_only_while_a_slot_is_free_for_it() -> None:
    asked, waiting = chain(1), task(0, "CREATED", 0)
    others = [Task(90 + n, "BACKUP_DB", f"other{n}", "IN_PROGRESS", 0, "", MOMENT, "") for n in range(2)]

    asked.next(listing(waiting, *others))
    asked.next(listing(waiting, *others, minutes=600))
    asked.next(listing(waiting, others[0], minutes=601))
    asked.next(listing(waiting, others[0], minutes=616))

    with pytest.raises(NativeTaskStuck, match="15 minutes although a slot was free"):
        asked.next(listing(waiting, others[0], minutes=617))


@pytest.mark.parametrize("kind", ["RESTORE_DB", "FINISH_RESTORE"])
def test_a_task_is_not_stuck_behind_another_of_the_same_restore(kind: str) -> None:
    asked, waiting = chain(1), task(0, "CREATED", 0)
    arn = "arn:aws:s3:::bucket/r-1/2/01-full/s-01.bak" if kind == "RESTORE_DB" else ""
    first = Task(90, kind, "crm", "IN_PROGRESS", 5, "", MOMENT, arn)

    asked.next(listing(waiting, first))
    assert asked.next(listing(waiting, first, minutes=600)) == "awaited"
    asked.next(listing(waiting, minutes=601))

    with pytest.raises(NativeTaskStuck):
        asked.next(listing(waiting, minutes=617))


def test_a_task_that_begins_late_is_not_stuck() -> None:
    asked = chain(1)

    asked.next(listing(task(0, "CREATED", 0)))
    asked.next(listing(task(0, "CREATED", 0), minutes=14))

    assert asked.next(listing(task(0, "IN_PROGRESS", 5), minutes=600)) == "awaited"
