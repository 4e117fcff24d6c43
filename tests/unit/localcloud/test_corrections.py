"""What fixes moto stands around a method once, however many clouds one process has."""

from collections.abc import Callable
from pathlib import Path

import pytest

from localcloud import cloud as local
from localcloud.base import corrections


class Greeter:
    def greet(self) -> str:
        return "hello"


def _politely(original: Callable[[Greeter], str], greeter: Greeter) -> str:
    return f"{original(greeter)}, please"


def test_a_fix_that_is_made_twice_stands_there_once() -> None:
    corrections.fix(Greeter, "greet", _politely)
    corrections.fix(Greeter, "greet", _politely)

    assert Greeter().greet() == "hello, please"


def test_a_function_that_is_another_one_each_time_is_refused() -> None:
    with pytest.raises(ValueError, match="made anew each time"):
        corrections.fix(Greeter, "greet", lambda original, greeter: original(greeter))


def test_a_second_cloud_of_the_same_process_adds_no_fix(tmp_path: Path) -> None:
    local.start(tmp_path / "first", schedules=False).stop()
    before = list(corrections._fixed)

    local.start(tmp_path / "second", schedules=False).stop()

    assert list(corrections._fixed) == before
