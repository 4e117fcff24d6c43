"""What a job leaves to the one that follows it in the same program, so that the same isn't read and parsed twice.

Invariant: it is had for exactly what it was read for, and once.
"""

from collections.abc import Hashable
from typing import TypeVar

Kind = TypeVar("Kind")


class Kept:
    """At most one thing, under what it was read for."""

    def __init__(self) -> None:
        self._read_for: Hashable = None
        self._found: object = None

    def leave(self, read_for: Hashable, found: object) -> None:
        """Instead of what was left before."""
        self._read_for, self._found = read_for, found

    def take(self, read_for: Hashable, kind: type[Kind]) -> Kind | None:
        """What was left for this, None if something else was, or nothing. It isn't held any longer."""
        found, matches = self._found, self._read_for == read_for
        self.leave(None, None)
        return found if matches and isinstance(found, kind) else None
