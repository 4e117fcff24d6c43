"""Runs the loading of tables and the building of their indexes side by side on a few connections, the longest first.

An index waits for the rows of its table and for the index of its parent. Invariant: two tasks of which one needs a table for itself never
run at once, so no connection waits for a lock and none can wait in a circle.
"""

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import psycopg

from worker.session import Connection


@dataclass
class Task:
    """`cost` orders the tasks that are ready (bytes, roughly); `table` is what it works on; `after` names the tasks it waits for."""

    name: int
    cost: int
    run: Callable[[Connection], None]
    table: int | None = None
    exclusive: bool = True
    after: set[int] = field(default_factory=set)


class Schedule:
    """The tasks that wait, run and are done. All methods may be called from any thread."""

    def __init__(self, tasks: list[Task]) -> None:
        self._tasks = {task.name: task for task in tasks}
        self._unmet = {task.name: len(task.after & self._tasks.keys()) for task in tasks}
        self._followers: dict[int, list[Task]] = {}
        for task in tasks:
            for name in task.after & self._tasks.keys():
                self._followers.setdefault(name, []).append(task)
        self._ready: list[Task] = []
        self._make_ready([task for task in tasks if not self._unmet[task.name]])
        self._untaken = len(tasks)
        self._shared: Counter[int] = Counter()
        self._exclusive: set[int] = set()
        self._changed = threading.Condition()
        self.failure: BaseException | None = None

    def take(self) -> Task | None:
        """The longest task that may run now; waits for one. None when all are taken or one has failed."""
        with self._changed:
            while self._untaken and self.failure is None:
                task = next((t for t in self._ready if self._is_free(t)), None)
                if task is not None:
                    self._ready.remove(task)
                    self._untaken -= 1
                    self._occupy(task)
                    return task
                self._changed.wait()
            return None

    def done(self, task: Task) -> None:
        """What waited for the task may run."""
        with self._changed:
            if task.table is not None:
                self._exclusive.discard(task.table)
                self._shared[task.table] -= not task.exclusive
            for follower in self._followers.get(task.name, ()):
                self._unmet[follower.name] -= 1
                if not self._unmet[follower.name]:
                    self._make_ready([follower])
            self._changed.notify_all()

    def fail(self, error: BaseException) -> bool:
        """Stop handing out tasks. True for the first failure."""
        with self._changed:
            first, self.failure = self.failure is None, self.failure or error
            self._changed.notify_all()
            return first

    def _make_ready(self, tasks: list[Task]) -> None:
        self._ready.extend(tasks)
        self._ready.sort(key=lambda task: -task.cost)

    def _is_free(self, task: Task) -> bool:
        if task.table is None:
            return True
        return task.table not in self._exclusive and not (task.exclusive and self._shared[task.table])

    def _occupy(self, task: Task) -> None:
        if task.table is None:
            return
        if task.exclusive:
            self._exclusive.add(task.table)
        else:
            self._shared[task.table] += 1


def run(tasks: list[Task], connect: Callable[[], Connection], connections: int) -> None:
    """Run all tasks, each connection in a thread of its own. The first failure stops the others and is raised."""
    schedule = Schedule(tasks)
    opened = [connect() for _ in range(min(connections, max(1, len(tasks))))]
    threads = [threading.Thread(target=_work, args=(schedule, each, opened)) for each in opened]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        for each in opened:
            each.close()
    if schedule.failure is not None:
        raise schedule.failure


def _work(schedule: Schedule, connection: Connection, all_connections: list[Connection]) -> None:
    while (task := schedule.take()) is not None:
        try:
            task.run(connection)
        except BaseException as error:  # raised again by run()
            if schedule.fail(error):
                _cancel([each for each in all_connections if each is not connection])
            return
        schedule.done(task)


def _cancel(connections: list[Connection]) -> None:
    """Interrupt what the others do: an index of hours must not delay the end of a run that has failed."""
    for connection in connections:
        try:
            connection.cancel_safe(timeout=5)
        except psycopg.Error:
            connection.close()
