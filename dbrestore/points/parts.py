"""How S3 copies a file: whole, or in parts that stay within its limits.

S3 takes parts of 5 MiB to 5 GiB (the last may be smaller), 10,000 of them at most, and copies a range only from a source of more than 5 MB.
Invariant: the same length gives the same parts in every invocation, so one carries on where another stopped.
"""

from dataclasses import dataclass
from typing import Final

from dbrestore.contract import limits

MIB: Final = 1 << 20
LARGEST_PART: Final = 5 << 30


@dataclass(frozen=True)
class Part:
    """Bytes `first` to `last` of the source, both included; numbers begin with 1."""

    number: int
    first: int
    last: int

    @property
    def length(self) -> int:
        return self.last - self.first + 1


def part_size(length: int, least: int = limits.STAGING_PART_BYTES) -> int:
    """Bytes per part, whole MiB: 256 MiB up to 2.2 TiB, 583 MiB for a file of 5 TiB."""
    enough = -(-length // (limits.STAGING_PARTS * MIB)) * MIB
    return min(max(least, enough), LARGEST_PART)


def parts(length: int, least: int = limits.STAGING_PART_BYTES) -> tuple[Part, ...]:
    """None for a file that is copied whole."""
    size = part_size(length, least)
    if length <= size:
        return ()
    return tuple(Part(number, first, min(first + size, length) - 1) for number, first in enumerate(range(0, length, size), 1))
