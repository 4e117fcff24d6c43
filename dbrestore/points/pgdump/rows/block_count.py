"""What whole rows of one table come to: how many they are, how many tabs part their columns, and the sum of a hash of each.

Invariant: what blocks come to can be added in any order, so it doesn't matter who counts which of them. Processes that do nothing else
begin with this module, which therefore imports little.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice, repeat
from typing import Final, NamedTuple

from xxhash import xxh3_128_digest

from dbrestore.contract.errors import BackupDamaged
from dbrestore.points.pgdump.rows.canonical_text import CanonicalText, Columns

HASH_LENGTH: Final = 16
# Between two hashes, for what carries over when as many as are added at once come to more than one holds.
_ROOM: Final = bytes(4)
_LANE: Final = HASH_LENGTH + len(_ROOM)
_AT_ONCE: Final = 1 << 13


@dataclass(frozen=True)
class RowShape:
    """How the rows of one member are read: which columns go into the hashes, under which seed, and whether all are UTF-8."""

    columns: Columns
    seed: int
    is_utf8: bool


class Totals(NamedTuple):
    """Of any number of rows; `hashes` is their sum."""

    rows: int = 0
    tabs: int = 0
    hashes: int = 0

    def plus(self, more: "Totals") -> "Totals":
        """Of these rows and those."""
        return Totals(self.rows + more.rows, self.tabs + more.tabs, self.hashes + more.hashes)


class BlockCounter:
    """For the rows of one member, or of several of one dump that have the same shape."""

    def __init__(self, shape: RowShape) -> None:
        self._shape = shape
        self._text = CanonicalText(shape.columns)

    def count(self, block: bytes) -> Totals:
        """Of whole lines. Raises BackupDamaged for bytes that the encoding can't have, and for a row that lacks columns."""
        if self._shape.is_utf8:
            _require_utf8(block)
        tabs = block.count(b"\t")
        if self._shape.columns.kept == ():
            return Totals(block.count(b"\n"), tabs)
        rows, hashes = hashed(self._text.rows(block), self._shape.seed)
        return Totals(rows, tabs, hashes)


def _require_utf8(block: bytes) -> None:
    """No line end is part of a longer character, so whole lines are whole characters."""
    if block.isascii():
        return
    try:
        block.decode()
    except UnicodeDecodeError as error:
        raise BackupDamaged(f"the rows contain bytes that aren't UTF-8: {error.reason}") from error


def hashed(rows: Iterable[bytes], seed: int) -> tuple[int, int]:
    """How many rows these are, and the sum of their hashes. It is that of `xxh3_128_intdigest(row, seed)`, which would take twice as long:
    that makes an integer of each row and adds it."""
    rest, count, total = iter(rows), 0, 0
    while joined := _ROOM.join(map(xxh3_128_digest, islice(rest, _AT_ONCE), repeat(seed))):
        lanes = (len(joined) + len(_ROOM)) // _LANE
        count += lanes
        total += _sum_of_lanes(int.from_bytes(joined, "big"), lanes)
    return count, total


def _sum_of_lanes(lanes: int, count: int) -> int:
    """Half of them are added to the other half at once, until one is left."""
    while count > 1:
        count = (count + 1) // 2
        bits = count * _LANE * 8
        lanes = (lanes >> bits) + (lanes & ((1 << bits) - 1))
    return lanes
