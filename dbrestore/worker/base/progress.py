"""What a running job tells: counted in memory, written to progress.json at most once a second, and more and more rarely.

Invariant: who works doesn't wait for S3; one note is on its way at a time, so that no older one is written over a newer one.
"""

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from botocore.exceptions import BotoCoreError, ClientError

from dbrestore.contract.job import JobKind, Progress
from dbrestore.worker.base import limits


class ProgressWriter:
    """Counts from any thread. A progress that can't be written never fails the job. `every`: seconds between two notes
    at first; with 0 each change is written before the work goes on."""

    def __init__(self, kind: JobKind, write: Callable[[Progress], None], every: float = limits.PROGRESS_SECONDS) -> None:
        self._write = write
        self._began = time.monotonic()
        self._every = every
        self._written = -every
        self._lock, self._writing = threading.Lock(), threading.Lock()
        # The document is made when it is written: making one for each of many thousand tables took longer than loading these.
        self._said: dict[str, object] = {"kind": kind, "phase": "started"}
        self._counts: Counter[str] = Counter()
        self._current: list[str] = []

    @property
    def seconds(self) -> float:
        """Since the job began."""
        return time.monotonic() - self._began

    @property
    def work_done(self) -> int:
        """Bytes of data, and of what is built on it, that are done of the database at hand."""
        with self._lock:
            return self._counts["work_done"]

    def phase(self, phase: str, database: str | None = None) -> None:
        """Begin another phase of a database."""
        self._change(phase=phase, **({"database": database} if database else {}))

    def expect(self, total_bytes: int, tables: int, costs: Sequence[int] = ()) -> None:
        """Begin to count a database's data from nothing. `costs`: of each object that is built on it, in bytes."""
        with self._lock:
            self._counts.clear()
            self._current.clear()
        work = total_bytes + sum(costs)
        self._change(bytes_total=total_bytes, tables_total=tables, objects_total=len(costs), work_total=work)

    def follow(self, phase: str, database: str, *, done: int, total: int, note: str) -> None:
        """What RDS says of its tasks: bytes of the staged files, and the last message."""
        with self._lock:
            self._counts["bytes_done"] = done
        self._change(phase=phase, database=database, bytes_total=total, note=note)

    def add(self, count: int) -> None:
        """So many more bytes of COPY text or large objects."""
        self._count(bytes_done=count, work_done=count)

    def table_done(self) -> None:
        """One more table is committed."""
        self._count(tables_done=1)

    def object_done(self, cost: int) -> None:
        """One more of those that were expected at this cost is built."""
        self._count(objects_done=1, work_done=cost)

    @contextlib.contextmanager
    def working_on(self, what: str) -> Iterator[None]:
        """Tells so while it lasts."""
        what = what[: limits.NAME_IN_PROGRESS]
        with self._lock:
            self._current.append(what)
        self._write_if_due()
        try:
            yield
        finally:
            with self._lock, contextlib.suppress(ValueError):
                self._current.remove(what)

    def _count(self, **more: int) -> None:
        with self._lock:
            for name, count in more.items():
                self._counts[name] += count
        self._write_if_due()

    def _change(self, **values: object) -> None:
        with self._lock:
            self._said |= values
        self._write_if_due()

    def _write_if_due(self) -> None:
        if not self._is_due():
            return
        with self._lock:
            if not self._is_due():
                return
            self._written = self.seconds
        # A daemon: the end of the job doesn't wait for it either.
        writing = threading.Thread(target=self._write_now, name="progress", daemon=True)
        writing.start()
        if not self._every:
            writing.join()

    def _write_now(self) -> None:
        with self._writing:
            with self._lock:
                now = self._progress()
            with contextlib.suppress(ClientError, BotoCoreError):
                self._write(now)

    def _progress(self) -> Progress:
        values = {**self._said, **self._counts, "current": tuple(self._current), "seconds": round(self.seconds, 3)}
        return Progress.model_validate(values)

    def _is_due(self) -> bool:
        is_on_its_way = self._every > 0 and self._writing.locked()
        return not is_on_its_way and self.seconds - self._written >= _pause(self.seconds, self._every)


def _pause(seconds: float, every: float) -> float:
    """Until the next note, so long after the beginning: a week of notes by the second would cost more than the whole orchestration."""
    return every and min(max(every, limits.PROGRESS_SHARE * seconds), limits.LONGEST_PROGRESS_SECONDS)
