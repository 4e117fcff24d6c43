"""What a cloud that is late knows when: by one seed, the same every time, for no longer than the documentation says."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from localcloud.base import consistency
from localcloud.base.consistency import COPIES, IN_CHANGE, Inconsistency

LONGEST = max(COPIES)
SEEDS = range(20)


@dataclass
class Time:
    """AWS's seconds, which pass when the test says so."""

    seconds: float = 1_000_000.0

    def __call__(self) -> float:
        return self.seconds


@dataclass
class Late:
    """One that is late, and its time."""

    seed: int
    time: Time = field(default_factory=Time)
    applies: Callable[[], bool] = lambda: True

    def __post_init__(self) -> None:
        self.meets = Inconsistency(self.seed, now=self.time, applies=self.applies)

    def look(self, thing: str, aspect: str = "") -> bool:
        """A call of its own."""
        self.meets.call()
        return self.meets.knows(thing, aspect)

    def looks(self, *things: str, every: float = 5.0) -> list[bool]:
        """From the making on until everybody must know."""
        for thing in things:
            self.meets.made(thing)
        seen = []
        for _ in range(int(LONGEST / every)):
            seen += [self.look(thing) for thing in things]
            self.time.seconds += every
        return seen


@pytest.fixture(autouse=True)
def consistent_again() -> Iterator[None]:
    yield
    consistency.end()


def test_a_seed_gives_the_same_answers_again_and_another_seed_others() -> None:
    answers = [Late(seed).looks("i-1", "sg-1") for seed in SEEDS]

    assert [Late(seed).looks("i-1", "sg-1") for seed in SEEDS] == answers
    assert len({tuple(one) for one in answers}) == len(SEEDS)


def test_what_others_ask_in_between_changes_no_answer() -> None:
    """Threads come in any order: what is drawn depends on the question and not on who asked before."""
    alone, disturbed = Late(1), Late(1)
    for late in (alone, disturbed):
        late.meets.made("i-1")
        late.meets.made("i-2")

    told = [(alone.meets.knows("i-1"), alone.meets.meets("OperationAborted")) for _ in range(50)]
    also = []
    for _ in range(50):
        disturbed.meets.knows("i-2", "tags")
        disturbed.meets.meets("InvalidDBInstanceState")
        disturbed.meets.seconds("deletion", 10)
        also.append((disturbed.meets.knows("i-1"), disturbed.meets.meets("OperationAborted")))

    assert also == told


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_new_is_unknown_for_a_while_and_never_for_longer_than_the_slowest_copy_takes(seed: int) -> None:
    late = Late(seed)

    seen = late.looks(*(f"i-{number}" for number in range(10)))

    assert False in seen
    assert late.time.seconds >= 1_000_000.0 + LONGEST
    assert all(late.look(f"i-{number}", aspect) for number in range(10) for aspect in ("", "tags", "at RDS") for _ in range(20))


def test_two_calls_in_a_row_may_be_answered_differently() -> None:
    """Known at one call and unknown at the next, with no time in between: two copies."""
    late = Late(3)
    late.meets.made("i-1")
    late.time.seconds += COPIES[0]

    answers = [late.look("i-1") for _ in range(200)]

    assert (True, False) in pairwise(answers)
    assert (False, True) in pairwise(answers)


def test_one_copy_knows_more_with_time_and_forgets_nothing() -> None:
    for seed in SEEDS:
        late = Late(seed)
        late.meets.made("i-1")
        answers = []
        for _ in range(int(LONGEST)):
            answers.append(late.meets.knows("i-1"))
            late.time.seconds += 1
        assert answers == sorted(answers)


def test_a_part_of_the_time_is_enough_for_what_gets_known_faster() -> None:
    for seed in SEEDS:
        late = Late(seed)
        late.meets.made("i-1 running")
        late.time.seconds += 0.2 * LONGEST
        assert all(late.meets.knows("i-1 running", "state", 0.2) for _ in range(20) if late.meets.call() is None)


def test_what_is_made_with_another_thing_gets_known_with_it() -> None:
    for seed in SEEDS:
        late = Late(seed)
        late.meets.made("i-1")
        late.time.seconds += 100
        late.meets.made("vol-1", with_="i-1")
        while late.time.seconds < 1_000_000.0 + LONGEST:
            assert late.look("i-1") == late.meets.knows("vol-1")
            late.time.seconds += 7


def test_to_be_made_a_second_time_makes_nothing_new() -> None:
    late = Late(1)
    late.meets.made("i-1")
    late.time.seconds += LONGEST

    late.meets.made("i-1")

    assert late.look("i-1")
    assert not late.meets.is_young("i-1")


def test_a_thing_is_young_until_everybody_knows_it() -> None:
    late = Late(1)
    late.meets.made("i-1")

    late.time.seconds += LONGEST - 1
    assert late.meets.is_young("i-1")
    late.time.seconds += 1
    assert not late.meets.is_young("i-1")
    assert not late.meets.is_young("never made")


def test_so_many_calls_meet_a_change_and_each_is_counted() -> None:
    late = Late(1)

    met = sum(late.meets.meets("InvalidDBInstanceState") for _ in range(2000))

    assert met / 2000 == pytest.approx(IN_CHANGE, abs=0.03)
    assert late.meets.met == {"InvalidDBInstanceState": met}


def test_delays_lie_within_their_bound_and_differ() -> None:
    late = Late(1)

    delays = [late.meets.seconds("deletion", 30) for _ in range(100)]
    durations = [late.meets.seconds("storage-optimization", 600) for _ in range(100)]

    assert all(0 <= one <= 30 for one in delays)
    assert all(0 <= one <= 600 for one in durations)
    assert len(set(delays)) == len(set(durations)) == 100
    assert max(delays) > 25
    assert max(durations) > 500


def test_who_looks_at_the_truth_meets_nothing_of_it() -> None:
    late = Late(1, applies=lambda: False)

    assert all(late.looks("i-1"))
    assert not any(late.meets.meets("OperationAborted") for _ in range(200))
    assert not late.meets.met


def test_what_was_there_before_it_began_is_known_to_all() -> None:
    assert all(Late(seed).look("i-before") for seed in SEEDS)


def test_a_cloud_is_consistent_until_it_begins_and_again_after_its_end() -> None:
    assert consistency.current() is None
    late = Inconsistency(1)

    consistency.begin(late)

    assert consistency.current() is late
    consistency.end()
    assert consistency.current() is None
