"""A stage's access log: one line for each request, in the stage's format, in its log group.

A variable that isn't there is `-` (API Gateway developer guide, "Variables for access logging"). The stream's name is assumed. Other
destinations than log groups get nothing.
"""

import logging
import queue
import threading
import time
from typing import Any, Final

from localcloud.base.clients import Clients, Place
from localcloud.gateway.refusals import substituted
from localcloud.gateway.requests import Answer
from localcloud.gateway.visits import Visit

_STREAM: Final = "access"
_END_WITHIN: Final = 5.0

_log = logging.getLogger(__name__)


class AccessLog:
    """Writes in a thread of its own: a caller doesn't wait for it."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._lines: queue.Queue[tuple[str, str] | None] = queue.Queue()
        self._made: set[str] = set()
        self._thread = threading.Thread(target=self._run, name="api-access-log", daemon=True)
        self._thread.start()

    def note(self, visit: Visit, answer: Answer) -> None:
        """Write the line of this request."""
        destination, line = visit.stage.access_log.get("destinationArn"), visit.stage.access_log.get("format")
        if destination and line:
            visit.outcome |= {
                "status": str(answer.status),
                "responseLength": str(len(answer.body)),
                "responseLatency": str(round((time.time() - visit.began) * 1000)),
            }
            self._lines.put((destination, substituted(line, visit.look, missing="-")))

    def stop(self) -> None:
        """Write what is waiting, and end."""
        self._lines.put(None)
        self._thread.join(_END_WITHIN)

    def _run(self) -> None:
        while (entry := self._lines.get()) is not None:
            try:
                self._write(*entry)
            except Exception:
                _log.exception("A line of the access log could not be written to %s", entry[0])

    def _write(self, destination: str, line: str) -> None:
        _, _, service, region, account, rest = destination.split(":", 5)
        if service != "logs":
            return
        group = rest.removeprefix("log-group:").removesuffix(":*")
        logs: Any = self._clients.client("logs", place=Place(account, region))
        if destination not in self._made:
            logs.create_log_stream(logGroupName=group, logStreamName=_STREAM)
            self._made.add(destination)
        logs.put_log_events(
            logGroupName=group, logStreamName=_STREAM, logEvents=[{"timestamp": int(time.time() * 1000), "message": line.rstrip("\n")}]
        )
