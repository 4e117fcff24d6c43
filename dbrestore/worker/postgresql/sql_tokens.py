"""A lexer for the few statements that are rebuilt from a dump (GRANT, REVOKE, ALTER DEFAULT PRIVILEGES, COPY, CREATE DATABASE, foreign
keys) or that name its objects (COMMENT, DROP).

Invariant: it understands a text whole or raises NotUnderstood; what comes out holds no comment, no dollar quoting and no second meaning.
"""

import re
from collections.abc import Iterable
from typing import Final, Literal, NamedTuple

TokenKind = Literal["word", "name", "text", "number", "symbol", "operator"]

_TOKEN: Final = re.compile(
    r"""(?P<space>\s+)
    |(?P<word>[^\W\d][\w$]*)
    |(?P<name>"(?:[^"\x00]|"")+")
    |(?P<text>'(?:[^'\x00]|'')*')
    |(?P<number>\d+)
    |(?P<symbol>[(),.;\[\]]|=(?![-+*/<>=~!@\#%^&|`?]))
    |(?P<operator>[-+*/<>=~!@\#%^&|`?]+)""",
    re.VERBOSE,
)


class NotUnderstood(ValueError):
    """The text is not one of the shapes that may be rebuilt."""


class Token(NamedTuple):
    """`value` is the meaning: a word in lower case, a name or text without its quotes, a number, symbol or operator
    as written. `=` alone is a symbol."""

    kind: TokenKind
    value: str

    def is_word(self, *words: str) -> bool:
        """Whether it is one of these keywords, unquoted."""
        return self.kind == "word" and self.value in words


def tokens(text: str) -> list[Token]:
    """The tokens of the text. Raises NotUnderstood for a character that begins none."""
    found, position = [], 0
    while position < len(text):
        match = _longest(text, position)
        position = match.end()
        if match.lastgroup != "space":
            found.append(_token(match))
    return found


def statements(text: str) -> list[list[Token]]:
    """The tokens between semicolons; empty statements are left out."""
    found: list[list[Token]] = [[]]
    for token in tokens(text):
        if token == Token("symbol", ";"):
            found.append([])
        else:
            found[-1].append(token)
    return [statement for statement in found if statement]


def _longest(text: str, position: int) -> re.Match[str]:
    # `E'...'` would otherwise be read as the word E and a text.
    match = (text[position] in "eE" and _ESCAPED.match(text, position)) or _TOKEN.match(text, position)
    if match is None or (match.lastgroup == "word" and text.startswith(_PREFIXING, match.end())):
        raise NotUnderstood(f"{text[position : position + 20]!r}")
    if match.lastgroup == "operator" and ("--" in match.group() or "/*" in match.group()):
        raise NotUnderstood("a comment")
    return match


# Behind a word: `B'...'`, `U&'...'`, `U&"..."` mean something else than the word and what follows.
_PREFIXING: Final = ("'", "&'", '&"')
_ESCAPED: Final = re.compile(r"(?P<escaped>[eE]'(?:[^'\\\x00]|''|\\\\|\\')*')")


def _token(match: re.Match[str]) -> Token:
    kind, raw = match.lastgroup, match.group()
    if kind == "name":
        return Token("name", raw[1:-1].replace('""', '"'))
    if kind == "text":
        return Token("text", raw[1:-1].replace("''", "'"))
    if kind == "escaped":
        return Token("text", re.sub(r"\\(.)|''", lambda m: m.group(1) or "'", raw[2:-1]))
    if kind == "word":
        # The server folds unquoted names by ASCII rules only.
        return Token("word", raw.lower() if raw.isascii() else "".join(c.lower() if c.isascii() else c for c in raw))
    return Token("number" if kind == "number" else "operator" if kind == "operator" else "symbol", raw)


class Cursor:
    """Walks over tokens; every `take` that does not fit raises NotUnderstood."""

    def __init__(self, found: list[Token]) -> None:
        self._tokens = found
        self._next = 0

    @property
    def at_end(self) -> bool:
        """Whether every token was taken."""
        return self._next == len(self._tokens)

    def peek(self, ahead: int = 0) -> Token:
        """The next token, or one further `ahead`; a symbol without text behind the end."""
        place = self._next + ahead
        return self._tokens[place] if place < len(self._tokens) else Token("symbol", "")

    def take(self) -> Token:
        """The next token, whatever it is."""
        token = self.peek()
        if self.at_end:
            raise NotUnderstood("the statement breaks off")
        self._next += 1
        return token

    def word(self, *words: str) -> str:
        """One of these keywords."""
        token = self.take()
        if not token.is_word(*words):
            raise NotUnderstood(f"{token.value!r} where {' or '.join(words).upper()} was expected")
        return token.value

    def skip(self, *words: str) -> bool:
        """Take these keywords if all of them come next."""
        following = self._tokens[self._next : self._next + len(words)]
        if len(following) < len(words) or not all(t.is_word(w) for t, w in zip(following, words, strict=True)):
            return False
        self._next += len(words)
        return True

    def symbol(self, symbol: str) -> bool:
        """Take this symbol if it comes next."""
        if self.peek() != Token("symbol", symbol):
            return False
        self._next += 1
        return True

    def name(self) -> str:
        """One identifier, quoted or not."""
        token = self.take()
        if token.kind not in ("word", "name"):
            raise NotUnderstood(f"{token.value!r} where a name was expected")
        return token.value

    def text(self) -> str:
        """One string."""
        token = self.take()
        if token.kind != "text":
            raise NotUnderstood(f"{token.value!r} where a text was expected")
        return token.value

    def qualified_name(self) -> tuple[str, ...]:
        """`a` or `a.b`."""
        parts = [self.name()]
        while self.symbol("."):
            parts.append(self.name())
        return tuple(parts)

    def names(self) -> tuple[str, ...]:
        """`(a, b)`."""
        self.require("(")
        found = [self.name()]
        while self.symbol(","):
            found.append(self.name())
        self.require(")")
        return tuple(found)

    def require(self, symbol: str) -> None:
        """Exactly this symbol."""
        if not self.symbol(symbol):
            raise NotUnderstood(f"{self.peek().value!r} where {symbol} was expected")

    def end(self) -> None:
        """Nothing may follow."""
        if not self.at_end:
            raise NotUnderstood(f"{self.peek().value!r} behind the end")


def spelled(text: str) -> str:
    """One spelling for a type or a list of arguments, as the catalogue or a dump writes it."""
    try:
        return spelling(tokens(text))
    except NotUnderstood:
        return text


def spelling(found: Iterable[Token]) -> str:
    """The tokens of a type or a list of arguments, spelled in the one way."""
    # PostgreSQL 13 leaves out IN, which is the default; an aggregate without arguments is written `*` or nothing.
    return " ".join(_part(token) for token in found if not token.is_word("in") and token.value != "*")


def _part(token: Token) -> str:
    is_word = token.kind != "name" or token.value.replace("$", "_").isidentifier()
    return token.value if is_word else f'"{token.value}"'
