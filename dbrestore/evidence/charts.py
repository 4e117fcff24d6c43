"""The recovery times of one database over time, small enough for a row of a table: positions in percent, so that it fits any width."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Final

from dbrestore.evidence.coverage import Trial

_FROM, _TO = 3.0, 97.0
_TOP, _BOTTOM = 14.0, 86.0
# As many dots as can be told apart in a cell; the newest.
MOST: Final = 60


@dataclass(frozen=True)
class Dot:
    """One trial, in percent from the left and from the top. One that did not pass has no time: it lies on the ground."""

    left: float
    top: float
    proven: bool


@dataclass(frozen=True)
class Chart:
    """Dots in order of time; `lines` join those that passed. `longest` in seconds is the height of the chart."""

    dots: tuple[Dot, ...]
    lines: tuple[tuple[Dot, Dot], ...]
    longest: float


def drawn(trials: Sequence[Trial], since: datetime, until: datetime) -> Chart:
    """The chart of one database."""
    shown = trials[-MOST:]
    longest = max([trial.recovery_seconds or 0.0 for trial in shown if trial.proven], default=0.0)
    whole = max((until - since).total_seconds(), 1.0)
    dots = tuple(_dot(trial, (trial.at - since).total_seconds() / whole, longest) for trial in shown)
    passed = [dot for dot in dots if dot.proven]
    return Chart(dots, tuple(pairwise(passed)), longest)


def _dot(trial: Trial, across: float, longest: float) -> Dot:
    height = (trial.recovery_seconds or 0.0) / longest if trial.proven and longest else 0.0
    return Dot(
        left=round(_FROM + min(1.0, max(0.0, across)) * (_TO - _FROM), 1),
        top=round(_BOTTOM - height * (_BOTTOM - _TOP), 1),
        proven=trial.proven,
    )
