"""What is read of a native backup's file to judge it: ranges of it, each as long as what it must hold."""

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from itertools import accumulate, takewhile
from typing import Final, TypeVar

from dbrestore.points.sqlserver import container as native_container
from dbrestore.points.sqlserver import copies as native_copies
from dbrestore.points.sqlserver import marks as native_marks
from dbrestore.points.sqlserver.blocks import SECTOR
from dbrestore.points.sqlserver.copies import Items
from dbrestore.points.sqlserver.header import NotEnough
from dbrestore.points.sqlserver.marks import Filemark, Layout, ReadRange

RANGE: Final = 64 << 10
_GROWTH: Final = 16
# 1.1 KB for each database file, and SQL Server's limit is 32,767 of them.
_LONGEST: Final = 64 << 20
# In a compressed set the copy of its header is in the last records; it may lie in several.
_LAST_RECORDS: Final = (1, 2, 4, 8)
# Inflating takes a second per MiB, and this is the header of a database of 3,700 files.
_LONGEST_COMPRESSED: Final = 1 << 20
_LONGEST_INFLATED: Final = 4 << 20

Found = TypeVar("Found")


class Blocks:
    """The blocks of a file of `length` bytes that begins with `head`, inflated if it is compressed."""

    def __init__(self, length: int, read: ReadRange, head: bytes, *, compressed: bool) -> None:
        self.length, self._source, self._head, self.compressed = length, read, head, compressed

    def parsed(self, begin: int, parse: Callable[[bytes], Found]) -> Found:
        """What `parse` makes of the blocks from `begin` on; it raises NotEnough for more of them. Raises what it raises."""
        size = RANGE
        while True:
            data = self._from(begin, min(size, self.length - begin))
            try:
                return _first_success(self._growing(data), parse)
            except NotEnough:
                if begin + len(data) >= self.length or size >= self._longest:
                    raise
            size = min(size * _GROWTH, self._longest)

    def copy_before(self, mark: int) -> Items | None:
        """The copy of a set's header that ends at the filemark behind the set's data; None if it isn't there."""
        size = RANGE
        while size <= self._longest:
            start = max(0, mark - size)
            if size == RANGE and start < self._tail_start < mark:
                start = self._tail_start
            data = self._range(start, mark - start)
            for blocks in self._ends(data):
                if found := native_copies.behind_the_data(blocks):
                    return found
            if not start:
                return None
            size *= _GROWTH
        return None

    @cached_property
    def last(self) -> tuple[int, Filemark] | None:
        """The unit, and the filemark that ends the file."""
        return native_marks.last_mark(self._tail, self._tail_start, self.length)

    def layout(self) -> Layout:
        """Where the filemarks stand. Raises BackupDamaged if they contradict each other."""
        if self.last is None:
            raise ValueError("a file without its last filemark has no layout")
        return native_marks.layout(self._range, *self.last)

    def end_of_set_is_there(self, unit: int, last: Filemark) -> bool:
        """Whether the end of a set stands before the last filemark. In a compressed file it is inside a record."""
        tail, start = self._end(unit)
        positions = [start + block.position for block in native_marks.ends_of_sets(tail, start)]
        return self.compressed or any(position < last.position for position in positions)

    def displacement(self, unit: int, last: Filemark) -> int:
        """How many bytes fewer the file has than the last filemark says (more: negative)."""
        return native_marks.displacement(last, *self._end(unit))

    @property
    def _longest(self) -> int:
        return _LONGEST_COMPRESSED if self.compressed else _LONGEST

    @property
    def _tail_start(self) -> int:
        return max(0, -(-(self.length - RANGE) // SECTOR) * SECTOR)

    @cached_property
    def _tail(self) -> bytes:
        return self._head if not self._tail_start else self._source(self._tail_start, self.length - self._tail_start)

    def _end(self, unit: int) -> tuple[bytes, int]:
        """Enough of the file's end for a set's end and both filemarks around it, and where it begins."""
        start = max(0, min(self._tail_start, self.length - native_marks.MOST_UNITS_OF_AN_END * unit))
        return self._range(start, self.length - start), start

    def _from(self, begin: int, count: int) -> bytes:
        """The first range is what is there of it already, if any."""
        if count <= RANGE and begin < len(self._head):
            return self._head[begin:]
        return self._range(begin, count)

    def _range(self, begin: int, count: int) -> bytes:
        end = begin + count
        if end <= len(self._head):
            return self._head[begin:end]
        if begin >= self._tail_start:
            return self._tail[begin - self._tail_start : end - self._tail_start]
        return self._source(begin, count)

    def _growing(self, data: bytes) -> Iterable[bytes]:
        if not self.compressed:
            return (data,)
        return takewhile(lambda blocks: len(blocks) < _LONGEST_INFLATED, accumulate(native_container.inflated(data)))

    def _ends(self, data: bytes) -> Iterator[bytes]:
        if not self.compressed:
            yield data
            return
        for records in _LAST_RECORDS:
            yield native_container.inflated_end(data, records)


def _first_success(attempts: Iterable[bytes], parse: Callable[[bytes], Found]) -> Found:
    problem = NotEnough("no block")
    for blocks in attempts:
        try:
            return parse(blocks)
        except NotEnough as error:
            problem = error
    raise problem
