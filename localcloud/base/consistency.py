"""How long AWS takes until everybody knows what was made, and what it answers meanwhile: one seed for a whole cloud.

Off until `begin`. AWS's documentation of EC2 ("Eventual consistency in the Amazon EC2 API") names the errors and says that waiting up to
five minutes is enough; how long it takes is assumed, and drawn. A thing that is known once may be unknown at the next call, until its time
is over: calls are answered by different copies.
"""

import random
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from localcloud.base import clock

# AWS's seconds after which everybody knows everything. Less than the five minutes that the documentation lets callers wait.
LONGEST = 200.0
# Of calls that change something: so many meet a change that is under way.
IN_CHANGE = 0.12


def _always() -> bool:
    return True


@dataclass
class Inconsistency:
    """`now` are AWS's seconds, and `applies` says whether the caller is one who meets it: a test that looks at the truth isn't."""

    seed: int
    now: Callable[[], float] = clock.moment
    applies: Callable[[], bool] = _always
    longest: float = LONGEST
    in_change: float = IN_CHANGE
    met: Counter[str] = field(default_factory=Counter)
    _made: dict[str, tuple[int, float]] = field(default_factory=dict)
    _looks: Counter[str] = field(default_factory=Counter)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def made(self, thing: str) -> None:
        """It came into being now; a second time nothing changes."""
        with self._guard:
            self._made.setdefault(thing, (len(self._made), self.now()))

    def knows(self, thing: str, aspect: str = "") -> bool:
        """Whether the copy that answers this call knows the thing, or an aspect of it such as its tags."""
        if not self.applies() or thing not in self._made:
            return True
        number, since = self._made[thing]
        horizon = self._draw(number, aspect).uniform(0, self.longest)
        age = self.now() - since
        if age >= horizon:
            return True
        # Right after it was made hardly anybody knows it, and later more and more do.
        is_known = self._draw(number, aspect, self._count(f"{number} {aspect}")).random() < 0.2 + 0.6 * age / horizon
        if not is_known:
            self.met[f"unknown {aspect}".strip()] += 1
        return is_known

    def age(self, thing: str) -> float:
        """AWS's seconds since it came into being."""
        return self.now() - self._made[thing][1]

    def is_young(self, thing: str) -> bool:
        """Whether it was made so lately that not everybody may know it."""
        return thing in self._made and self.age(thing) < self.longest

    def meets(self, what: str) -> bool:
        """Whether this call meets a change that is under way; `what` is the error that tells it."""
        if not self.applies():
            return False
        does = self._draw(what, self._count(what)).random() < self.in_change
        if does:
            self.met[what] += 1
        return does

    def _count(self, what: str) -> int:
        with self._guard:
            self._looks[what] += 1
            return self._looks[what]

    def _draw(self, *about: object) -> random.Random:
        # By what is asked about and not in the order of asking: threads of other tests change nothing.
        return random.Random(f"{self.seed}/{about}")


_current: Inconsistency | None = None


def begin(inconsistency: Inconsistency) -> None:
    """From here on the cloud of this process is inconsistent; what was made before is known to all."""
    global _current
    _current = inconsistency


def end() -> None:
    """It is consistent again."""
    global _current
    _current = None


def current() -> Inconsistency | None:
    """None while the cloud is consistent."""
    return _current
