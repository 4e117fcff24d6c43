"""The scheduler: longest first, nothing before what it needs, nobody else on a table that is needed alone."""

import threading
import time
from functools import partial
from typing import Any, cast

import psycopg
import pytest

from dbrestore.contract.errors import ReplayFailed
from dbrestore.worker.base import limits
from dbrestore.worker.postgresql import scheduling
from dbrestore.worker.postgresql.scheduling import Task


class Idle:
    """Stands for a connection to the server; counts what is done to it."""

    def __init__(self) -> None:
        self.closed = False
        self.cancelled = threading.Event()

    def close(self) -> None:
        self.closed = True

    def cancel_safe(self, timeout: float) -> None:
        self.cancelled.set()


def run(tasks: list[Task], connections: int) -> list[Idle]:
    """Run on stand-in connections; returns them."""
    opened: list[Idle] = []

    def connect() -> Any:
        opened.append(Idle())
        return opened[-1]

    try:
        scheduling.run(tasks, connect, connections)
    finally:
        assert all(each.closed for each in opened)
    return opened


def test_the_longest_chain_comes_first_and_an_index_after_its_rows() -> None:
    done: list[int] = []
    tasks = [
        Task(name=1, cost=5, run=lambda _: done.append(1)),
        Task(name=2, cost=9, run=lambda _: done.append(2)),
        Task(name=3, cost=100, run=lambda _: done.append(3), units=frozenset((7,)), after={1}),
        Task(name=4, cost=1, run=lambda _: done.append(4), after={3, 999}),
        Task(name=5, cost=104, run=lambda _: done.append(5)),
    ]

    run(tasks, 1)

    assert done == [1, 5, 3, 2, 4]


def test_what_locks_a_unit_like_others_waits_for_who_needs_it_alone_and_not_for_those() -> None:
    like_others = [Task(name=n, cost=n, run=lambda _: None, units=frozenset((n,)), shared=frozenset((100,))) for n in (1, 2)]
    alone = Task(name=3, cost=3, run=lambda _: None, units=frozenset((100,)))
    schedule = scheduling.Schedule([*like_others, alone])

    assert schedule.poll() is alone
    assert schedule.poll() is None
    schedule.done(alone)
    assert [schedule.poll(), schedule.poll()] == like_others[::-1]


def test_those_that_are_next_are_foreseen_before_they_are_taken() -> None:
    foreseen: list[int] = []
    tasks = [Task(name=n, cost=n, run=lambda _: None, foreseen=partial(foreseen.append, n)) for n in range(1, 10)]
    schedule = scheduling.Schedule(tasks)

    assert foreseen == []
    for number in range(9, 2, -1):
        assert schedule.poll() is tasks[number - 1]
        assert {number - 1, number - 2} <= set(foreseen)


def test_idle_seconds_are_told_as_a_share() -> None:
    assert scheduling.busy([1.0, 0.0], 10.0) == "in 10.0 s, streams busy 90%, 100%"


def test_an_exclusive_task_has_its_table_for_itself() -> None:
    running: set[int] = set()
    together: list[set[int]] = []
    lock = threading.Lock()

    def work(name: int) -> Any:
        def body(_: object) -> None:
            with lock:
                running.add(name)
                together.append(set(running))
            time.sleep(0.02)
            with lock:
                running.discard(name)

        return body

    tasks = [Task(name=n, cost=1, run=work(n), units=frozenset((1,)), exclusive=n % 2 == 0) for n in range(6)]
    tasks.append(Task(name=100, cost=1, run=work(100), units=frozenset((2,))))

    run(tasks, 4)

    assert len(together) == 7
    assert all(names - {100} == {n} for names in together for n in names if n % 2 == 0 and n != 100)
    assert any(len(names - {100}) > 1 for names in together)


def test_the_first_failure_interrupts_the_others_and_is_raised() -> None:
    started = threading.Event()

    def wait(connection: Any) -> None:
        started.set()
        assert connection.cancelled.wait(10)

    def fail(_: object) -> None:
        started.wait(10)
        raise ValueError("broken")

    never: list[int] = []
    tasks = [
        Task(name=1, cost=9, run=wait),
        Task(name=2, cost=8, run=fail),
        Task(name=3, cost=1, run=lambda _: never.append(3)),
    ]

    with pytest.raises(ValueError, match="broken"):
        run(tasks, 2)

    assert never == []


def work_off(tasks: list[Task]) -> scheduling.Schedule:
    """Take and finish everything as two connections would, without any."""
    schedule, running, done = scheduling.Schedule(tasks), [], 0
    while done < len(tasks):
        task = schedule.poll() if len(running) < 2 else None
        if task is None:
            schedule.done(running.pop(0))
            done += 1
        else:
            running.append(task)
    return schedule


def many_tables(tables: int) -> list[Task]:
    """Tables with two indexes each."""
    loads = [Task(name=n, cost=n % 97, run=print) for n in range(tables)]
    indexes = [
        Task(name=tables * k + n, cost=n % 97, run=print, units=frozenset((n,)), exclusive=k == 1, after={n})
        for n in range(tables)
        for k in (1, 2)
    ]
    return loads + indexes


def keys_of_one_table(tables: int) -> list[Task]:
    """Foreign keys that all lock the same table besides their own."""
    return [Task(name=n, cost=0, run=print, units=frozenset((n, tables))) for n in range(tables)]


@pytest.mark.parametrize("make", [many_tables, keys_of_one_table])
def test_each_task_is_looked_at_a_few_times_however_many_there_are(make: Any) -> None:
    tasks = make(20_000)

    schedule = work_off(tasks)

    assert schedule.looks <= 3 * len(tasks)


def deadlock() -> Exception:
    """As the worker's own steps raise it: with the server's error as its cause."""
    error = ReplayFailed("a deadlock")
    error.__cause__ = psycopg.errors.DeadlockDetected()
    return error


def test_what_fails_for_a_passing_reason_is_repeated_by_itself() -> None:
    running: set[int] = set()
    alone: list[bool] = []

    def busy(_: object) -> None:
        running.add(1)
        time.sleep(0.05)
        running.discard(1)

    def fail_twice(_: object) -> None:
        alone.append(not running)
        if len(alone) < 3:
            raise deadlock()

    tasks = [Task(name=n, cost=n, run=busy) for n in range(1, 5)]
    tasks.append(Task(name=9, cost=9, run=fail_twice, units=frozenset((1,))))
    tasks.append(Task(name=10, cost=1, run=busy, units=frozenset((1,)), after={9}))

    run(tasks, 2)

    assert len(alone) == 3
    assert all(alone[1:])


def test_a_passing_reason_that_does_not_pass_counts_in_the_end() -> None:
    tries: list[int] = []

    def fail(_: object) -> None:
        tries.append(1)
        raise deadlock()

    with pytest.raises(ReplayFailed, match="a deadlock"):
        run([Task(name=1, cost=1, run=fail), Task(name=2, cost=0, run=lambda _: None)], 2)

    assert len(tries) == limits.ATTEMPTS


def test_sessions_that_can_not_be_cancelled_are_ended() -> None:
    ended, started = threading.Event(), threading.Event()

    def hang(_: object) -> None:
        started.set()
        assert ended.wait(10)

    def fail(_: object) -> None:
        started.wait(10)
        raise ValueError("broken")

    tasks = [Task(name=1, cost=2, run=hang), Task(name=2, cost=1, run=fail)]
    with pytest.raises(ValueError, match="broken"):
        scheduling.run(tasks, lambda: cast(Any, Idle()), 2, ended.set, cancelled_within=0.05)

    assert ended.is_set()
