"""T-SQL as tokens.

Invariant: a quoted name, a string and a comment are never taken for SQL, whatever stands in them.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["word", "name", "string", "number", "variable", "sign"]

_TOKEN: Final = re.compile(
    r"""(?P<skip>\s+|--[^\n]*)
      |(?P<string>N?'(?:[^']|'')*')
      |(?P<name>\[(?:[^\]]|\]\])*\]|"(?:[^"]|"")*")
      |(?P<variable>@@?[\w#$]+)
      |(?P<number>0[xX][0-9A-Fa-f]*|\d+(?:\.\d+)?)
      |(?P<word>\#{0,2}[^\W\d][\w#$]*)
      |(?P<sign><>|<=|>=|!=|.)""",
    re.VERBOSE | re.DOTALL,
)
_COMMENT: Final = re.compile(r"/\*|\*/")


@dataclass(frozen=True)
class Token:
    """`text` without quotes; `upper` for comparing words; `begins_line` where a new statement may stand without a semicolon."""

    kind: Kind
    text: str
    begins_line: bool = False

    @property
    def upper(self) -> str:
        """A word or sign as keywords are written; a quoted name is never one."""
        return self.text.upper() if self.kind in ("word", "sign", "variable") else ""

    @property
    def is_identifier(self) -> bool:
        """Whether it can name something."""
        return self.kind in ("word", "name")


def tokens(text: str) -> list[Token]:
    """All but blanks and comments."""
    found: list[Token] = []
    begins_line = True
    position = 0
    while match := _TOKEN.match(text, position):
        if end := _after_comment(text, position):
            begins_line, position = begins_line or "\n" in text[position:end], end
            continue
        position = match.end()
        if match.lastgroup == "skip":
            begins_line = begins_line or "\n" in match.group()
            continue
        found.append(Token(_kind(match.lastgroup), _unquoted(match.group()), begins_line))
        begins_line = False
    return found


def _after_comment(text: str, position: int) -> int | None:
    """Where one that begins here ends: they nest (Microsoft Learn, "Slash star")."""
    if not text.startswith("/*", position):
        return None
    depth = 0
    for mark in _COMMENT.finditer(text, position):
        depth += 1 if mark[0] == "/*" else -1
        if depth == 0:
            return mark.end()
    return None


def depths(found: Sequence[Token]) -> Iterator[tuple[int, Token]]:
    """Each token with the number of parentheses and CASEs that are open around it; what opens and closes one counts as inside."""
    depth = 0
    for token in found:
        opens, closes = token.upper in ("(", "CASE"), token.upper == ")" or (token.upper == "END" and depth > 0)
        depth += opens
        yield depth, token
        depth -= closes


def parts(found: Sequence[Token], separator: str = ",") -> list[list[Token]]:
    """What stands between the separators outside of parentheses; nothing has no part."""
    split: list[list[Token]] = [[]] if found else []
    for depth, token in depths(found):
        if token.upper == separator and not depth:
            split.append([])
        else:
            split[-1].append(token)
    return split


def closing(found: Sequence[Token], opening: int) -> int | None:
    """Where the parenthesis or the CASE that opens at `opening` ends."""
    for position, (depth, token) in enumerate(depths(found[opening:]), start=opening):
        if depth == 1 and token.upper in (")", "END"):
            return position
    return None


def written(found: Sequence[Token]) -> str:
    """The tokens in one line, for messages."""
    return " ".join(repr(token.text) if token.kind == "string" else token.text for token in found)


def _kind(group: str | None) -> Kind:
    kinds: dict[str | None, Kind] = {
        "string": "string",
        "name": "name",
        "variable": "variable",
        "number": "number",
        "word": "word",
    }
    return kinds.get(group, "sign")


def _unquoted(text: str) -> str:
    if text.startswith(("'", "N'", "n'")) and text.endswith("'") and len(text) > 1:
        return text.removeprefix("N").removeprefix("n")[1:-1].replace("''", "'")
    if text.startswith("["):
        return text[1:-1].replace("]]", "]") if len(text) > 1 else text
    if text.startswith('"') and len(text) > 1:
        return text[1:-1].replace('""', '"')
    return text
