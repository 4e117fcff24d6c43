"""The streams of an uncompressed backup that have checksums: pages (MQDA), log (MQTL), and WITH CHECKSUM the sum over either (CSUM)."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from dbrestore.points.sqlserver.blocks import number
from dbrestore.points.sqlserver.damage.order import EXTENT
from dbrestore.points.sqlserver.damage.pages import Pages
from dbrestore.points.sqlserver.damage.sums import PAGE, SECTOR, rolling, rotated_number, sector_sums

# 8 extents: little enough to stay in the processor's cache.
_BATCH: Final = 8 * EXTENT * PAGE
_PAGES, _LOG, _SUM = b"MQDA", b"MQTL", b"CSUM"
_SUM_LENGTH: Final = 4


class _Sum:
    """The sum over streams in a row, the bytes under it, and how many of these lie in pages with right checksums."""

    def __init__(self) -> None:
        self.value = 0
        self.length = 0
        self.in_pages = 0
        self.odd = False

    def add(self, other: "_Sum") -> None:
        """The next stream."""
        self.value = rotated_number(self.value, other.length // SECTOR) ^ other.value
        self.length += other.length
        self.in_pages += other.in_pages
        self.odd |= other.odd


class Streams:
    """Afterwards `covered` are the bytes under a checksum that is right, `wrong` tag and position of the streams whose sum is not."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self._tag = b""
        self._summed, self._position = b"", 0
        self._stream = _Sum()
        self._all = _Sum()
        self._streams = 0
        self._right_before = 0
        self._beyond_pages = 0
        self.wrong: list[tuple[bytes, int]] = []
        self.unmatched = 0

    @property
    def covered(self) -> int:
        return self._pages.right * PAGE + self._beyond_pages

    def batch(self, tag: bytes) -> int:
        """See `Content`."""
        return {_PAGES: _BATCH, _LOG: _BATCH, _SUM: _SUM_LENGTH}.get(tag, 0)

    def begins(self, tag: bytes, position: int, length: int) -> None:
        """See `Content`."""
        self._tag = tag if length else b""
        if tag == _SUM or not length:
            return
        self._summed, self._position = tag, position
        self._stream, self._right_before = _Sum(), self._pages.right
        if tag == _PAGES:
            self._pages.stream_begins()

    def piece(self, data: memoryview, position: int) -> None:
        """See `Content`."""
        if self._tag == _SUM:
            if len(data) == _SUM_LENGTH:
                self._compare(number(data, 0, _SUM_LENGTH))
            return
        sectors = np.frombuffer(data, np.uint8, len(data) // SECTOR * SECTOR)
        pages = len(sectors) // PAGE if self._tag == _PAGES else 0
        if pages:
            self._add(sectors[: pages * PAGE], self._pages.judge(sectors[: pages * PAGE].reshape(pages, PAGE), position))
        if len(sectors) > pages * PAGE:
            rest = sectors[pages * PAGE :]
            self._add(rest, sector_sums(rest))
        self._stream.odd |= len(data) % SECTOR != 0

    def ends(self) -> None:
        """See `Content`."""
        if self._tag in (_PAGES, _LOG):
            self._stream.in_pages = (self._pages.right - self._right_before) * PAGE
            self._all.add(self._stream)
            self._streams += 1
        self._tag = b""

    def _add(self, data: NDArray[np.uint8], sums: NDArray[np.uint32]) -> None:
        """Sums of pages or of sectors: a page counts 16 of them."""
        stream = self._stream
        if len(sums) * PAGE == len(data):
            # A rotation by 16 per page: two of them are none.
            even, odd = np.bitwise_xor.reduce(sums[::-1][::2]), np.bitwise_xor.reduce(sums[::-1][1::2])
            value = int(even) ^ rotated_number(int(odd), PAGE // SECTOR)
            stream.value = rotated_number(stream.value, len(data) // SECTOR) ^ value
        else:
            stream.value = rolling(stream.value, sums)
        stream.length += len(data)

    def _compare(self, said: int) -> None:
        """One stream before the sum is what real backups have; whether it were over all of several is not known."""
        for found in (self._stream, self._all):
            if found.value == said and not found.odd:
                self._beyond_pages += found.length - found.in_pages
                break
        else:
            if self._streams == 1 and not self._stream.odd:
                self.wrong.append((self._summed, self._position))
            else:
                self.unmatched += 1
        self._all, self._streams = _Sum(), 0
