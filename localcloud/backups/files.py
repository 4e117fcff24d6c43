"""Native backups written block by block as SQL Server writes them, so that every field can be chosen.

No SQL Server made them, none could use them: the pages hold rows of no table. Written from facts measured on real files, never from
`repository.native_*`, which reads them: what both had wrong, no test would find.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from localcloud.backups import compression as native_compression
from localcloud.backups.blocks import Place, filemark, set_ends, tape
from localcloud.backups.sets import layout
from localcloud.backups.written import DATABASE, EXTENT, MEDIA, NOTHING, PAGE, SECTOR, SET, Written, older_sets

__all__ = [
    "DATABASE",
    "EXTENT",
    "MEDIA",
    "NOTHING",
    "PAGE",
    "SECTOR",
    "SET",
    "Written",
    "backup",
    "backup_of_sets",
    "compressed",
]

_DEFAULT = Written()


def backup(what: Written = _DEFAULT) -> bytes:
    """An uncompressed backup: a file's bytes. With `sets` more than one the older ones stand before it."""
    return backup_of_sets([*older_sets(what), replace(what, sets=1)])


def compressed(what: Written = _DEFAULT, version: int = 2) -> bytes:
    """The same WITH COMPRESSION, in the container of layout `version`, of which only the number differs."""
    return backup_of_sets([*older_sets(what), replace(what, sets=1)], native_compression.header(version))


def backup_of_sets(sets: Iterable[Written], container: bytes = b"") -> bytes:
    """A file of several sets, the oldest first, as BACKUP WITH NOINIT appends them: media, stripes and unit are the first one's.

    `container` is what a compressed file begins with; if there's one, the sets are compressed.
    """
    first, *more = sets
    file = _File(first, container)
    for what in (first, *(replace(one, media=first.media, unit=first.unit) for one in more)):
        file.append(what)
    return bytes(file.data)


class _File:
    """What has been written: its blocks, the positions of its filemarks, its sets."""

    def __init__(self, first: Written, container: bytes) -> None:
        self.data = bytearray(container)
        self._first, self._is_compressed = first, bool(container)
        self._marks: list[int] = []
        self._sets: list[tuple[Written, Place, int]] = []
        self._add([tape(first)])
        self._fill(None)
        self._mark()

    def append(self, what: Written) -> None:
        place = Place(len(self._sets) + 1, len(self.data))
        said = layout(what, place)
        starts = self._add(said.pieces)
        # Blocks and what they carry take turns; the index has the blocks that come after something carried.
        self._fill(starts[2::2])
        self._mark(indexed=self._is_compressed)
        self._sets.append((what, place, said.size))
        self._add([set_ends(self._sets, len(self.data))])
        self._fill(None)
        self._mark()

    def _add(self, pieces: Iterable[bytes]) -> list[tuple[int, int]]:
        """Write pieces; returns where each begins, as (offset among them, offset in the file)."""
        starts, offset = [], 0
        for piece in pieces:
            starts.append((offset, len(self.data)))
            offset += len(piece)
            self.data += native_compression.records(piece) if self._is_compressed else piece
        return starts

    def _fill(self, entries: list[tuple[int, int]] | None) -> None:
        """In a compressed file a filemark follows a record that ends with a unit: a filler, or the index of a set."""
        if not self._is_compressed:
            return
        room = native_compression.room(len(self.data), self._first.unit, None if entries is None else len(entries))
        filler = native_compression.filler
        self.data += filler(room) if entries is None else native_compression.index(entries, room)

    def _mark(self, *, indexed: bool = False) -> None:
        position = len(self.data)
        self.data += filemark(self._first, self._marks, indexed=indexed)
        self._marks.insert(0, position)


def files_of(sets: Iterable[Written]) -> Iterator[bytes]:
    """Each stripe's file."""
    written = list(sets)
    for stripe in range(1, written[0].stripes + 1):
        yield backup_of_sets([replace(what, stripe=stripe) for what in written])
