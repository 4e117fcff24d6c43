"""SQL Server's checksums in backups, recomputed with numpy.

All are of one shape: begin with 0; for each unit rotate left by one bit, then XOR with the unit. The units of a page and of a stream are
sectors of 512 bytes (their words XORed), those of a compressed record its words of 32 bits. Rotating is linear, so the units are XORed
first and rotated by what they are away from the end. Read from real backups of SQL Server 2005 to 2025.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

PAGE: Final = 8192
SECTOR: Final = 512
_SECTORS: Final = PAGE // SECTOR
_BITS: Final = 32
_WORD: Final = 4
# Words that are folded at once: a multiple of 32 that keeps numpy's inner loop long.
_ROW: Final = 1024

Words = NDArray[np.uint32]


def page_sums(pages: NDArray[np.uint8]) -> Words:
    """The sum over each page as it is, its own checksum included. `pages` has 8192 columns."""
    return _rolled(sector_sums(pages).reshape(-1, _SECTORS))


def sector_sums(data: NDArray[np.uint8]) -> Words:
    """The XOR of the words of each sector; `data` is contiguous and a whole number of sectors."""
    folded = np.bitwise_xor.reduce(data.reshape(-1).view("<u8").reshape(-1, SECTOR // 8), axis=1)
    sums: Words = (folded ^ (folded >> np.uint64(_BITS))).astype(np.uint32)
    return sums


def without_own(sums: Words, own: Words) -> Words:
    """The sums of pages whose checksum `own`, a word of the first sector, counts as 0."""
    return sums ^ rotated(own, _SECTORS - 1)


def rotated(words: Words, by: int | Words) -> Words:
    """Each word, rotated left."""
    left: Words = np.asarray(by, dtype=np.uint32) & np.uint32(_BITS - 1)
    right: Words = np.uint32(_BITS) - left & np.uint32(_BITS - 1)
    high: Words = np.left_shift(words, left)
    low: Words = np.right_shift(words, right)
    return high | low


def rolling(before: int, units: Words) -> int:
    """The sum over a whole stream, `before` being that of what came earlier."""
    if not len(units):
        return before
    return rotated_number(before, len(units)) ^ int(_rolled(units.reshape(1, -1))[0])


def rotated_number(number: int, by: int) -> int:
    """One word, rotated left."""
    left = by % _BITS
    return (number << left | number >> (_BITS - left)) & 0xFFFFFFFF


def word_sum(data: bytes | memoryview) -> int:
    """The sum over words of 32 bits; zeros stand for what is missing of the last one."""
    missing = -len(data) % _WORD
    # Zeros in front change nothing: the sum begins with 0.
    front = -(len(data) + missing) % (_WORD * _ROW)
    words = np.frombuffer(b"".join((bytes(front), data, bytes(missing))), dtype="<u4").reshape(-1, _ROW)
    row = np.bitwise_xor.reduce(words, axis=0).reshape(-1, _BITS)
    return int(_rolled(np.bitwise_xor.reduce(row, axis=0).reshape(1, -1))[0])


def _rolled(units: Words) -> Words:
    """Each row's units, rotated by their distance from its end, XORed."""
    count = units.shape[1]
    distances = np.arange(count - 1, -1, -1, dtype=np.uint32)
    rolled: Words = np.bitwise_xor.reduce(rotated(units, distances), axis=1)
    return rolled
