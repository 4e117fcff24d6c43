"""The filemarks of a native backup: where each backup set of a file begins and ends.

A file begins with the media's block and a filemark; each backup set adds its blocks, a filemark, its end (ESET) and a filemark. The last
one ends the file. A filemark counts those before it and lists where they stand, the nearest first; it takes one unit, so all of a file's
blocks begin at multiples of that. True of all 230 files that were looked at, in units of 512 and 4096; BACKUP's BLOCKSIZE may be up to
65,536. SQL Server 2005 lists the positions from byte 60, later ones from byte 72.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from repository.errors import BackupDamaged
from repository.native_blocks import SECTOR, Block, blocks, number

TAG: Final = b"SFMB"
UNITS: Final = tuple(SECTOR << power for power in range(8))
# Between the filemark behind a set's data and the one behind its end: two ends of two units at most were seen.
MOST_UNITS_OF_AN_END: Final = 16
LISTED_FROM: Final = {72: 72}

ReadRange = Callable[[int, int], bytes]


@dataclass(frozen=True)
class Filemark:
    """One of them; `count` filemarks stand before it, `before` are the positions of those that it lists, the nearest first."""

    position: int
    count: int
    before: tuple[int, ...]


@dataclass(frozen=True)
class Extent:
    """From the first byte of a backup set to the one behind its last filemark."""

    begin: int
    end: int


@dataclass(frozen=True)
class Layout:
    """`unit` in bytes; `marks` are the positions of all filemarks of the file, in their order."""

    unit: int
    marks: tuple[int, ...]

    @property
    def extents(self) -> tuple[Extent, ...]:
        """Of each backup set."""
        return tuple(
            Extent(begin + self.unit, end + self.unit)
            for begin, end in zip(self.marks[:-2:2], self.marks[2::2], strict=True)
        )


def filemark(block: Block, position: int) -> Filemark:
    """A filemark's words. Raises IndexError where they end too early."""
    count = block.number(56, 4)
    start = LISTED_FROM.get(block.number(60, 4), 60)
    room = (min(len(block.data), UNITS[-1]) - start) // 8
    return Filemark(position, count, tuple(block.number(start + 8 * n, 8) for n in range(min(count, room))))


def last_mark(tail: bytes, start: int, length: int) -> tuple[int, Filemark] | None:
    """The unit and the filemark that ends a file of `length` bytes, whose bytes from `start` are `tail`."""
    ends = {length - start - block.position: block for block in blocks(tail, start) if block.tag == TAG}
    for unit in UNITS:
        # Where a filemark's streams would begin it says its own length, in 16 bits.
        if unit in ends and ends[unit].number(8) == unit & 0xFFFF:
            return unit, filemark(ends[unit], length - unit)
    return None


def layout(read: ReadRange, unit: int, last: Filemark) -> Layout:
    """All filemarks of a file. Raises BackupDamaged if they don't name each other; `read` is asked for what was not read yet."""
    marks, listing = [last.position], last
    while len(marks) <= last.count:
        before = listing.before[: last.count + 1 - len(marks)]
        if not before or any(not 0 < there < here for there, here in zip(before, (marks[-1], *before), strict=False)):
            raise BackupDamaged(f"has a filemark at byte {listing.position:,} that lists the ones before it wrongly")
        marks += before
        if len(marks) <= last.count:
            listing = _mark_at(read, before[-1], last.count + 1 - len(marks))
    return Layout(unit, tuple(reversed(marks)))


def _mark_at(read: ReadRange, position: int, count: int) -> Filemark:
    found = [block for block in blocks(read(position, SECTOR)) if block.tag == TAG]
    if not found or number(found[0].data, 56, 4) != count:
        raise BackupDamaged(f"has no filemark at byte {position:,}, where a later one says that one stands")
    return filemark(found[0], position)


def displacement(last: Filemark, tail: bytes, start: int) -> int:
    """How many bytes fewer (more: negative) the file has than its last filemark says, seen by the one before it, which is among the last
    bytes; 0 if that stands where it should, or isn't there at all."""
    standing = [start + block.position for block in blocks(tail, start) if block.tag == TAG]
    before = [position for position in standing if position < last.position]
    if not before or last.before[0] in before:
        return 0
    return last.before[0] - before[-1]


def ends_of_sets(tail: bytes, start: int) -> Iterator[Block]:
    """The blocks ESET among the last bytes."""
    return (block for block in blocks(tail, start) if block.tag == b"ESET")
