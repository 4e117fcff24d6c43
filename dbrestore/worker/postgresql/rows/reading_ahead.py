"""The bytes of small tables, fetched while the sessions load those before them: a request waits for a distant S3, a session doesn't.

Invariant: so many groups at most are held ahead of who asks for them, so memory is bounded; each is asked for in its turn, or fetched then.
"""

import threading
from collections.abc import Iterable
from concurrent.futures import Future

from dbrestore.contract.manifest import TableMember
from dbrestore.worker.base import limits
from dbrestore.worker.postgresql.rows import loading
from dbrestore.worker.postgresql.rows.loading import Members

Group = tuple[TableMember, ...]


class ReadAhead:
    """`groups` in any order; the longest will be asked for first, as `scheduling` hands tasks out. `take` may be called from any thread."""

    def __init__(self, members: Members, groups: Iterable[Group], ahead: int = limits.GROUPS_AHEAD) -> None:
        self._members, self._ahead = members, ahead
        in_turn = sorted((group for group in groups if len(group) > 1), key=loading.length_of, reverse=True)
        self._waiting = {group[0].dump_id: group for group in in_turn}
        self._coming: dict[int, Future[Members]] = {}
        self._lock = threading.Lock()

    def take(self, group: Group) -> Members:
        """Where the members of this group are read; a group of one by itself, while it is loaded. Raises what the reading met with."""
        if len(group) == 1:
            return self._members
        number = group[0].dump_id
        with self._lock:
            self._waiting.pop(number, None)
            coming = self._coming.pop(number, None)
            self._begin()
        return coming.result() if coming else self._members.fetch(group)

    def _begin(self) -> None:
        while self._waiting and len(self._coming) < self._ahead:
            number = next(iter(self._waiting))
            coming = self._coming[number] = Future[Members]()
            # A daemon: after a failure nobody waits for what nobody will load.
            threading.Thread(target=self._fetch, args=(self._waiting.pop(number), coming), daemon=True).start()

    def _fetch(self, group: Group, coming: "Future[Members]") -> None:
        try:
            coming.set_result(self._members.fetch(group))
        except BaseException as error:  # raised by take()
            coming.set_exception(error)
