"""What the rows of a table come to, whatever their order: the sum of a hash of each. Two tables with equal sums hold the same rows.

Invariant: `points add` and the verification hash the same text: COPY's, of the columns that can be proven, under the settings of
`dbrestore.points.pgdump.rows.canonical_text`.
"""

import secrets
from collections.abc import Iterable
from typing import Final

from xxhash import xxh3_128

from dbrestore.contract.manifest import ObjectDigest
from dbrestore.points.pgdump.proven_columns import ColumnReader
from dbrestore.points.pgdump.rows.block_count import HASH_LENGTH, RowShape
from dbrestore.points.pgdump.toc import Toc, TocEntry, client_encoding

_MODULUS: Final = 1 << 8 * HASH_LENGTH
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
        self._is_utf8 = client_encoding(toc.entries) == "UTF8"

    def rows(self, entry: TocEntry) -> RowShape:
        """Of a TABLE DATA entry."""
        return RowShape(self._reader.columns(entry), self._seed, self._is_utf8)

    def objects(self) -> "ObjectDigester":
        """Of large objects."""
        return ObjectDigester(self._seed)


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
