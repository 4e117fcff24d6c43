"""The rows of one member while they pass: cut into blocks of whole rows, which are counted here or by another process.

Invariant: nothing is said about a member before each of its blocks was counted, and its rows have the columns that the COPY statement
names.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from dbrestore.contract.errors import BackupDamaged
from dbrestore.contract.manifest import RowDigest
from dbrestore.points.pgdump.row_digest import total_text
from dbrestore.points.pgdump.rows.block_count import BlockCounter, RowShape, Totals

# A block in the pieces that it came in.
Parts = Sequence[bytes | memoryview]


@dataclass
class Tally:
    """What was counted of one member. `awaited` blocks were given to another process; `damage` is the first that one has found."""

    shape: RowShape
    totals: Totals = field(default_factory=Totals)
    awaited: int = 0
    damage: BackupDamaged | None = None


class OtherCounters(Protocol):
    """Who counts blocks beside the process that reads them."""

    def take(self, parts: Parts, tally: Tally) -> bool:
        """Have a block counted, and its tally told later; False if nobody is free for it."""

    def settle(self, tally: Tally) -> None:
        """Wait until nothing of the tally is awaited."""


class Nobody:
    """All blocks are counted where they are read."""

    def take(self, parts: Parts, tally: Tally) -> bool:
        """Never."""
        return False

    def settle(self, tally: Tally) -> None:
        """Nothing is awaited."""


@dataclass(frozen=True)
class Rows:
    """What the rows of one member come to. `length` counts the bytes of their COPY text; `content` None: no column can be proven."""

    length: int
    rows: int
    content: RowDigest | None


class MemberRows:
    """Takes the COPY text of one member, whose rows have so many `columns`, in pieces that are cut anywhere."""

    def __init__(self, shape: RowShape, columns: int, others: OtherCounters) -> None:
        self._columns, self._others = columns, others
        self._tally, self._counter = Tally(shape), BlockCounter(shape)
        self._length = 0
        self._held: list[bytes] = []

    @property
    def is_counted(self) -> bool:
        """Whether nothing of it is awaited."""
        return not self._tally.awaited

    def add(self, piece: bytes) -> None:
        """The next piece. Raises BackupDamaged if its rows can't be what COPY wrote."""
        self._length += len(piece)
        end = piece.rfind(b"\n") + 1
        if not end:
            self._held.append(piece)
            return
        self._count([*self._held, piece if end == len(piece) else memoryview(piece)[:end]])
        self._held = [piece[end:]] if end < len(piece) else []

    def result(self) -> Rows:
        """Of all its rows; waits for what is awaited. Raises BackupDamaged if they can't be what COPY wrote."""
        self._others.settle(self._tally)
        if self._tally.damage:
            raise self._tally.damage
        if self._held:
            raise BackupDamaged("the rows don't end with the end of a line")
        rows, tabs, hashes = self._tally.totals
        expected = rows * max(self._columns - 1, 0)
        if tabs != expected:
            raise BackupDamaged(f"{rows} rows of {self._columns} columns need {expected} tabs but have {tabs}")
        return Rows(self._length, rows, self._digest(hashes))

    def _count(self, parts: Parts) -> None:
        if not self._others.take(parts, self._tally):
            self._tally.totals = self._tally.totals.plus(self._counter.count(b"".join(parts)))

    def _digest(self, hashes: int) -> RowDigest | None:
        shape = self._tally.shape
        if shape.columns.kept == ():
            return None
        return RowDigest(seed=shape.seed, total=total_text(hashes), columns=shape.columns.kept)
