"""Which pages of a database one stripe holds, and which the database uses by its PFS pages.

A PFS page (1, 8088, 16176, ... of each database file) has a byte for each of 8,088 pages from its own interval on: bit 0x40 says that the
page is allocated. What it says is taken only if it can be a PFS page's (an encrypted one can't) and was not changed since the backup
began: a page that was allocated meanwhile need not be in the backup, the log makes it. Per interval of 63 MiB two kilobytes are kept, and
nothing of one whose pages are all there.
"""

import zlib
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

INTERVAL: Final = 8088
PFS_TYPE: Final = 11
_BYTES: Final = slice(100, 100 + INTERVAL)
_ALLOCATED: Final = 0x40
_UNUSED: Final = 0x80
_FULLNESS, _FULLEST = 0x07, 4

Key = tuple[int, int]
Flags = NDArray[np.bool_]


@dataclass
class Interval:
    """8,088 pages of one database file: those that are there under their own ids, those whose extents are there, and those that are
    allocated, None if no PFS page says so. `settled`: no PFS page was changed during the backup."""

    seen: Flags
    held: Flags
    allocated: Flags | None = None
    settled: bool = True

    @classmethod
    def empty(cls) -> "Interval":
        return cls(np.zeros(INTERVAL, np.bool_), np.zeros(INTERVAL, np.bool_))

    def tell(self, pfs: NDArray[np.uint8], settled: bool) -> None:
        """What a PFS page of this interval says. A backup may hold it twice."""
        said = pfs[_BYTES]
        if (said & _UNUSED).any() or ((said & _FULLNESS) > _FULLEST).any():
            return
        allocated = (said & _ALLOCATED) != 0
        self.allocated = allocated if self.allocated is None else self.allocated & allocated
        self.settled &= settled

    def join(self, other: "Interval") -> None:
        """Take over what another stripe has."""
        self.seen |= other.seen
        self.held |= other.held
        if other.allocated is not None:
            self.allocated = other.allocated if self.allocated is None else self.allocated & other.allocated
        self.settled &= other.settled

    def missing(self, number: int, whole: bool) -> Flags:
        """The allocated pages that are not there under their own ids; of the extents that are there at all if not `whole`. A PFS page is
        allocated, although only itself could say so."""
        if self.allocated is None:
            wanted = np.zeros(INTERVAL, np.bool_)
            wanted[:2] = (number > 0, number == 0)
            return wanted & self.held & ~self.seen
        if not self.settled:
            return np.zeros(INTERVAL, np.bool_)
        wanted = self.allocated if whole else self.allocated & self.held
        return wanted & ~self.seen

    def is_complete(self, number: int, whole: bool) -> bool:
        """Whether nothing remains to be told about it."""
        return self.allocated is not None and self.settled and not self.missing(number, whole).any()

    @property
    def used(self) -> int:
        """How many allocated pages are there."""
        return 0 if self.allocated is None else int((self.allocated & self.seen).sum())


@dataclass(frozen=True)
class Packed:
    """An interval, small."""

    bits: bytes
    known: bool
    settled: bool

    @classmethod
    def of(cls, interval: Interval) -> "Packed":
        known = interval.allocated is not None
        flags = [interval.seen, interval.held, *([interval.allocated] if interval.allocated is not None else [])]
        return cls(zlib.compress(np.packbits(np.concatenate(flags)).tobytes(), 1), known, interval.settled)

    def interval(self) -> Interval:
        """The interval again."""
        bits = np.frombuffer(zlib.decompress(self.bits), np.uint8)
        flags = np.unpackbits(bits).astype(np.bool_).reshape(-1, INTERVAL)
        return Interval(flags[0].copy(), flags[1].copy(), flags[2].copy() if self.known else None, self.settled)


class Places:
    """All intervals of one stripe. `whole`: the backup holds every allocated page; `alone`: there are no other stripes. `unknown` is how
    many pages are neither pages by their headers nor one byte all over: an encrypted database's may look so."""

    def __init__(self, whole: bool, alone: bool) -> None:
        self.whole = whole
        self._alone = alone
        self._open: tuple[Key, Interval] | None = None
        self.packed: dict[Key, Packed] = {}
        self.done: set[Key] = set()
        self.used = 0
        self.unknown = 0

    @property
    def empty(self) -> bool:
        """Whether no page was seen, nor what could be one."""
        return not (self.packed or self.done or self.unknown)

    def interval(self, key: Key) -> Interval:
        """The interval `key`: database file, number from 0. Only the last one that was asked for may be changed."""
        if self._open is None or self._open[0] != key:
            self.close()
            packed = self.packed.pop(key, None)
            self._open = key, packed.interval() if packed else Interval.empty()
        return self._open[1]

    def allocated(self, file: int, page: int) -> bool | None:
        """Whether a page is in use; None if no PFS page told."""
        allocated = self.interval((file, page // INTERVAL)).allocated
        return None if allocated is None else bool(allocated[page % INTERVAL])

    def close(self) -> None:
        """Keep of the open interval what is needed."""
        if self._open is None:
            return
        key, interval = self._open
        self._open = None
        if key in self.done:
            return
        if self._alone and interval.is_complete(key[1], self.whole):
            self.done.add(key)
            self.used += interval.used
        else:
            self.packed[key] = Packed.of(interval)
