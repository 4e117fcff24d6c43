"""Words, names and symbols of the definitions that pg_dump writes, for whoever reads types out of them; nothing here is executed.

Invariant: a text is read in one pass, however long and whatever it holds, or refused.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final, Literal, NamedTuple

_TOKEN: Final = re.compile(
    r"""\s+
    |(?P<text>[eE]'(?:[^'\\]|\\.|'')*+'|'(?:[^']|'')*+')
    |(?P<name>"(?:[^"]|"")++")
    |(?P<word>[^\W\d][\w$]*+)
    |(?P<number>\d[\w.]*+)
    |(?P<symbol>[^\s\w'"])""",
    re.VERBOSE | re.DOTALL,
)


class NotUnderstood(ValueError):
    """The definition isn't one that pg_dump writes."""


class Token(NamedTuple):
    """`value` of a word is in lower case, of a quoted name what the quotes hold; others are as written."""

    kind: Literal["text", "name", "word", "number", "symbol"]
    value: str

    def is_word(self, *words: str) -> bool:
        """Whether it is one of these keywords, unquoted."""
        return self.kind == "word" and self.value in words

    @property
    def is_name(self) -> bool:
        """Whether it can name something."""
        return self.kind in ("word", "name")


END: Final = Token("symbol", "")


def tokens(text: str) -> list[Token]:
    """All tokens of a definition, followed by END. Raises NotUnderstood for a quote that is never closed."""
    return [*_tokens(text), END]


def _tokens(text: str) -> Iterator[Token]:
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise NotUnderstood(f"a quote isn't closed behind character {position}")
        position = match.end()
        kind, raw = match.lastgroup, match.group()
        if kind == "word":
            # The server folds unquoted names by ASCII rules only.
            yield Token("word", raw.lower() if raw.isascii() else "".join(c.lower() if c.isascii() else c for c in raw))
        elif kind == "name":
            yield Token("name", raw[1:-1].replace('""', '"'))
        elif kind in ("text", "number", "symbol"):
            yield Token(kind, raw)  # type: ignore[arg-type]  # the three just named


def qualified(found: Sequence[Token], place: int) -> tuple[tuple[str, ...], int]:
    """The name `a.b` or `a` that begins at `place`, and the place behind it. Raises NotUnderstood."""
    parts = []
    while True:
        if not found[place].is_name:
            raise NotUnderstood(f"{found[place].value!r} where a name was expected")
        parts.append(found[place].value)
        place += 1
        if found[place] != Token("symbol", "."):
            return tuple(parts), place
        place += 1


def listed(found: Sequence[Token], place: int) -> tuple[list[list[Token]], int]:
    """The elements of the parenthesis that opens at `place`, split at its own commas, and the place behind it. Raises NotUnderstood."""
    elements: list[list[Token]] = [[]]
    depth = 0
    for number in range(place, len(found)):
        token = found[number]
        if token.kind == "symbol" and token.value in "([" and token is not END:
            depth += 1
            if depth == 1:
                continue
        elif token.kind == "symbol" and token.value in ")]" and token is not END:
            depth -= 1
            if not depth:
                return [e for e in elements if e], number + 1
        if depth == 1 and token == Token("symbol", ","):
            elements.append([])
        else:
            elements[-1].append(token)
    raise NotUnderstood("a parenthesis isn't closed")
