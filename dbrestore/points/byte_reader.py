"""A cursor over a stream of bytes that comes in pieces. Invariant: memory holds what is asked for at once and the piece that it ends
in, and every byte is copied a fixed number of times.

The readers of a dump work on `buffer` directly where a call per value would cost more than the work.
"""

import hashlib
from collections.abc import Iterable

from dbrestore.contract.errors import BackupDamaged


class ByteReader:
    """`buffer[cursor:]` is what was fetched and not yet read; `position` the offset of `cursor` in the stream (of whose first byte, where
    that is given), `name` what messages call it."""

    def __init__(self, source: Iterable[bytes], name: str = "data", position: int = 0) -> None:
        self._name = name
        self._source = iter(source)
        self._base = position
        # Most readers want none, and it is not for nothing.
        self._digest: hashlib._Hash | None = None
        self._digested = 0
        self.buffer = b""
        self.cursor = 0

    @property
    def position(self) -> int:
        """Bytes read so far, and those before the first."""
        return self._base + self.cursor

    def fill(self) -> bool:
        """Fetch one more piece behind the unread rest; False at the end of the stream."""
        piece = next(self._source, None)
        if piece is None:
            return False
        self._append([piece])
        return True

    def at_end(self) -> bool:
        """Whether every byte of the stream was read. Draws the source dry, so that checks at its end take place."""
        while self.cursor == len(self.buffer):
            if not self.fill():
                return True
        return False

    def peek(self, count: int) -> bytes:
        """The next `count` bytes without reading them; fewer at the end of the stream."""
        missing = count - (len(self.buffer) - self.cursor)
        pieces = []
        while missing > 0 and (piece := next(self._source, None)) is not None:
            pieces.append(piece)
            missing -= len(piece)
        if pieces:
            self._append(pieces)
        return self.buffer[self.cursor : self.cursor + count]

    def read(self, count: int) -> bytes:
        """Exactly `count` bytes. Raises BackupDamaged if the stream ends before."""
        begin, end = self.cursor, self.cursor + count
        if end <= len(self.buffer):
            self.cursor = end
            return self.buffer[begin:end]
        found = self.ahead(count)
        self.cursor += count
        return found

    def ahead(self, count: int) -> bytes:
        """The same without reading them."""
        found = self.peek(count)
        if len(found) < count:
            raise BackupDamaged(f"the {self._name} ends at byte {self.position + len(found)}, in the middle of a value")
        return found

    def start_digest(self) -> None:
        """Begin the SHA-256 of the bytes that are read from here on."""
        self._digest = hashlib.sha256()
        self._digested = self.cursor

    def digest(self) -> str:
        """The SHA-256 (hex) of the bytes read since `start_digest`."""
        self._digest_up_to_cursor()
        return self._digest.hexdigest() if self._digest else hashlib.sha256().hexdigest()

    def _append(self, pieces: list[bytes]) -> None:
        """Joined once, however many there are: a long text may span hundreds of pieces."""
        self._digest_up_to_cursor()
        self._base += self.cursor
        rest = [self.buffer[self.cursor :]] if self.cursor < len(self.buffer) else []
        self.buffer = b"".join(rest + pieces)
        self.cursor = self._digested = 0

    def _digest_up_to_cursor(self) -> None:
        if self._digest:
            self._digest.update(memoryview(self.buffer)[self._digested : self.cursor])
        self._digested = self.cursor
