"""The SQL of a dump's entries, compressed while nobody reads it: of 20,000 tables it is 17 MB, each statement is needed once or twice, and
they are all alike.

Invariant: a few blocks are unpacked at a time; the same statements in the same order are packed alike, and so compare as equal.
"""

import zlib
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, NamedTuple, TypeVar

Shared = TypeVar("Shared", bound=Hashable)

# Of one block: entries, and characters if they have long statements.
_ENTRIES: Final = 128
_LENGTH: Final = 64 << 10
# Blocks that are kept unpacked: sessions that restore small tables read three each, one for every kind of entry.
_UNPACKED: Final = 16
# No statement holds it: PostgreSQL allows none.
_BETWEEN: Final = "\0"
_FAST: Final = 1


class Statements(NamedTuple):
    """What makes an entry's object, copies its rows, and drops it. Each may be empty."""

    definition: str = ""
    copy: str = ""
    drop: str = ""


@dataclass
class Block:
    """The statements of entries that follow each other: as they are until it is closed, compressed from then on."""

    _open: list[Statements] = field(default_factory=list)
    _packed: bytes = b""
    _length: int = 0

    @property
    def is_full(self) -> bool:
        """Whether the next entry begins another one."""
        return len(self._open) >= _ENTRIES or self._length >= _LENGTH

    def add(self, statements: Statements) -> int:
        """Returns their place."""
        self._open.append(statements)
        self._length += sum(map(len, statements))
        return len(self._open) - 1

    def close(self) -> None:
        """No more are added."""
        texts = [text for statements in self._open for text in statements]
        self._packed = zlib.compress(_BETWEEN.join(texts).encode("utf-8", "surrogateescape"), _FAST)
        self._open = []

    def __getitem__(self, place: int) -> Statements:
        return (_unpacked(self._packed) if self._packed else self._open)[place]


class Packing:
    """While a table of contents is read: what its entries have in common is held once, and their statements are packed."""

    def __init__(self) -> None:
        self._block = Block()
        self._seen: dict[object, object] = {}

    def once(self, value: Shared) -> Shared:
        """The value, as it was seen first."""
        return self._seen.setdefault(value, value)  # type: ignore[return-value]

    def place(self, statements: Statements) -> tuple[Block, int]:
        """Where they are found from now on."""
        if self._block.is_full:
            self.close()
        return self._block, self._block.add(statements)

    def close(self) -> None:
        """All were placed, or as many as go into one block."""
        self._block.close()
        self._block = Block()


@lru_cache(_UNPACKED)
def _unpacked(packed: bytes) -> Sequence[Statements]:
    texts = iter(zlib.decompress(packed).decode("utf-8", "surrogateescape").split(_BETWEEN))
    return [Statements(*three) for three in zip(texts, texts, texts, strict=True)]
