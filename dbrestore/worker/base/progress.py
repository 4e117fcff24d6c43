"""What a running job tells: counted in memory, written to progress.json at most once a second, and more and more rarely."""

import contextlib
import threading
import time
from collections.abc import Callable

from botocore.exceptions import BotoCoreError, ClientError

from dbrestore.contract.job import JobKind, Progress
from dbrestore.worker.base import limits


class ProgressWriter:
    """Counts from any thread. A progress that can't be written never fails the job. `every`: seconds between two notes at first."""

    def __init__(self, kind: JobKind, write: Callable[[Progress], None], every: float = limits.PROGRESS_SECONDS) -> None:
        self._write = write
        self._began = time.monotonic()
        self._every = every
        self._written = -every
        self._lock = threading.Lock()
        self._now = Progress(kind=kind, phase="started")

    @property
    def seconds(self) -> float:
        """Since the job began."""
        return time.monotonic() - self._began

    def phase(self, phase: str, database: str | None = None) -> None:
        """Begin another phase of a database."""
        self._change(phase=phase, database=database or self._now.database)

    def expect(self, total_bytes: int, tables: int) -> None:
        """Begin to count a database's data from nothing."""
        self._change(bytes_done=0, bytes_total=total_bytes, tables_done=0, tables_total=tables)

    def follow(self, phase: str, database: str, *, done: int, total: int, note: str) -> None:
        """What RDS says of its tasks: bytes of the staged files, and the last message."""
        self._change(phase=phase, database=database, bytes_done=done, bytes_total=total, note=note)

    def add(self, count: int) -> None:
        """So many more bytes of COPY text or large objects."""
        with self._lock:
            self._now = self._now.model_copy(update={"bytes_done": self._now.bytes_done + count})
        self._write_if_due()

    def table_done(self) -> None:
        """One more table is committed."""
        with self._lock:
            self._now = self._now.model_copy(update={"tables_done": self._now.tables_done + 1})
        self._write_if_due()

    def _change(self, **values: object) -> None:
        with self._lock:
            self._now = self._now.model_copy(update=values)
        self._write_if_due()

    def _write_if_due(self) -> None:
        with self._lock:
            if self.seconds - self._written < _pause(self.seconds, self._every):
                return
            self._written = self.seconds
            now = self._now.model_copy(update={"seconds": round(self.seconds, 3)})
        with contextlib.suppress(ClientError, BotoCoreError):
            self._write(now)


def _pause(seconds: float, every: float) -> float:
    """Until the next note, so long after the beginning: a week of notes by the second would cost more than the whole orchestration."""
    return min(max(every, limits.PROGRESS_SHARE * seconds), limits.LONGEST_PROGRESS_SECONDS)
