"""Runs tasks side by side on a few connections, those first that the longest chain of others waits for: rows, indexes, foreign keys,
materialized views.

Invariants: two tasks of which one needs a lock unit (a table, or all tables of a partition tree) for itself never run at once, so none can
wait in a circle; what fails for a passing reason is repeated while nothing else runs. Cost per task: a few steps, however many wait.
"""

import heapq
import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace

import psycopg

from dbrestore.worker.base import limits
from dbrestore.worker.postgresql.session import Connection, is_transient

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Task:
    """`cost` (bytes, roughly) orders the tasks that are ready, with that of what waits for them; `units` is what it locks, for itself if it
    is `exclusive`, and `shared` what it locks like others; `after` names the tasks it waits for. `covers`: the dump ids of the entries that
    are done with it, besides the one whose name it has. One that `helps` another is taken when there is nothing else to do. It leaves
    nothing behind when it fails, so that it may be repeated. `foreseen` is called, perhaps more than once, while it is among those
    that are taken next: what will come from elsewhere can be asked for."""

    name: int
    cost: int
    run: Callable[[Connection], None]
    units: frozenset[int] = frozenset()
    exclusive: bool = True
    after: set[int] = field(default_factory=set)
    helps: bool = False
    shared: frozenset[int] = frozenset()
    covers: Collection[int] = ()
    foreseen: Callable[[], None] = lambda: None

    def needs_alone(self, unit: int) -> bool:
        """Whether nobody else may have the unit meanwhile."""
        return self.exclusive and unit in self.units


@dataclass(frozen=True, order=True, slots=True)
class Waiting:
    """A task that is ready: the longest chain first, then as given. `woken_by`: the unit that it waited for until a moment ago."""

    order: tuple[bool, int, int]
    name: int
    woken_by: int | None = field(default=None, compare=False)


class Schedule:
    """The tasks that wait, run and are done. All methods may be called from any thread. `looks` counts how often a task was considered."""

    def __init__(self, tasks: list[Task]) -> None:
        self._tasks = {task.name: task for task in tasks}
        self._unmet = {task.name: len(task.after & self._tasks.keys()) for task in tasks}
        self._followers: dict[int, list[int]] = {}
        for task in tasks:
            for name in task.after & self._tasks.keys():
                self._followers.setdefault(name, []).append(task.name)
        chains = _chains(tasks, self._unmet, self._followers)
        self._order = {task.name: (task.helps, -chains[task.name], position) for position, task in enumerate(tasks)}
        self._ready: list[Waiting] = []
        # Tasks that are ready but for a unit: when somebody leaves it, the first of them is looked at again.
        self._parked: dict[tuple[int, bool], list[Waiting]] = {}
        self._shared: Counter[int] = Counter()
        self._exclusive: set[int] = set()
        self._again: deque[Task] = deque()
        self._attempts: Counter[int] = Counter()
        self._alone: Task | None = None
        self._untaken, self._running = len(tasks), 0
        self._changed = threading.Condition()
        self.failure: BaseException | None = None
        self.looks = 0
        for task in tasks:
            if not self._unmet[task.name]:
                self._make_ready(task.name)

    def take(self) -> Task | None:
        """The task with the longest chain that may run now; waits for one. None when all are taken or one has failed."""
        with self._changed:
            while self._untaken and self.failure is None:
                task = self.poll()
                if task is not None:
                    return task
                self._changed.wait()
            return None

    def poll(self) -> Task | None:
        """The task with the longest chain that may run now, if there is one."""
        with self._changed:
            task = self._next()
            self._untaken -= task is not None
            # Of a heap the first three have the next two among them.
            for waiting in self._ready[:3] if task else ():
                self._tasks[waiting.name].foreseen()
            return task

    def done(self, task: Task) -> None:
        """What waited for the task may run."""
        with self._changed:
            self._leave(task)
            for follower in self._followers.get(task.name, ()):
                self._unmet[follower] -= 1
                if not self._unmet[follower]:
                    self._make_ready(follower)
            self._changed.notify_all()

    def fail(self, task: Task, error: BaseException) -> bool:
        """Repeat the task by itself if that may help; else stop handing out tasks. True for the failure that stops."""
        with self._changed:
            self._attempts[task.name] += 1
            is_last = self._attempts[task.name] >= limits.ATTEMPTS or not is_transient(error)
            if not is_last and self.failure is None:
                self._leave(task)
                self._untaken += 1
                self._again.append(task)
            first = is_last and self.failure is None
            self.failure = error if first else self.failure
            self._changed.notify_all()
            return first

    def _next(self) -> Task | None:
        if self._again or self._alone:
            return self._take_alone() if not self._running else None
        while self._ready:
            waiting = heapq.heappop(self._ready)
            task = self._tasks[waiting.name]
            self.looks += 1
            hindrance = next((unit for unit in (*task.units, *task.shared) if not self._admits(unit, task)), None)
            if hindrance is None:
                self._occupy(task)
            else:
                place = self._parked.setdefault((hindrance, task.needs_alone(hindrance)), [])
                heapq.heappush(place, replace(waiting, woken_by=None))
            if waiting.woken_by not in (None, hindrance):
                self._wake(waiting.woken_by)
            if hindrance is None:
                return task
        return None

    def _take_alone(self) -> Task:
        self._alone = self._again.popleft()
        self._occupy(self._alone)
        return self._alone

    def _admits(self, unit: int, task: Task) -> bool:
        return unit not in self._exclusive and not (task.needs_alone(unit) and self._shared[unit])

    def _occupy(self, task: Task) -> None:
        self._running += 1
        self._shared.update(task.shared)
        if task.exclusive:
            self._exclusive.update(task.units)
        else:
            self._shared.update(task.units)

    def _leave(self, task: Task) -> None:
        self._running -= 1
        self._alone = None
        self._shared.subtract(task.shared)
        if task.exclusive:
            self._exclusive.difference_update(task.units)
        else:
            self._shared.subtract(task.units)
        for unit in (*task.units, *task.shared):
            self._wake(unit)

    def _wake(self, unit: int | None) -> None:
        """Look again at the first of those that wait for the unit, if there may be room. It wakes the next if it doesn't take the room."""
        if unit is None or unit in self._exclusive:
            return
        admitted = (False,) if self._shared[unit] else (False, True)
        waiting = [place for exclusive in admitted if (place := self._parked.get((unit, exclusive)))]
        if waiting:
            heapq.heappush(self._ready, replace(heapq.heappop(min(waiting)), woken_by=unit))

    def _make_ready(self, name: int) -> None:
        heapq.heappush(self._ready, Waiting(self._order[name], name))


