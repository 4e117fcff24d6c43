"""How long AWS takes until everybody knows what was made, and what it answers meanwhile: one seed for a whole cloud.

Off until `begin`. AWS's documentation of EC2 ("Eventual consistency in the Amazon EC2 API") names the errors and says that waiting up to
five minutes is enough; how long it takes is assumed, and drawn. A thing that is known at one call may be unknown at the next, which another
copy answers.
"""

import random
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from localcloud.base import clock

# The environment's name for a seed with which a cloud is inconsistent from the beginning.
SEED = "LOCALCLOUD_INCONSISTENT"
# Calls are answered by copies: AWS's seconds until each of them knows everything. Less than the five minutes of the documentation.
COPIES = (30.0, 120.0, 240.0)
# So many calls in one are answered by another copy than the one before: callers keep their connection.
CHANGES = 0.4
# Of calls that change something: so many meet a change that is under way.
IN_CHANGE = 0.12


def _always() -> bool:
    return True


@dataclass
class Inconsistency:
    """`now` are AWS's seconds, and `applies` says whether the caller is one who meets it: a test that looks at the truth isn't. `met`
    counts what was met."""

    seed: int
    now: Callable[[], float] = clock.moment
    applies: Callable[[], bool] = _always
    met: Counter[str] = field(default_factory=Counter)
    _made: dict[str, tuple[int, float]] = field(default_factory=dict)
    _asked: Counter[str] = field(default_factory=Counter)
    _answering: int = 0
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def made(self, thing: str, with_: str | None = None) -> None:
        """It came into being now, and gets known together with another thing if one is named; a second time nothing changes."""
        with self._guard:
            self._made.setdefault(thing, self._made[with_] if with_ else (len(self._made), self.now()))

    def call(self) -> None:
        """Another call, which perhaps another copy answers."""
        draw = self._draw("copy", self._count("copy"))
        if draw.random() < CHANGES:
            self._answering = draw.randrange(len(COPIES))

    def knows(self, thing: str, aspect: str = "", within: float = 1.0) -> bool:
        """Whether the copy that answers knows the thing, or an aspect of it such as its tags. `within`: that part of the usual time."""
        if not self.applies() or thing not in self._made:
            return True
        number, since = self._made[thing]
        horizon = self._draw(number, aspect, self._answering).uniform(0, within * COPIES[self._answering])
        is_known = self.now() - since >= horizon
        if not is_known:
            self.met[f"unknown {aspect}".strip()] += 1
        return is_known

    def is_young(self, thing: str) -> bool:
        """Whether it was made so lately that not everybody may know it."""
        return thing in self._made and self.now() - self._made[thing][1] < max(COPIES)

    def meets(self, what: str) -> bool:
        """Whether this call meets a change that is under way; `what` is the error that tells it."""
        if not self.applies():
            return False
        does = self._draw(what, self._count(what)).random() < IN_CHANGE
        if does:
            self.met[what] += 1
        return does

    def seconds(self, what: str, longest: float) -> float:
        """How many of AWS's seconds something takes this time, or is late."""
        self.met[what] += 1
        return self._draw(what, self._count(what)).uniform(0, longest)

    def _count(self, what: str) -> int:
        with self._guard:
            self._asked[what] += 1
            return self._asked[what]

    def _draw(self, *about: object) -> random.Random:
        # By what is asked about and not in the order of asking: other threads change nothing.
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
