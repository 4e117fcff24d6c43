"""Which keys of a bucket a rule of adoption means: `nightly/{run}/{database}.dump`.

    text          itself
    {database}    one or more characters but `/`: the database's name
    {run}         the same; backups with the same one make one restore point together
    {time}        a date or a time that begins with a year: 2026-11-30, 20261130T0200Z
    *             one or more characters but `/`
    **            one or more characters

A pattern that ends in `/` means directories (of `pg_dump -Fd`). Where a text can be read in several ways, what stands first takes as little
as it can. The language is so small that for any two patterns it is known whether some key fits both.
"""

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

_PLACE: Final = re.compile(r"\*\*|\*|\{[^{}]*\}")
_SLASH: Final = "/"
_YEAR: Final = (frozenset("12"), frozenset("09"), frozenset("0123456789"), frozenset("0123456789"))
_CLOCK: Final = frozenset("0123456789-_.:+TZ")
_NAMED: Final = ("{database}", "{run}")
LONGEST: Final = 1024


class _Characters(NamedTuple):
    """One character of these, or of all but these."""

    these: frozenset[str]
    but: bool = False

    def holds(self, character: str) -> bool:
        """Whether it is one of them."""
        return (character in self.these) is not self.but

    def meets(self, other: "_Characters") -> bool:
        """Whether one character belongs to both."""
        if self.but and other.but:
            return True
        if self.but or other.but:
            excluding, including = (self, other) if self.but else (other, self)
            return bool(including.these - excluding.these)
        return bool(self.these & other.these)


_ANY: Final = _Characters(frozenset(), but=True)
_NO_SLASH: Final = _Characters(frozenset(_SLASH), but=True)


class _Step(NamedTuple):
    """One character, or any number of them."""

    characters: _Characters
    many: bool = False
    name: str = ""


class Match(NamedTuple):
    """What a pattern says of a key: `unit` is the key, or the prefix of the directory that it lies in."""

    unit: str
    database: str | None
    run: str | None


@dataclass(frozen=True)
class Pattern:
    """One that `parse` has read."""

    text: str

    @property
    def of_directories(self) -> bool:
        return self.text.endswith(_SLASH)

    @property
    def prefix(self) -> str:
        """What every key begins with; empty if that may be anything."""
        return _PLACE.split(self.text, maxsplit=1)[0]

    def match(self, key: str) -> Match | None:
        """Whether the rule means this object. Takes time in proportion to the lengths of both, whatever somebody calls an object."""
        for unit in _directories(key) if self.of_directories else (key,):
            if (named := _named(self._own_steps, unit)) is not None:
                return Match(unit, named.get("{database}"), named.get("{run}"))
        return None

    def meets(self, other: "Pattern") -> str | None:
        """Whether some key may fit both, of directories whatever lies in them: such a key, as an example."""
        return _common(self._steps, other._steps)

    @cached_property
    def _own_steps(self) -> tuple[_Step, ...]:
        return tuple(step for part in _parts(self.text) for step in _steps_of(part))

    @property
    def _steps(self) -> tuple[_Step, ...]:
        return (*self._own_steps, _Step(_ANY, many=True)) if self.of_directories else self._own_steps


def parse(text: str) -> Pattern:
    """Raises ValueError with a sentence."""
    parts = list(_parts(text))
    places = [part for part in parts if _PLACE.fullmatch(part)]
    if unknown := [place for place in places if place.startswith("{") and place not in (*_NAMED, "{time}")]:
        raise ValueError(f"has {unknown[0]}, which is no placeholder: write {{database}}, {{run}}, {{time}}, * or **")
    if twice := [place for place in _NAMED if places.count(place) > 1]:
        raise ValueError(f"has {twice[0]} twice: write * where it comes again")
    if beside := [a + b for a, b in itertools.pairwise(parts) if a in places and b in places]:
        raise ValueError(f"has {beside[0]} without anything between them: nobody could tell where the one ends")
    if any(brace in part for part in parts if part not in places for brace in "{}"):
        raise ValueError("has a brace that belongs to no placeholder: write {database}, {run} or {time}")
    if text.startswith(_SLASH):
        raise ValueError("begins with /: keys don't, so nothing would ever fit")
    if len(text.encode()) > LONGEST:
        raise ValueError("is longer than a key can be: write 1,024 bytes at most")
    return Pattern(text)


def _parts(text: str) -> Iterator[str]:
    """Texts and places, in order."""
    end = 0
    for found in _PLACE.finditer(text):
        if found.start() > end:
            yield text[end : found.start()]
        yield found[0]
        end = found.end()
    if end < len(text):
        yield text[end:]


def _steps_of(part: str) -> Iterator[_Step]:
    if part == "{time}":
        yield from (_Step(_Characters(digits)) for digits in _YEAR)
        yield _Step(_Characters(_CLOCK), many=True)
    elif _PLACE.fullmatch(part):
        characters, name = _ANY if part == "**" else _NO_SLASH, part if part in _NAMED else ""
        yield from (_Step(characters, name=name), _Step(characters, many=True, name=name))
    else:
        yield from (_Step(_Characters(frozenset(one))) for one in part)


def _named(steps: Sequence[_Step], text: str) -> dict[str, str] | None:
    """What stands for the names, or None if the text doesn't fit. From the end it is known what could still fit, so nothing is tried
    twice."""
    fits = _fitting(steps, text)
    if 0 not in fits[0]:
        return None
    found: dict[str, str] = {}
    at = 0
    for number, step in enumerate(steps):
        begin = at
        if not step.many:
            at += 1
        while step.many and at not in fits[number + 1]:
            at += 1
        if step.name:
            found[step.name] = found.get(step.name, "") + text[begin:at]
    return found


def _fitting(steps: Sequence[_Step], text: str) -> list[set[int]]:
    """For each step the places of the text from which it and those after it fit to the end."""
    fits = [{len(text)}]
    for step in reversed(steps):
        after = fits[-1]
        here = set(after) if step.many else set()
        for place in range(len(text) - 1, -1, -1):
            if (place + 1 in (here if step.many else after)) and step.characters.holds(text[place]):
                here.add(place)
        fits.append(here)
    return fits[::-1]


def _directories(key: str) -> Iterator[str]:
    """The prefixes that it lies in, the shortest first."""
    yield from (key[: place + 1] for place, character in enumerate(key) if character == _SLASH)


def _common(one: tuple[_Step, ...], other: tuple[_Step, ...]) -> str | None:
    """The shortest text that fits both, by walking through both at once."""
    reached: dict[tuple[int, int], str] = {(0, 0): ""}
    queue = [(0, 0)]
    for here in queue:
        if here == (len(one), len(other)):
            return reached[here]
        for there, text in _onwards(one, other, here):
            if there not in reached:
                reached[there] = reached[here] + text
                queue.append(there)
    return None


def _onwards(one: tuple[_Step, ...], other: tuple[_Step, ...], here: tuple[int, int]) -> Iterator[tuple[tuple[int, int], str]]:
    n, m = here
    a = one[n] if n < len(one) else None
    b = other[m] if m < len(other) else None
    if a and a.many:
        yield (n + 1, m), ""
    if b and b.many:
        yield (n, m + 1), ""
    if a and b and a.characters.meets(b.characters):
        yield (n + (not a.many), m + (not b.many)), _example(a.characters, b.characters)


def _example(a: _Characters, b: _Characters) -> str:
    including = [one.these for one in (a, b) if not one.but]
    excluding = {character for one in (a, b) if one.but for character in one.these}
    possible = frozenset.intersection(*including) if including else frozenset("x")
    return min(possible - excluding)
