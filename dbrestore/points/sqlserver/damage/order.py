"""Which pages were found wrong, and whether the extents of a stream of pages come in order."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dbrestore.points.sqlserver.damage.sums import PAGE

EXTENT: Final = 8
# More pages than that are counted and forgotten.
MOST_KEPT: Final = 10_000


@dataclass(frozen=True)
class PageAt:
    """A page of a database file, and where it stands in the backup file."""

    file: int
    page: int
    position: int

    def __str__(self) -> str:
        return f"{self.file}:{self.page}"


@dataclass
class Found:
    """Pages of one fault: the first ones, and how many there are."""

    pages: list[PageAt] = field(default_factory=list)
    count: int = 0

    def add(self, pages: Iterable[PageAt]) -> None:
        for page in pages:
            self.count += 1
            if len(self.pages) < MOST_KEPT:
                self.pages.append(page)


class Order:
    """The extents of one stream in use: those of a database file come in rising order. `late` are those after a higher one.

    A higher one that comes again in its own place was old bytes where it stood first: then what came after it was not late."""

    def __init__(self) -> None:
        self.highest: dict[int, int] = {}
        self._late: dict[int, list[PageAt]] = {}

    @property
    def late(self) -> list[PageAt]:
        return [page for pages in self._late.values() for page in pages]

    def take(self, extents: NDArray[np.int64], in_use: NDArray[np.bool_], position: int) -> None:
        """Extents in a row, (file, first page) each; the first stands at `position`."""
        for file in np.unique(extents[in_use, 0]).tolist():
            rows = np.flatnonzero(in_use & (extents[:, 0] == file))
            firsts = extents[rows, 1]
            before = np.maximum.accumulate(np.concatenate([[self.highest.get(file, -1)], firsts[:-1]]))
            if (firsts <= before).any():
                self._take_singly(file, rows, firsts, position)
            self.highest[file] = max(self.highest.get(file, -1), int(firsts.max()))

    def _take_singly(self, file: int, rows: NDArray[np.intp], firsts: NDArray[np.int64], position: int) -> None:
        for row, first in zip(rows.tolist(), firsts.tolist(), strict=True):
            highest = self.highest.get(file, -1)
            late = self._late.setdefault(file, [])
            if first == highest:
                late.clear()
            elif first < highest and len(late) < MOST_KEPT:
                late.append(PageAt(file, first, position + row * EXTENT * PAGE))
            self.highest[file] = max(highest, first)
