"""The picture of the states on one axis of time: positions in percent, so that it has the width of the page whatever that is.

Each state has a row of its own with its words above its bar: words never meet, however short a state was. A bar that would be too short to
be seen is a dot.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from dbrestore.contract.record import PhaseRow
from dbrestore.evidence import recovery
from dbrestore.evidence.words import duration

ROW: Final = 36
_FIRST: Final = 18
_BAR_BELOW: Final = 10
# A dot has a width too: it stays inside.
_FROM, _TO = 0.7, 99.3
_KINDS: Final = {"archive": "waiting", "verification": "proving", "clean-up": "clearing"}


@dataclass(frozen=True)
class Bar:
    """One state. `top` of its words and `middle` of its bar in pixels, `left` and `right` in percent."""

    state: str
    told: str
    kind: str
    top: int
    middle: int
    left: float
    right: float


@dataclass(frozen=True)
class Timeline:
    """All states; `height` in pixels. `began` and `ended` are the ends of the axis."""

    bars: tuple[Bar, ...]
    height: int
    began: datetime
    ended: datetime


def drawn(phases: Sequence[PhaseRow], began: datetime, ended: datetime) -> Timeline:
    """The picture of a restore that lasted from `began` to `ended`."""
    first = min([began, *(row.started_at for row in phases)])
    last = max([ended, *(row.ended_at for row in phases if row.ended_at)])
    whole = max((last - first).total_seconds(), 0.001)
    bars = []
    for place, row in enumerate(phases):
        end = row.ended_at or last
        top = _FIRST + place * ROW
        bars.append(
            Bar(
                state=row.state,
                told=_told(row, end),
                kind=_kind(row),
                top=top,
                middle=top + _BAR_BELOW,
                left=_percent((row.started_at - first).total_seconds() / whole),
                right=_percent((end - first).total_seconds() / whole),
            )
        )
    return Timeline(tuple(bars), len(bars) * ROW + 4, first, last)


def _percent(share: float) -> float:
    return round(_FROM + min(1.0, max(0.0, share)) * (_TO - _FROM), 2)


def _kind(row: PhaseRow) -> str:
    return "failing" if row.status == "FAILED" else _KINDS.get(recovery.part_of(row.state), "making")


def _told(row: PhaseRow, end: datetime) -> str:
    took = duration((end - row.started_at).total_seconds())
    return f"{took}, failed" if row.status == "FAILED" else took
