"""What stands between a worker and a database server and may pass by itself, and how long it is waited for.

Of a group that has just become `active` RDS doesn't say when its rules are in force, and of a name not when each resolver knows it: both
are waited for. What doesn't pass (an unknown user, a wrong certificate) is no obstacle and ends the wait at once.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from dbrestore.contract.job import DatabaseServer
from dbrestore.contract.sqlserver_errors import ServerUnreachable
from dbrestore.worker.base.bounds import Bounds

T = TypeVar("T")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Obstacle:
    """`what` it is and the `fix` if it stays. `is_recovery`: the server is there and works on getting ready, which may take longer."""

    what: str
    fix: str
    is_recovery: bool = False


NAME_UNKNOWN: Final = Obstacle(
    "DNS does not know the instance's name here",
    "check that the instance still exists under this name, and that the VPC has DNS resolution and a resolver that answers for "
    "*.rds.amazonaws.com",
)
SILENT: Final = Obstacle(
    "no answer comes back",
    "check that the instance is available, that its security groups let the worker in on this port, and that network ACLs and routes "
    "between its subnets and the worker's let packets through both ways",
)
CLOSED: Final = Obstacle(
    "nobody listens on the port",
    "check that the instance is available and that this is its port; its security groups, network ACLs and routes let the worker through",
)
CUT_OFF: Final = Obstacle(
    "the server ended the connection before the login",
    "check in the instance's events and its log whether it restarts or fails over",
)
RECOVERING: Final = Obstacle(
    "the server is starting, recovering or shutting down",
    "wait until the instance is available and its log says that it accepts connections",
    is_recovery=True,
)
FULL: Final = Obstacle(
    "all connections are taken",
    "end sessions that aren't needed, or raise max_connections; a restore needs one for each stream and a few more",
)
NOT_NOW: Final = Obstacle("the server takes no login at this moment", "see what it says, and its error log")


class Patience:
    """With one server. It was waited for in vain once: from then on every connection has one try, until one succeeds."""

    def __init__(self, address: DatabaseServer, bounds: Bounds) -> None:
        self._bounds = bounds
        self._where = f"{address.host}:{address.port}"
        self._is_over = self._was_connected = False

    def until_connected(self, attempt: Callable[[], T], obstacle_of: Callable[[Exception], tuple[Obstacle, str] | None]) -> T:
        """What `attempt` returns. `obstacle_of` says of its exception what the obstacle was, and the words that told it.

        Raises ServerUnreachable when an obstacle stays, and whatever isn't one."""
        began = time.monotonic()
        while True:
            try:
                result = attempt()
            except Exception as error:
                found = obstacle_of(error)
                if found is None:
                    raise
                obstacle, words = found
                waited = time.monotonic() - began
                if self._is_over or waited >= self._longest(obstacle):
                    self._is_over = True
                    raise self._unreachable(obstacle, words, waited) from error
                _log.warning("%s: %s (%s): trying again", self._where, obstacle.what, words)
            else:
                self._is_over, self._was_connected = False, True
                return result
            time.sleep(self._bounds.connect_pause_seconds)

    def _longest(self, obstacle: Obstacle) -> float:
        if self._was_connected and obstacle is SILENT:
            return self._bounds.put_back_within_seconds
        return self._bounds.recovered_within_seconds if obstacle.is_recovery else self._bounds.connected_within_seconds

    def _unreachable(self, obstacle: Obstacle, words: str, waited: float) -> ServerUnreachable:
        tried = f"tried for {waited:.0f} seconds" if waited > 1 else "tried once"
        return ServerUnreachable(f"{self._where} can't be reached: {obstacle.what} ({words}; {tried}): {obstacle.fix}; then restore again")
