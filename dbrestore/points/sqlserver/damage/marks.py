"""The filemarks of one file: each counts those before it and names where they stand, the nearest first.

A file with one backup set has three: before the set, before the set's end, and the last one. Layout as read from real backups: +56 u32
the number of filemarks before, then u64 positions, since SQL Server 2008 at +72 (which +60 says), in 2005 at +60 itself.
"""

import struct
from typing import Final

from dbrestore.contract.errors import BackupDamaged
from dbrestore.points.sqlserver.blocks import SECTOR, number

TAG: Final = b"SFMB"
BLOCK_HEADER: Final = 52
_OF_ONE_SET: Final = 3
_POSITIONS: Final = 72


class Filemarks:
    """Those met so far. `unit` is how many bytes each takes, 0 as long as that is not known."""

    def __init__(self) -> None:
        self._positions: list[int] = []
        self.unit = 0

    @property
    def complete(self) -> bool:
        """Whether the set's last one is there."""
        return len(self._positions) == _OF_ONE_SET

    def followed(self, position: int) -> None:
        """What comes after a filemark begins here: the first one tells how long the others are."""
        if not self.unit and self._positions:
            self.unit = position - self._positions[0]

    def met(self, position: int, mark: bytes | memoryview) -> None:
        """The next one: its first sector. Raises BackupDamaged if it says anything else than what was met before it."""
        before = number(mark, 56, 4)
        if before != len(self._positions):
            raise BackupDamaged(
                f"is damaged: the filemark at byte {position:,} counts {before} before it, and there are {len(self._positions)}: "
                "compare it with its original, or make it again"
            )
        start = _POSITIONS if number(mark, 60, 4) == _POSITIONS else 60
        named = [number(mark, start + 8 * index, 8) for index in range(before)]
        for said, found in zip(named, reversed(self._positions), strict=True):
            if said != found:
                raise BackupDamaged(_displaced(position, said, found))
        self._positions.append(position)


def is_block(data: bytes | memoryview) -> bool:
    """Whether these begin with the header of a block: a tag, and the right checksum."""
    tag = bytes(data[:4])
    return tag.isalpha() and tag.isupper() and is_header(data, BLOCK_HEADER)


def is_header(data: bytes | memoryview, size: int) -> bool:
    """Whether the last of a header's words of 16 bits is the XOR of those before."""
    found = 0
    for word in struct.unpack(f"<{size // 2}H", data[:size]):
        found ^= word
    return not found


def unit_fits(end: int, position: int) -> bool:
    """Whether a block that was looked for from `end` may begin at `position`: at the next multiple of a unit, 512 bytes to 64 KiB."""
    return position - end < min(position & -position, 128 * SECTOR) or position == end


def _displaced(position: int, said: int, found: int) -> str:
    lost = said - found
    count = f"{abs(lost):,} bytes {'fewer' if lost > 0 else 'more'}"
    return f"is damaged: it has {count} than the filemark at byte {position:,} says: copy it again from its original, or make it again"
