"""The processes that count rows beside the one that reads a dump (`dbrestore.worker.postgresql.dumps.counting`). Invariant: an answer that
doesn't come fails the job, so nothing is ever said of rows that weren't counted.

Who reads goes on while they count, and counts a block itself when none of them is free for it. So nobody waits for anybody before the end,
and no more blocks are held than they have room for.
"""

import mmap
import os
import select
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final, Self, cast

from dbrestore.contract.errors import BackupDamaged, CountingBrokeOff
from dbrestore.points.pgdump.rows.member_rows import Nobody, OtherCounters, Parts, Tally
from dbrestore.worker.base import limits
from dbrestore.worker.postgresql.dumps import counting

_MODULE: Final = "dbrestore.worker.postgresql.dumps.counting"
# Where this package lies.
_ROOT: Final = Path(__file__).parents[4]


@contextmanager
def beside(length: int, shortest: int, seconds: float) -> Iterator[OtherCounters]:
    """Those for dumps of so many bytes: none for less than `shortest`, nor where there is but one processor. `seconds`: see `Counters`."""
    processors = len(os.sched_getaffinity(0))
    many = min(processors - 1, limits.COUNTING_PROCESSES) if length >= shortest else 0
    if not many:
        yield Nobody()
        return
    with ExitStack() as begun:
        yield Counters([begun.enter_context(CountingProcess.begun()) for _ in range(many)], seconds)


@dataclass
class Counters:
    """See `dbrestore.points.pgdump.rows.member_rows.OtherCounters`. `seconds` is how long one may take for its answer. All raise
    CountingBrokeOff."""

    processes: Sequence["CountingProcess"]
    seconds: float

    def take(self, parts: Parts, tally: Tally) -> bool:
        """Give it to the one that has the most room, if it fits."""
        self._hear(0)
        process = max(self.processes, key=lambda one: len(one.free))
        return process.take(parts, tally)

    def settle(self, tally: Tally) -> None:
        """Hear answers until nothing of it is awaited."""
        while tally.awaited:
            if not self._hear(self.seconds):
                raise CountingBrokeOff(f"a process that counts rows has said nothing for {self.seconds:g} seconds; add the point again")

    def _hear(self, seconds: float) -> bool:
        """Whatever was answered; waits for the first answer if there is none. False if none came."""
        asked = {process.answers.fileno(): process for process in self.processes if process.asked}
        ready, _, _ = select.select(list(asked), [], [], seconds)
        for descriptor in ready:
            asked[descriptor].hear()
        return bool(ready)


@dataclass
class CountingProcess:
    """`area` is the memory that both have mapped, `free` are the beginnings of its free slots, `asked` the slots whose blocks are being
    counted and for whom, in the order of the answers."""

    process: subprocess.Popen[bytes]
    area: mmap.mmap
    free: list[int] = field(default_factory=lambda: [n * limits.COUNTING_SLOT for n in range(limits.COUNTING_SLOTS)])
    asked: deque[tuple[int, Tally]] = field(default_factory=deque)

    @classmethod
    @contextmanager
    def begun(cls) -> Iterator[Self]:
        """Until the end of the block. Its memory has no name, so it goes with the two processes."""
        descriptor = os.memfd_create("dbrestore-rows")
        try:
            os.ftruncate(descriptor, limits.COUNTING_SLOTS * limits.COUNTING_SLOT)
            with mmap.mmap(descriptor, 0) as area, _process(descriptor) as process:
                yield cls(process, area)
        finally:
            os.close(descriptor)

    @property
    def answers(self) -> IO[bytes]:
        """Its standard output."""
        return cast("IO[bytes]", self.process.stdout)

    def take(self, parts: Parts, tally: Tally) -> bool:
        """Have a block counted; False if it has no room for it."""
        length = sum(map(len, parts))
        if not self.free or length > limits.COUNTING_SLOT:
            return False
        offset = self.free.pop()
        self._write(offset, parts)
        tally.awaited += 1
        self.asked.append((offset, tally))
        try:
            cast("IO[bytes]", self.process.stdin).write(counting.question(offset, length, tally.shape))
        except BrokenPipeError:
            raise self._ended() from None
        return True

    def hear(self) -> None:
        """The next answer; waits for it."""
        offset, tally = self.asked.popleft()
        totals, words = counting.answered(self._read(counting.ANSWER.size))
        damage = self._read(words).decode()
        self.free.append(offset)
        tally.awaited -= 1
        tally.totals = tally.totals.plus(totals)
        if damage and not tally.damage:
            tally.damage = BackupDamaged(damage)

    def _write(self, offset: int, parts: Parts) -> None:
        for part in parts:
            self.area[offset : (offset := offset + len(part))] = part

    def _read(self, length: int) -> bytes:
        read = b""
        while len(read) < length:
            more = self.answers.read(length - len(read))
            if not more:
                raise self._ended()
            read += more
        return read

    def _ended(self) -> CountingBrokeOff:
        try:
            code = self.process.wait(limits.COUNTING_END_SECONDS)
        except subprocess.TimeoutExpired:
            return CountingBrokeOff("a process that counts rows answers no more; add the point again")
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return CountingBrokeOff(
            f"a process that counts rows ended before the dump was read ({how}): add the point again, with a larger worker if the kernel "
            "ended it for want of memory (SIGKILL)"
        )


@contextmanager
def _process(descriptor: int) -> Iterator[subprocess.Popen[bytes]]:
    """Nothing of this process's environment is given to it but where Python finds its modules."""
    paths = [str(_ROOT), *filter(None, sys.path)]
    command = [sys.executable, "-P", "-s", "-S", "-m", _MODULE, str(descriptor)]
    process = subprocess.Popen(
        command,
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        pass_fds=[descriptor],
        env={"PYTHONPATH": os.pathsep.join(paths)},
        cwd="/",
    )
    with process:
        try:
            yield process
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """It ends by itself when it is asked nothing more."""
    cast("IO[bytes]", process.stdin).close()
    try:
        process.wait(limits.COUNTING_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
