"""The pages of streams MQDA, 8 KiB each: checksums recomputed, and each page looked for in its place.

A page carries a checksum if byte 0 is 1, its type 1 to 22 and bit 0x200 of its flags set. Free pages hold whatever the disk held, so a
page that its database's PFS calls free is never damaged. The pages of an extent (8) stand together in order: an extent is the one that
its pages name.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dbrestore.points.sqlserver.damage.order import EXTENT, Found, Order, PageAt
from dbrestore.points.sqlserver.damage.places import INTERVAL, PFS_TYPE, Places
from dbrestore.points.sqlserver.damage.sums import PAGE, Words, page_sums, without_own
from dbrestore.points.sqlserver.header import Lsn

_TYPES: Final = range(1, 23)
_TORN_DETECTION, _HAS_CHECKSUM = 0x100, 0x200


@dataclass(frozen=True)
class _Batch:
    """Pages in a row; arrays have one number for each. `fits`: it is a page by its header, and names this slot of an extent."""

    pages: NDArray[np.uint8]
    position: int
    valid: NDArray[np.bool_]
    flags: NDArray[np.uint32]
    page: NDArray[np.int64]
    file: NDArray[np.int64]
    fits: NDArray[np.bool_]

    @classmethod
    def of(cls, pages: NDArray[np.uint8], position: int) -> "_Batch":
        valid = (pages[:, 0] == 1) & (pages[:, 1] >= _TYPES.start) & (pages[:, 1] < _TYPES.stop)
        page = _column(pages, 32, "<u4").astype(np.int64)
        fits = valid & (page % EXTENT == np.arange(len(pages)) % EXTENT)
        file = _column(pages, 36, "<u2").astype(np.int64)
        return cls(pages, position, valid, _column(pages, 4, "<u2"), page, file, fits)

    def own(self, slots: NDArray[np.intp], file: int, pages: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether what stands in these slots are these pages of a file."""
        own: NDArray[np.bool_] = self.fits[slots] & (self.page[slots] == pages) & (self.file[slots] == file)
        return own

    def at(self, index: int, file: int, page: int) -> PageAt:
        return PageAt(file, page, self.position + int(index) * PAGE)


