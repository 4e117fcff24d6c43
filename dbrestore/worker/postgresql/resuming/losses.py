"""How often a replay carries on after the server or the way to it was lost. What the dump itself is refused for is no such loss.

Invariant: bounded, and the sooner over if nothing was done between two losses: code of a dump that brings the server down must not do so
again and again.
"""

import logging
import time
from dataclasses import dataclass

from dbrestore.worker.base.bounds import Bounds
from dbrestore.worker.postgresql.session import is_lost

_log = logging.getLogger(__name__)


@dataclass
class Losses:
    """Of one database in one process. The next connection waits for the server by itself (`base.obstacles`)."""

    bounds: Bounds
    _count: int = 0
    _in_vain: int = 0
    _work_done: int = 0

    def may_carry_on(self, error: Exception, work_done: int) -> bool:
        """Whether to begin again after this error, after a pause. `work_done`: bytes of rows, and of what is built on them, that this
        attempt came to."""
        if not is_lost(error):
            return False
        self._count += 1
        self._in_vain = 0 if work_done > self._work_done else self._in_vain + 1
        self._work_done = max(work_done, self._work_done)
        if self._count > self.bounds.replay_losses or self._in_vain > self.bounds.replay_losses_in_vain:
            return False
        _log.warning("%s: carrying on from the journal", error)
        time.sleep(self.bounds.connect_pause_seconds)
        return True
