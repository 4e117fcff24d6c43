"""The filemarks of a native backup: where each backup set of a file begins and ends.

A file begins with the media's block and a filemark; each backup set adds its blocks, a filemark, its end (ESET) and a filemark. The last
one ends the file. A filemark lists where those before it stand, the nearest first; it takes one unit, so all of a file's blocks begin at
multiples of that. True of all 230 files that were looked at, in units of 512 and 4096; BACKUP's BLOCKSIZE may be up to 65,536. SQL Server
2005 lists the positions from byte 60, later ones from byte 72.

A mark of 512 bytes has room for 55 positions (56 in 2005), which 28 sets fill: no file with so many was to be had. Where a mark is
full, the oldest that it lists leads on, and its count may be of those that it lists (MTF calls the field "entries used") or of all.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from dbrestore.contract.errors import BackupDamaged
from dbrestore.points.sqlserver.blocks import SECTOR, Block, blocks

TAG: Final = b"SFMB"
UNITS: Final = tuple(SECTOR << power for power in range(8))
# Between the filemark behind a set's data and the one behind its end: two ends of two units at most were seen.
MOST_UNITS_OF_AN_END: Final = 16
LISTED_FROM: Final = {72: 72}

ReadRange = Callable[[int, int], bytes]


@dataclass(frozen=True)
class Filemark:
    """One of them; `count` filemarks stand before it, `before` are the positions of those that it lists, the nearest first. `is_full` if
    it has no room for more: then more may stand before it than it counts."""

    position: int
    count: int
    before: tuple[int, ...]
    is_full: bool = False


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
        return tuple(Extent(begin + self.unit, end + self.unit) for begin, end in zip(self.marks[:-2:2], self.marks[2::2], strict=True))


def filemark(block: Block, position: int, unit: int) -> Filemark:
    """A filemark's words. Raises IndexError where they end too early."""
    count = block.number(56, 4)
    start = LISTED_FROM.get(block.number(60, 4), 60)
    room = (unit - start) // 8
    listed = tuple(block.number(start + 8 * n, 8) for n in range(min(count, room)))
    return Filemark(position, count, listed, is_full=count >= room)


def last_mark(tail: bytes, start: int, length: int) -> tuple[int, Filemark] | None:
    """The unit and the filemark that ends a file of `length` bytes, whose bytes from `start` are `tail`."""
    ends = {length - start - block.position: block for block in blocks(tail, start) if block.tag == TAG}
    for unit in UNITS:
        # Where a filemark's streams would begin it says its own length, in 16 bits.
        if unit in ends and ends[unit].number(8) == unit & 0xFFFF:
            return unit, filemark(ends[unit], length - unit, unit)
    return None


def layout(read: ReadRange, unit: int, last: Filemark) -> Layout:
    """All filemarks of a file. Raises BackupDamaged if they don't name each other; `read` is asked for what was not read yet."""
    marks, listing = [last.position], last
    _require_listed(last)
    while listing.is_full:
        marks += listing.before
        listing = _mark_at(read, marks[-1], unit)
    marks += listing.before
    if len(marks) % 2 == 0 or (last.count != len(marks) - 1 and not (last.is_full and last.count == len(last.before))):
        raise BackupDamaged(f"has {len(marks) - 1} filemarks before the last one, which counts {last.count}")
    return Layout(unit, tuple(reversed(marks)))


def _mark_at(read: ReadRange, position: int, unit: int) -> Filemark:
    found = [block for block in blocks(read(position, unit)) if block.tag == TAG and not block.position]
    if not found:
        raise BackupDamaged(f"has no filemark at byte {position:,}, where a later one says that there is one")
    mark = filemark(found[0], position, unit)
    _require_listed(mark)
    return mark


def _require_listed(mark: Filemark) -> None:
    """Positions fall, so whoever follows them comes to an end."""
    if any(not 0 < there < here for here, there in pairwise((mark.position, *mark.before))):
        raise BackupDamaged(f"has a filemark at byte {mark.position:,} that lists the ones before it wrongly")


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
