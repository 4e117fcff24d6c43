"""How often the flow looks again at what a state waits for: the NotReady retries of the definition, as numbers.

Invariant: these are the definition's own numbers; a test compares them. Each look is one transition and one invocation, and a state ends
up to one pause after its work did. Staging is not here: its invocations do the work themselves and follow each other at once.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Pauses:
    """The first pause between two looks, what each next one is longer by, and the longest; in seconds."""

    first: float
    growth: float
    longest: float

    def looks(self, seconds: float) -> int:
        """How many looks follow the first until work of so many seconds is seen to be over."""
        return self._passed(seconds)[0]

    def seen(self, seconds: float) -> float:
        """When it is seen to be over."""
        return self._passed(seconds)[1]

    def _passed(self, seconds: float) -> tuple[int, float]:
        count, passed, pause = 0, 0.0, self.first
        while passed < seconds:
            count, passed, pause = count + 1, passed + pause, min(pause * self.growth, self.longest)
        return count, passed


_JOB = Pauses(15, 1.1, 1200)
_REMOVAL = Pauses(5, 1.2, 60)

PAUSES = {
    "DeployWorker": Pauses(15, 1.2, 60),
    "PairSecurityGroups": Pauses(10, 1.2, 60),
    "RestoreNativeBackups": _JOB,
    "ReplayDumps": _JOB,
    "VerifyDatabases": _JOB,
    "RemoveWorker": _REMOVAL,
    "UnpairSecurityGroups": _REMOVAL,
    "RemoveStagingBucket": _REMOVAL,
}
