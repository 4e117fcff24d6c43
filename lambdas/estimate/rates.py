"""Rates and spans of time, each with what it rests on: what durations are computed from. None was measured on AWS.

Invariant: a number never goes without its basis, so that a reader can tell a figure of S3's own from an assumption of ours.
"""

from dataclasses import dataclass

from dbrestore.contract.plan import DurationItem, Plan
from lambdas.runtime.looks import PAUSES

MEGABYTE = 10**6


@dataclass(frozen=True)
class Rate:
    """Bytes per second, and what the number rests on."""

    bytes_per_second: float
    basis: str

    def seconds(self, size: float) -> float:
        """How long so many bytes take."""
        return size / self.bytes_per_second


@dataclass(frozen=True)
class Span:
    """A time that does not depend on the amount of data, in seconds, and what the number rests on."""

    seconds: float
    basis: str


READING_AGAIN = Rate(100 * MEGABYTE, "assumed 100 MB/s to read the data again")
LOOKING = Span(30, "assumed: 30 s to compare what is there with the manifest")


def repository_region(plan: Plan) -> str:
    """The Region of the state machine, in which the repository lies too."""
    return plan.execution_arn.split(":")[3]


def is_abroad(plan: Plan) -> bool:
    """Whether the data must go to another Region."""
    return repository_region(plan) != plan.target.region


def looked_for(state: str, seconds: float, basis: str) -> DurationItem:
    """Of a state whose end is seen by looking at growing pauses."""
    return item(state, PAUSES[state].seen(seconds), basis)


def item(state: str, seconds: float, basis: str) -> DurationItem:
    """Of a state whose end is seen at once."""
    return DurationItem(state=state, seconds=round(seconds, 1), basis=basis)
