"""A compressed backup file (layout 2), walked from record to record; nothing is inflated.

`MSSQLBAK` and the layout, records from byte 480, filemarks between them at multiples of 512. A record: u8 kind, u8 inflated size / 512,
u16 size, five words that mean nothing, u32 checksum over the compressed bytes that follow. Kind 0x21 is compressed, 0x24 fills up to a
filemark (its header is 24 bytes, its size counts from there), 0x2c is an index (again 24 bytes; then u32 1, u32 entries, u32 length up to
the filemark, u32 checksum over the entries, which are logical position and offset in the file). Read from real backups of SQL Server
2014 to 2022.
"""

from collections.abc import Generator
from typing import Final

from dbrestore.contract.errors import BackupDamaged
from dbrestore.points.sqlserver.blocks import SECTOR, number
from dbrestore.points.sqlserver.container import MAGIC
from dbrestore.points.sqlserver.damage.fed_bytes import Reader, Wanted
from dbrestore.points.sqlserver.damage.marks import TAG, Filemarks, is_block
from dbrestore.points.sqlserver.damage.sums import word_sum

_LAYOUT: Final = 2
_BEGIN: Final = 480
_COMPRESSED, _FILLER, _INDEX = 0x21, 0x24, 0x2C
_LARGEST_UNIT: Final = 64 << 10
_SKIPPED_AT_ONCE: Final = 1 << 20

Taken = Generator[Wanted, memoryview, memoryview]


class Records:
    """`read` is to be fed. Afterwards `right` are the records whose checksums are right and `covered` their bytes; `wrong` are number and
    position of the others; `lost` the position from which on records could not be told any more."""

    def __init__(self) -> None:
        self._position = 0
        self._marks = Filemarks()
        self._after_mark = -_LARGEST_UNIT
        self._count = 0
        self.right = 0
        self.covered = 0
        self.wrong: list[tuple[int, int]] = []
        self.lost: int | None = None
        self.layout = _LAYOUT

    def read(self) -> Reader:
        """Raises BackupDamaged for wrong filemarks."""
        head = yield from self._take(_BEGIN)
        self.layout = number(head, len(MAGIC), 4)
        if self.layout != _LAYOUT:
            while True:
                yield Wanted(_SKIPPED_AT_ONCE, part=True, may_end=True)
        while True:
            yield from self._next()

    def _next(self) -> Reader:
        begin = self._position
        head = yield from self._take(4, may_end=self._marks.complete)
        if self._marks.complete:
            raise BackupDamaged(f"is damaged: it goes on after its end at byte {begin:,}: compare it with its original, or make it again")
        size = number(head, 2, 2)
        if not any(head) and begin % SECTOR == 0 and begin - self._after_mark < _LARGEST_UNIT:
            # The rest of the unit that the filemark began.
            yield from self._skip(SECTOR - 4)
        elif bytes(head) == TAG and not begin % SECTOR:
            yield from self._filemark(begin, bytes(head))
        elif head[0] == _COMPRESSED and size:
            yield from self._record(begin, size)
        elif head[0] == _FILLER:
            yield from self._skip(20 + size)
        elif head[0] == _INDEX:
            yield from self._index(begin)
        else:
            yield from self._search(begin)

    def _record(self, begin: int, size: int) -> Reader:
        self._count += 1
        self._marks.followed(begin)
        rest = yield from self._take(24 + size)
        if word_sum(rest[24:]) == number(rest, 20, 4):
            self.right += 1
            self.covered += size
        else:
            self.wrong.append((self._count, begin))

    def _index(self, begin: int) -> Reader:
        rest = yield from self._take(36)
        count, length, checksum = (number(rest, offset, 4) for offset in (24, 28, 32))
        entries = 16 * count
        if not 16 + entries <= length <= 16 + entries + _LARGEST_UNIT or entries > 1 << 24:
            yield from self._search(begin)
            return
        data = yield from self._take(entries)
        if word_sum(data) == checksum:
            self.covered += entries
        else:
            self.wrong.append((0, begin))
        yield from self._skip(length - 16 - entries)

    def _filemark(self, begin: int, head: bytes) -> Reader:
        rest = yield from self._take(SECTOR - 4)
        mark = head + bytes(rest)
        if not is_block(mark):
            raise BackupDamaged(
                f"is damaged: the filemark at byte {begin:,} has a wrong checksum: compare it with its original, or make it again"
            )
        yield from self._met(begin, mark)

    def _search(self, begin: int) -> Reader:
        """What begins here is neither record nor filemark: the next filemark tells where to go on."""
        self.lost = begin if self.lost is None else self.lost
        yield from self._skip(-self._position % SECTOR)
        while True:
            position = self._position
            sector = yield from self._take(SECTOR)
            if bytes(sector[:4]) == TAG and is_block(sector):
                yield from self._met(position, sector)
                return

    def _met(self, position: int, mark: bytes | memoryview) -> Reader:
        self._marks.met(position, mark)
        self._after_mark = self._position
        yield from self._skip(max(self._marks.unit - SECTOR, 0))

    def _take(self, size: int, may_end: bool = False) -> Taken:
        data = yield Wanted(size, may_end=may_end)
        self._position += size
        return data

    def _skip(self, count: int) -> Reader:
        end = self._position + count
        while left := end - self._position:
            self._position += len((yield Wanted(min(left, _SKIPPED_AT_ONCE), part=True)))
