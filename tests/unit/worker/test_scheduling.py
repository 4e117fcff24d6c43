"""The scheduler: longest first, nothing before what it needs, nobody else on a table that is needed alone."""

import threading
import time
from typing import Any

import pytest

from worker import scheduling
from worker.scheduling import Task


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


def test_the_longest_comes_first_and_an_index_after_its_rows() -> None:
    done: list[int] = []
    tasks = [
        Task(name=1, cost=5, run=lambda _: done.append(1)),
        Task(name=2, cost=9, run=lambda _: done.append(2)),
        Task(name=3, cost=100, run=lambda _: done.append(3), units=frozenset((7,)), after={1}),
        Task(name=4, cost=1, run=lambda _: done.append(4), after={3, 999}),
    ]

    run(tasks, 1)

    assert done == [2, 1, 3, 4]


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
