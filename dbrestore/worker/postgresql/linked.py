"""What hangs together, directly or through others: entries of a dump by their ids."""

from collections.abc import Iterable, Iterator

from dbrestore.points.pgdump.toc import TocEntry


class Linked:
    """Sets of dump ids; each id begins as a set of its own."""

    def __init__(self) -> None:
        self._next: dict[int, int] = {}

    def join(self, one: int, other: int) -> None:
        """The sets of the two are one from now on; the other's leader leads it."""
        self._next[self.leader(one)] = self.leader(other)

    def leader(self, number: int) -> int:
        """The one of its set by which it is known, until the set is joined with another."""
        while (following := self._next.setdefault(number, number)) != number:
            self._next[number] = self._next.setdefault(following, following)
            number = following
        return number

    def parts(self, entries: Iterable[TocEntry], together: int) -> Iterator[list[TocEntry]]:
        """The sets of these entries, each in their order; small ones are put together, up to so many entries."""
        found: dict[int, list[TocEntry]] = {}
        for entry in entries:
            found.setdefault(self.leader(entry.dump_id), []).append(entry)
        gathered: list[TocEntry] = []
        for part in found.values():
            gathered += part
            if len(gathered) >= together:
                yield gathered
                gathered = []
        if gathered:
            yield gathered
