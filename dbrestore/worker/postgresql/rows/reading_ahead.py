"""The bytes of small tables, fetched while the sessions load those before them: a request waits for a distant S3, a session doesn't.

Invariant: so many groups at most are held for who will take them, so memory is bounded; what wasn't fetched by then is fetched then.
"""

import threading
from concurrent.futures import Future

from dbrestore.contract.manifest import TableMember
from dbrestore.worker.base import limits
from dbrestore.worker.postgresql.rows.loading import Members

Group = tuple[TableMember, ...]


class ReadAhead:
    """Of some groups of tables. Both methods may be called from any thread."""

    def __init__(self, members: Members, ahead: int = limits.GROUPS_AHEAD) -> None:
        self._members, self._ahead = members, ahead
        self._coming: dict[int, Future[Members]] = {}
        self._begun: set[int] = set()
        self._lock = threading.Lock()

    def begin(self, group: Group) -> None:
        """It will be taken soon: fetch it, if there is room, and it wasn't before."""
        number = group[0].dump_id
        with self._lock:
            if len(group) == 1 or number in self._begun or len(self._coming) >= self._ahead:
                return
            self._begun.add(number)
            coming = self._coming[number] = Future[Members]()
        # A daemon: after a failure nobody waits for what nobody will load.
        threading.Thread(target=self._fetch, args=(group, coming), daemon=True).start()

    def take(self, group: Group) -> Members:
        """Where the members of this group are read; a group of one by itself, while it is loaded. Raises what the reading met with."""
        if len(group) == 1:
            return self._members
        with self._lock:
            self._begun.add(group[0].dump_id)
            coming = self._coming.pop(group[0].dump_id, None)
        return coming.result() if coming else self._members.fetch(group)

    def _fetch(self, group: Group, coming: "Future[Members]") -> None:
        try:
            coming.set_result(self._members.fetch(group))
        except BaseException as error:  # raised by take()
            coming.set_exception(error)
