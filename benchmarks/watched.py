"""What the processes below this one need while something runs: seconds of CPU and memory, read from /proc until they end."""

import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

_EVERY: Final = 0.02
_TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Seen:
    """A process when it was last looked at. `peak` in bytes."""

    name: str
    cpu: float
    peak: int


class Watch:
    """Of the processes whose command line holds one of these names; of several that do, the last."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names, self._over = names, threading.Event()
        self._thread = threading.Thread(target=self._look_until_over)
        self.seen: dict[int, Seen] = {}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def peak(self, name: str) -> int:
        """The largest memory of the processes of this name, in bytes."""
        return max((seen.peak for seen in self.seen.values() if seen.name == name), default=0)

    def _look_until_over(self) -> None:
        while not self._over.wait(_EVERY):
            for pid in _below(os.getpid()):
                if seen := self._look(pid):
                    self.seen[pid] = seen

    def _look(self, pid: int) -> Seen | None:
        process = Path(f"/proc/{pid}")
        try:
            line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            name = next((name for name in reversed(self._names) if name in line), None)
            times = (process / "stat").read_text().rpartition(") ")[2].split()
            memory = [int(word.split()[1]) for word in (process / "status").read_text().splitlines() if word.startswith("VmHWM:")]
        except OSError:
            return None
        return Seen(name, (int(times[11]) + int(times[12])) / _TICKS, memory[0] << 10) if name and memory else None


def _below(pid: int) -> list[int]:
    found = []
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(word) for word in file.read_text().split()]
        except OSError:
            continue
    return found + [one for child in found for one in _below(child)]
