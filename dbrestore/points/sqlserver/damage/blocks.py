"""An uncompressed backup file, walked from block to block: nothing in it is skipped, and nothing held.

Blocks follow each other by the lengths of their streams; TAPE, filemarks and the ends of sets begin a unit of 512 bytes to 64 KiB each.
True to the last byte of 230 real files. What stands in the streams goes to whoever judges it.
"""

from collections.abc import Generator
from typing import Final, Protocol

from dbrestore.contract.errors import BackupDamaged
from dbrestore.points.sqlserver.blocks import SECTOR, number
from dbrestore.points.sqlserver.damage.fed_bytes import Reader, Wanted
from dbrestore.points.sqlserver.damage.marks import BLOCK_HEADER, TAG, Filemarks, is_block, is_header, unit_fits

_STREAM_HEADER: Final = 22
_LAST_STREAM: Final = b"SPAD"
_LARGEST_UNIT: Final = 64 << 10
_SKIPPED_AT_ONCE: Final = 1 << 20
# Streams seen in real backups; what others mean is not known.
_KNOWN: Final = frozenset({b"RAID", b"SPAD", b"APAD", b"MQCI", b"MQDA", b"MQTL", b"CSUM", b"OTCP", b"TSMP"})

Taken = Generator[Wanted, memoryview, memoryview]


class Content(Protocol):
    """Who judges the streams' contents. The position is the first byte's in the file."""

    def batch(self, tag: bytes) -> int:
        """In how many bytes it wants the stream; 0 for not at all."""

    def begins(self, tag: bytes, position: int, length: int) -> None:
        """A stream that it wants."""

    def piece(self, data: memoryview, position: int) -> None:
        """The stream's next bytes, `batch` of them or what is left."""

    def ends(self) -> None:
        """The stream is over."""


class Walk:
    """`read` is to be fed. Afterwards `headers` are the bytes of all headers of blocks and streams, `unknown` the bytes in streams of
    kinds that are not known, by tag."""

    def __init__(self, content: Content) -> None:
        self._content = content
        self._position = 0
        self._marks = Filemarks()
        self.headers = 0
        self.unknown: dict[bytes, int] = {}

    def read(self) -> Reader:
        """Raises BackupDamaged where no block or stream stands and one should."""
        while True:
            yield from self._block()

    def _block(self) -> Reader:
        end = self._position
        head = yield from self._take(BLOCK_HEADER, may_end=self._marks.complete)
        if self._marks.complete:
            raise BackupDamaged(f"is damaged: it goes on after its end at byte {end:,}: compare it with its original, or make it again")
        while not is_block(head):
            yield from self._skip(SECTOR - BLOCK_HEADER)
            if self._position - end >= _LARGEST_UNIT:
                raise BackupDamaged(_lost("block", end))
            head = yield from self._take(BLOCK_HEADER)
        begin = self._position - BLOCK_HEADER
        if not unit_fits(end, begin):
            raise BackupDamaged(_lost("block", end))
        self._marks.followed(begin)
        self.headers += BLOCK_HEADER
        if bytes(head[:4]) == TAG:
            rest = yield from self._take(SECTOR - BLOCK_HEADER)
            self._marks.met(begin, bytes(head) + bytes(rest))
            yield from self._skip(max(self._marks.unit - SECTOR, 0))
            return
        yield from self._streams(begin, number(head, 8, 2))
        yield from self._skip(-self._position % SECTOR)

    def _streams(self, begin: int, first: int) -> Reader:
        if first < BLOCK_HEADER:
            raise BackupDamaged(_lost("stream", begin + first))
        yield from self._skip(first - BLOCK_HEADER)
        tag = b""
        while tag != _LAST_STREAM:
            yield from self._skip(-self._position % 4)
            header = yield from self._take(_STREAM_HEADER)
            tag = bytes(header[:4])
            if not (tag.isalnum() and is_header(header, _STREAM_HEADER)):
                raise BackupDamaged(_lost("stream", self._position - _STREAM_HEADER))
            self.headers += _STREAM_HEADER
            yield from self._payload(tag, number(header, 8, 8))

    def _payload(self, tag: bytes, length: int) -> Reader:
        if tag not in _KNOWN:
            self.unknown[tag] = self.unknown.get(tag, 0) + length
        size = self._content.batch(tag)
        if not size:
            yield from self._skip(length)
            return
        end = self._position + length
        self._content.begins(tag, self._position, length)
        # Before pages and log two bytes align them; the checksum's stream is as long as the checksum.
        if length > SECTOR:
            yield from self._skip(-self._position % 4)
        while left := end - self._position:
            position = self._position
            data = yield from self._take(min(size, left))
            self._content.piece(data, position)
        self._content.ends()

    def _take(self, size: int, may_end: bool = False) -> Taken:
        data = yield Wanted(size, may_end=may_end)
        self._position += size
        return data

    def _skip(self, count: int) -> Reader:
        end = self._position + count
        while left := end - self._position:
            self._position += len((yield Wanted(min(left, _SKIPPED_AT_ONCE), part=True)))


def _lost(what: str, position: int) -> str:
    return (
        f"is damaged: at byte {position:,}, where the one before ends, no {what} begins: bytes before it are missing, were added or "
        "were changed. Copy it again from its original, or make it again"
    )
