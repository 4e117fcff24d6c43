"""How often the flow looks again at what a state waits for. The definition's retries and the estimates of a plan have their numbers here.

Each look is one transition and one invocation, and a state ends up to one pause after its work did.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Pauses:
    """The first pause between two looks, what each next one is longer by, and the longest, in seconds; and how often it looks again."""

    first: int
    growth: float
    longest: int
    looks_at_most: int

    def looks(self, seconds: float) -> int:
        """How many looks follow the first until work of so many seconds is seen to be over."""
        return self._passed(seconds)[0]

    def seen(self, seconds: float) -> float:
        """When it is seen to be over."""
        return self._passed(seconds)[1]

    def _passed(self, seconds: float) -> tuple[int, float]:
        count, passed, pause = 0, 0.0, float(self.first)
        while passed < seconds:
            count, passed, pause = count + 1, passed + pause, min(pause * self.growth, self.longest)
        return count, passed


PLANNING = Pauses(5, 1.5, 60, looks_at_most=60)
RETRIEVAL_REQUESTS = Pauses(15, 1.2, 60, looks_at_most=60)
# S3's event ends the wait; if none comes, the state looks all the same after so many seconds.
ARCHIVE_LOOK_SECONDS = 1800
ARCHIVE = Pauses(1, 1.0, 1, looks_at_most=1000)
# A decision ends the wait; without one the state looks all the same, to see that nobody will decide any more.
APPROVAL_LOOK_SECONDS = 900
APPROVAL = Pauses(1, 1.0, 1, looks_at_most=1000)
WORKER_START = Pauses(15, 1.2, 60, looks_at_most=90)
PAIRING = Pauses(10, 1.2, 60, looks_at_most=90)
# Each call does a part of the work itself, for limits.STAGING_SECONDS.
STAGING = Pauses(1, 1.0, 1, looks_at_most=6000)
# The same of dumps: within two days, after which S3 aborts what is half copied (limits.ABANDONED_AFTER_HOURS).
COPYING = Pauses(1, 1.0, 1, looks_at_most=2000)
JOB = Pauses(15, 1.1, 1200, looks_at_most=1500)
REMOVAL = Pauses(5, 1.2, 60, looks_at_most=240)
CLOSING = Pauses(5, 1.2, 60, looks_at_most=20)