class Pages:
    """The pages of one stripe. `begun` is the LSN at which the backup began. `undecided` failed, and no PFS page of this stripe says
    whether they are in use."""

    def __init__(self, places: Places, begun: Lsn) -> None:
        self._places, self._begun = places, begun
        self._order = Order()
        self.right = 0
        self.wrong = 0
        self.torn_detection = 0
        self.damaged = Found()
        self.undecided = Found()
        self.displaced = Found()

    def stream_begins(self) -> None:
        """Pages may be repeated from here on."""
        self.stream_ends()
        self._order = Order()

    def stream_ends(self) -> None:
        """What stood too late did so for good."""
        self.displaced.add(self._order.late)

    def judge(self, data: NDArray[np.uint8], position: int) -> Words:
        """Whole extents, or the stream's end. Returns the pages' sums with their checksums in them."""
        batch = _Batch.of(data, position)
        sums = page_sums(data)
        own = _column(data, 60, "<u4")
        right = batch.valid & (without_own(sums, own) == own)
        claimed = batch.valid & ((batch.flags & _HAS_CHECKSUM) != 0)
        self.right += int((claimed & right).sum())
        self._places.unknown += _not_uniform(data[~batch.valid])
        self.torn_detection += int((batch.valid & ((batch.flags & _TORN_DETECTION) != 0)).sum())
        extents = self._extents(batch, right)
        in_use = np.zeros(len(extents), np.bool_)
        for key, rows in _by_interval(extents):
            in_use[rows] = self._settle(batch, extents, key, rows)
        self._order.take(extents, in_use, position)
        self._fail(batch, extents, np.flatnonzero(claimed & ~right))
        return sums

    def _extents(self, batch: _Batch, right: NDArray[np.bool_]) -> NDArray[np.int64]:
        """(file, first page) of each extent; file -1 where nothing tells."""
        count = -(-len(batch.page) // EXTENT)
        fits, file = _in_eights(batch.fits, count), _in_eights(batch.file, count)
        first = _in_eights(batch.page, count) // EXTENT * EXTENT
        name = np.where(fits, file << 32 | first, -1)
        best = name.max(axis=1)
        found = np.stack([np.where(best < 0, -1, best >> 32), best & 0xFFFFFFFF], axis=1)
        for row in np.flatnonzero((fits & (name != best[:, None])).any(axis=1)):
            before = tuple(found[row - 1].tolist()) if row else (-1, 0)
            found[row] = self._elected(name[row], _in_eights(right, count)[row], before)
        return found

    def _elected(self, names: NDArray[np.int64], right: NDArray[np.bool_], before: tuple[int, ...]) -> tuple[int, int]:
        """The pages of one extent name several: old bytes in free pages, or a page in a wrong place. The one after the extent before that
        most of the right pages name."""

        def weight(name: int) -> tuple[bool, int, int]:
            file, first = name >> 32, name & 0xFFFFFFFF
            after = before[1] if before[0] == file else self._order.highest.get(file, -1)
            same = names == name
            return first > after, int((same & right).sum()) * EXTENT + int(same.sum()), -name

        best = max({int(name) for name in names if name >= 0}, key=weight)
        return best >> 32, best & 0xFFFFFFFF

    def _settle(self, batch: _Batch, extents: NDArray[np.int64], key: tuple[int, int], rows: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Note the pages of one interval that are there. Returns which of the extents have one in use."""
        interval = self._places.interval(key)
        base = key[1] * INTERVAL
        slots = (rows[:, None] * EXTENT + np.arange(EXTENT)).ravel()
        expected = (extents[rows, 1][:, None] + np.arange(EXTENT)).ravel()
        inside = slots < len(batch.page)
        there = np.zeros(len(slots), np.bool_)
        there[inside] = batch.own(slots[inside], key[0], expected[inside])
        interval.held[expected[inside] - base] = True
        interval.seen[expected[there] - base] = True
        for slot in slots[there & (expected == max(base, 1))]:
            if batch.pages[slot, 1] == PFS_TYPE:
                interval.tell(batch.pages[slot], _lsn(batch.pages[slot]) <= self._begun)
        if interval.allocated is None:
            return np.zeros(len(rows), np.bool_)
        used: NDArray[np.bool_] = (there & interval.allocated[expected - base]).reshape(-1, EXTENT).any(axis=1)
        return used

    def _fail(self, batch: _Batch, extents: NDArray[np.int64], slots: NDArray[np.intp]) -> None:
        """Pages whose checksums are wrong. One that does not bear the id of its place is old bytes, or missed where it belongs."""
        self.wrong += len(slots)
        file, page = extents[slots // EXTENT, 0], extents[slots // EXTENT, 1] + slots % EXTENT
        for index in np.flatnonzero((file >= 0) & (batch.page[slots] == page) & (batch.file[slots] == file)).tolist():
            at = batch.at(int(slots[index]), int(file[index]), int(page[index]))
            allocated = self._places.allocated(at.file, at.page)
            if allocated is not False:
                (self.damaged if allocated else self.undecided).add([at])


def _by_interval(extents: NDArray[np.int64]) -> Iterator[tuple[tuple[int, int], NDArray[np.intp]]]:
    keys = np.where(extents[:, 0] >= 0, extents[:, 0] << 32 | extents[:, 1] // INTERVAL, -1)
    for key in np.unique(keys[keys >= 0]).tolist():
        yield (key >> 32, key & 0xFFFFFFFF), np.flatnonzero(keys == key)


def _not_uniform(pages: NDArray[np.uint8]) -> int:
    """How many hold more than one byte again and again, as what was never written does."""
    return int((pages != pages[:, :1]).any(axis=1).sum())


def _column(pages: NDArray[np.uint8], offset: int, kind: str) -> NDArray[np.uint32]:
    size = int(kind[-1])
    return np.ascontiguousarray(pages[:, offset : offset + size]).view(kind)[:, 0].astype(np.uint32)


def _in_eights(values: NDArray, count: int) -> NDArray:  # type: ignore[type-arg]
    if len(values) < count * EXTENT:
        values = np.concatenate([values, np.zeros(count * EXTENT - len(values), values.dtype)])
    return values.reshape(count, EXTENT)


def _lsn(page: NDArray[np.uint8]) -> Lsn:
    found = bytes(page[40:50])
    return Lsn(*(int.from_bytes(found[start:end], "little") for start, end in ((0, 4), (4, 8), (8, 10))))
