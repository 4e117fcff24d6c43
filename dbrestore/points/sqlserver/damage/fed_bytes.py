"""Bytes that come in pieces, for a reader that is written as if it had the whole file before it.

The reader is a generator: it yields what it wants and is sent the bytes. Invariant: no more is held than what the reader last asked for,
and a piece.
"""

from collections.abc import Generator
from dataclasses import dataclass

from dbrestore.contract.errors import BackupDamaged


@dataclass(frozen=True)
class Wanted:
    """`size` bytes (at least 1). With `part`, fewer will do: whatever is there. With `may_end`, the file may end before the first of
    them, and then the reader is closed."""

    size: int
    part: bool = False
    may_end: bool = False


Reader = Generator[Wanted, memoryview, None]


class Pieces:
    """Feeds a reader. What the reader raises comes out of `feed` or `finish`."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._wanted: Wanted | None = next(reader, None)
        self._held = bytearray()
        self.length = 0

    def feed(self, data: bytes | memoryview) -> None:
        """The next bytes. Raises BackupDamaged where the reader had come to its end before."""
        view = memoryview(data)
        self.length += len(view)
        while len(view):
            view = view[self._take(view) :]

    def finish(self) -> None:
        """There are no more bytes. Raises BackupDamaged if the reader wants some."""
        if self._wanted is None:
            return
        if self._held or not self._wanted.may_end:
            raise BackupDamaged(
                f"is damaged: it ends after {self.length:,} bytes in the middle: copy it again from its original, or make it again"
            )
        self._reader.close()

    def _take(self, view: memoryview) -> int:
        """How many of the bytes were used up."""
        if self._wanted is None:
            raise BackupDamaged(
                f"is damaged: it goes on after its end at byte {self.length - len(view):,}: compare it with its original, or make it again"
            )
        if not self._held and (len(view) >= self._wanted.size or self._wanted.part):
            used = min(len(view), self._wanted.size)
            self._send(view[:used])
            return used
        used = min(len(view), self._wanted.size - len(self._held))
        self._held += view[:used]
        if len(self._held) == self._wanted.size:
            held, self._held = self._held, bytearray()
            self._send(memoryview(held))
        return used

    def _send(self, data: memoryview) -> None:
        try:
            self._wanted = self._reader.send(data)
        except StopIteration:
            self._wanted = None
