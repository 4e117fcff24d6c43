"""What is put on the agenda is done at its moment."""

import math
import threading
import time

import pytest

from localcloud.base import clock
from localcloud.base.agenda import Agenda


@pytest.fixture
def agenda() -> Agenda:
    return Agenda()


def test_things_are_done_in_the_order_of_their_moments_by_one_thread(agenda: Agenda) -> None:
    done: list[int] = []
    ended = threading.Event()
    now = time.time()
    before = threading.active_count()

    agenda.at(now + 0.4, ended.set)
    for number in range(1000):
        agenda.at(now + 0.3 - number / 10_000, lambda number=number: done.append(number))

    assert threading.active_count() - before == 1
    assert ended.wait(10)
    assert done == list(reversed(range(1000)))
    assert time.time() >= now + 0.4


def test_nothing_is_done_before_its_moment(agenda: Agenda) -> None:
    done: list[float] = []
    moment = time.time() + 0.2

    agenda.at(moment, lambda: done.append(time.time()))
    time.sleep(0.6)

    assert len(done) == 1
    assert done[0] >= moment


def test_what_never_comes_is_forgotten_and_what_is_forgotten_never_comes(agenda: Agenda) -> None:
    done: list[str] = []
    agenda.at(math.inf, lambda: done.append("never"))
    agenda.at(time.time() + 0.1, lambda: done.append("forgotten"))

    agenda.forget()
    agenda.at(time.time() + 0.1, lambda: done.append("of the next cloud"))
    time.sleep(0.5)

    assert done == ["of the next cloud"]


def test_forgetting_waits_for_what_has_begun(agenda: Agenda) -> None:
    done: list[str] = []
    begun = threading.Event()

    def work() -> None:
        begun.set()
        time.sleep(0.3)
        done.append("work")

    agenda.at(time.time(), work)
    assert begun.wait(10)
    agenda.forget()

    assert done == ["work"]


def test_the_clock_forgets_its_agenda_too() -> None:
    done: list[str] = []
    clock.at(time.time() + 0.2, lambda: done.append("of a cloud that has gone"))

    clock.forget()
    time.sleep(0.4)

    assert done == []
