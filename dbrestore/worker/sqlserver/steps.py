"""One database on its way through its backup sets: what RDS's list of tasks says is done, and what is to be submitted next.

Invariant: nothing is submitted while a task of it is listed, or could still appear in the list because its submission may have arrived.
A worker that was started again needs no memory for that: the task's S3 key says whose it is and of which set.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from dbrestore.contract.job import NativeDatabaseJob, NativeStep
from dbrestore.contract.sqlserver_errors import NativeTaskFailed, NativeTaskStuck
from dbrestore.worker.base import limits
from dbrestore.worker.base.bounds import Bounds
from dbrestore.worker.sqlserver.messages import error_of_task
from dbrestore.worker.sqlserver.tasks import SLOTS, Listing, Task


@dataclass(frozen=True)
class Submission:
    """What RDS is to do next: restore the `number`-th set (from 0), or, when `step` is None, recover the database after all of them.
    `recover`: the database is usable after it."""

    number: int
    step: NativeStep | None
    recover: bool


Next = Submission | Literal["awaited", "restored"]


@dataclass
class Chain:
    """`lengths` are the bytes of each step's files. `began` is the time by the stopwatch at which its first task was submitted or found,
    `made` the number of the last set that was no log, and the server's time at which the database was made, as seen after it."""

    job: NativeDatabaseJob
    lengths: Sequence[int]
    bounds: Bounds = field(default_factory=Bounds)
    stopwatch: Callable[[], float] = time.monotonic
    began: float | None = None
    bytes_done: int = 0
    current: Task | None = None
    made: tuple[int, datetime | None] | None = None
    _known: int = field(default=-1, init=False)
    _uncertain: int = field(default=-1, init=False)
    _missing_since: dict[int, float] = field(default_factory=dict, init=False)
    _idle_since: datetime | None = field(default=None, init=False)

    @property
    def is_under_way(self) -> bool:
        """Whether RDS works on it now."""
        return self.current is not None and self.current.takes_slot and not self.is_queued

    @property
    def is_queued(self) -> bool:
        """Whether RDS has its task and has not begun it."""
        return self.current is not None and self.current.lifecycle == "CREATED"

    @property
    def seconds(self) -> float:
        """Since its first task was submitted or found."""
        return round(self.stopwatch() - self.began, 3) if self.began else 0.0

    def submitted(self, submission: Submission, *, is_certain: bool) -> None:
        """Note that it was; not certain if the connection was lost before RDS answered."""
        self._known, self._uncertain = (submission.number, -1) if is_certain else (self._known, submission.number)
        self._missing_since.pop(submission.number, None)
        self.began = self.began or self.stopwatch()

    def next(self, listing: Listing) -> Next:
        """What is due. Raises what a failed task means, NativeTaskStuck, NativeTaskFailed if RDS has forgotten one of its tasks."""
        self.current, after, done = None, 0, 0
        is_single = len(self.job.steps) == 1
        for number, (step, length) in enumerate(zip(self.job.steps, self.lengths, strict=True)):
            task = _of_step(listing, step)
            if task is None:
                return self._due(Submission(number, step, recover=is_single))
            self.bytes_done = done + length * task.percent // 100
            if self._is_awaited(number, task, listing):
                return "awaited"
            after, done = task.task_id, done + length
        self.bytes_done = done
        return "restored" if is_single else self._finish(listing, after)

    def _finish(self, listing: Listing, after: int) -> Next:
        number = len(self.job.steps)
        task = listing.finishing(self.job.asked_name, after)
        if task is None:
            return self._due(Submission(number, None, recover=True))
        return "awaited" if self._is_awaited(number, task, listing) else "restored"

    def _due(self, submission: Submission) -> Next:
        """The submission, unless it was made already and its task is only not listed yet."""
        if submission.number not in (self._uncertain, *range(self._known + 1)):
            return submission
        since = self._missing_since.setdefault(submission.number, self.stopwatch())
        is_uncertain = submission.number == self._uncertain
        # What RDS is known to have taken may be missing for as long as a fail-over takes.
        patience = self.bounds.native_look_again_seconds if is_uncertain else self.bounds.native_reconnect_seconds
        if self.stopwatch() - since < patience:
            return "awaited"
        if is_uncertain:
            self._uncertain = -1
            return submission
        raise NativeTaskFailed(
            f"{self.job.asked_name}: RDS accepted the task but no longer lists it, as after a fail-over to another host: restore again "
            "when the instance is available"
        )

    def _is_awaited(self, number: int, task: Task, listing: Listing) -> bool:
        self.current = task
        self._missing_since.pop(number, None)
        self._known = max(self._known, number)
        self.began = self.began or self.stopwatch()
        if not task.is_over:
            self._refuse_stuck(task, listing)
        elif task.lifecycle != "SUCCESS":
            raise error_of_task(task)
        return not task.is_over

    def _refuse_stuck(self, task: Task, listing: Listing) -> None:
        """By the server's clock, and only for the time in which a slot was free for it. RDS may work on one task at a time: behind
        another of the same restore it only waits its turn."""
        restore = self.job.key_prefix.partition("/")[0] + "/"
        if not self.is_queued or listing.running >= SLOTS or listing.works_on(restore):
            self._idle_since = None
            return
        self._idle_since = self._idle_since or listing.now
        if listing.now - self._idle_since > timedelta(seconds=limits.NATIVE_CREATED_SECONDS):
            raise NativeTaskStuck(
                f"{task.database_name}: RDS's task {task.task_id} ({task.task_type}) did not begin in "
                f"{limits.NATIVE_CREATED_SECONDS // 60} minutes although a slot was free: see the instance's events and that its option "
                "group is in sync, then restore again"
            )


def _of_step(listing: Listing, step: NativeStep) -> Task | None:
    """Each set has a folder of its own. If there are two tasks all the same, the one that has not failed counts."""
    folder = step.s3_arn.partition(":::")[2].partition("/")[2].rpartition("/")[0] + "/"
    found = sorted(listing.of_prefix(folder), key=lambda task: task.lifecycle not in ("ERROR", "CANCELLED"))
    return found[-1] if found else None
