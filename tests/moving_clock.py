"""A clock for the control plane that a test moves on: hours pass at once, and no module of ours is patched."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass
class MovingClock:
    """The system's time, and what has been let pass."""

    passed: timedelta = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.passed

    def let_pass(self, **durations: float) -> None:
        """`clock.let_pass(hours=3)`; the names are those of `timedelta`."""
        self.passed += timedelta(**durations)
