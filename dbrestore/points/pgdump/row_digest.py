"""What the rows of a table come to, whatever their order: the sum of a hash of each. Two tables with equal sums hold the same rows.

Invariant: `points add` and the verification hash the same text: COPY's, of the columns that can be proven, under the settings of
`dbrestore.points.pgdump.rows.canonical_text`.
"""

import secrets
from collections.abc import Iterable
from itertools import repeat
from typing import Final

from xxhash import xxh3_128, xxh3_128_intdigest

from dbrestore.contract.manifest import ObjectDigest, RowDigest
from dbrestore.points.pgdump.proven_columns import ColumnReader
from dbrestore.points.pgdump.rows.canonical_text import CanonicalText, Columns
from dbrestore.points.pgdump.toc import Toc, TocEntry

_MODULUS: Final = 1 << 128
# What every reader of JSON keeps exactly.
_SEED_BITS: Final = 53


def total_text(total: int) -> str:
    """As the manifest holds it."""
    return f"{total % _MODULUS:032x}"


def new_seed() -> int:
    """Of a dump that nobody has begun to read: no one can make rows beforehand whose digests come to the same."""
    return secrets.randbits(_SEED_BITS)


class DumpDigests:
    """Begins the digests of one dump's members. They share the seed, so that those of members that go into one table can be added."""

    def __init__(self, toc: Toc, seed: int) -> None:
        self._reader = ColumnReader.of(toc)
        self._seed = seed

    def rows(self, entry: TocEntry) -> "RowDigester":
        """Of a TABLE DATA entry."""
        return RowDigester(self._reader.columns(entry), self._seed)

    def objects(self) -> "ObjectDigester":
        """Of large objects."""
        return ObjectDigester(self._seed)


class RowDigester:
    """Takes the COPY text of one member in pieces, cut anywhere."""

    def __init__(self, columns: Columns, seed: int) -> None:
        self._columns, self._seed = columns, seed
        self._text = CanonicalText(columns)
        self._total = 0
        self._held: list[bytes] = []

    def add(self, piece: bytes) -> None:
        """The next piece."""
        end = piece.rfind(b"\n") + 1
        if not end:
            self._held.append(piece)
            return
        block = b"".join((*self._held, piece[:end]))
        self._held = [piece[end:]]
        self._total += sum(map(xxh3_128_intdigest, self._text.lines(block), repeat(self._seed)))

    def digest(self) -> RowDigest | None:
        """Of all rows so far; None if no column can be proven."""
        if self._columns.kept == ():
            return None
        return RowDigest(seed=self._seed, total=total_text(self._total), columns=self._columns.kept)


class ObjectDigester:
    """Takes large objects, each in pieces."""

    def __init__(self, seed: int) -> None:
        self._seed, self._total = seed, 0

    def add(self, oid: int, content: Iterable[bytes]) -> int:
        """One whole object. Returns its size in bytes."""
        size, state = 0, xxh3_128(oid.to_bytes(4, "big"), seed=self._seed)
        for piece in content:
            state.update(piece)
            size += len(piece)
        self._total += state.intdigest()
        return size

    def digest(self) -> ObjectDigest:
        """Of all objects so far."""
        return ObjectDigest(seed=self._seed, total=total_text(self._total))