def _chains(tasks: list[Task], unmet: dict[int, int], followers: dict[int, list[int]]) -> dict[int, int]:
    """By name, the cost of a task and of the longest chain of those that wait for it."""
    waiting, ordered = dict(unmet), [task.name for task in tasks if not unmet[task.name]]
    for name in ordered:
        for follower in followers.get(name, ()):
            waiting[follower] -= 1
            if not waiting[follower]:
                ordered.append(follower)
    chains = {task.name: task.cost for task in tasks}
    for name in reversed(ordered):
        chains[name] += max((chains[follower] for follower in followers.get(name, ())), default=0)
    return chains


@dataclass
class Stream:
    """One connection, and for how many seconds it has had nothing to do."""

    connection: Connection
    idle: float = 0.0


def run(
    tasks: list[Task],
    connect: Callable[[], Connection],
    connections: int,
    abort: Callable[[], None] | None = None,
    cancelled_within: float = limits.CANCEL_SECONDS,
) -> None:
    """Run all tasks, each connection in a thread of its own. The first failure stops the others and is raised.

    `abort` ends the sessions by force if they don't let themselves be cancelled within so many seconds."""
    schedule, began = Schedule(tasks), time.monotonic()
    streams: list[Stream] = []
    try:
        streams.extend(Stream(connect()) for _ in range(min(connections, max(1, len(tasks)))))
        threads = [threading.Thread(target=_work, args=(schedule, each, streams)) for each in streams]
        for thread in threads:
            thread.start()
        _join(threads, schedule, abort, cancelled_within)
    finally:
        for each in streams:
            each.connection.close()
    if schedule.failure is not None:
        raise schedule.failure
    _log.info("%d tasks done: %s", len(tasks), busy([each.idle for each in streams], time.monotonic() - began))


def busy(idle: list[float], seconds: float) -> str:
    """What share of its time each stream was busy, given for how many seconds each was idle."""
    shares = ", ".join(f"{1 - each / seconds:.0%}" if seconds else "-" for each in idle)
    return f"in {seconds:.1f} s, streams busy {shares}"


def _work(schedule: Schedule, stream: Stream, all_streams: list[Stream]) -> None:
    while (task := _taken(schedule, stream)) is not None:
        try:
            task.run(stream.connection)
        except BaseException as error:  # raised again by run()
            if schedule.fail(task, error):
                _cancel([each.connection for each in all_streams if each is not stream])
            if schedule.failure is not None:
                return
        else:
            schedule.done(task)


def _taken(schedule: Schedule, stream: Stream) -> Task | None:
    began = time.monotonic()
    try:
        return schedule.take()
    finally:
        stream.idle += time.monotonic() - began


def _join(threads: list[threading.Thread], schedule: Schedule, abort: Callable[[], None] | None, cancelled_within: float) -> None:
    """Wait for all; after a failure not for ever."""
    for thread in threads:
        while thread.is_alive():
            thread.join(cancelled_within)
            if thread.is_alive() and schedule.failure is not None and abort is not None:
                abort()


def _cancel(connections: list[Connection]) -> None:
    """Interrupt what the others do: an index of hours must not delay the end of a run that has failed."""
    for connection in connections:
        try:
            connection.cancel_safe(timeout=5)
        except psycopg.Error:
            connection.close()
