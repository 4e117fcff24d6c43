"""T-SQL as tokens, and a batch as statements.

Invariant: a quoted name, a string and a comment are never taken for SQL, whatever stands in them.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["word", "name", "string", "number", "variable", "sign"]

_TOKEN: Final = re.compile(
    r"""(?P<skip>\s+|--[^\n]*|/\*.*?\*/)
      |(?P<string>N?'(?:[^']|'')*')
      |(?P<name>\[(?:[^\]]|\]\])*\]|"(?:[^"]|"")*")
      |(?P<variable>@@?[\w#$]+)
      |(?P<number>0[xX][0-9A-Fa-f]*|\d+(?:\.\d+)?)
      |(?P<word>[^\W\d][\w#$]*)
      |(?P<sign><>|<=|>=|!=|.)""",
    re.VERBOSE | re.DOTALL,
)
_STARTERS: Final = frozenset(
    (
        *(
            "SELECT",
            "EXEC",
            "EXECUTE",
            "SET",
            "USE",
            "ALTER",
            "DBCC",
            "BEGIN",
            "COMMIT",
            "ROLLBACK",
            "IF",
            "DECLARE",
            "PRINT",
        ),
        *("DROP", "CREATE", "INSERT", "UPDATE", "DELETE", "RESTORE", "BACKUP"),
    )
)
_CARRY_ON: Final = frozenset({"UNION", "ALL", "EXCEPT", "INTERSECT"})


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
    for match in _TOKEN.finditer(text):
        if match.lastgroup == "skip":
            begins_line = begins_line or "\n" in match.group()
            continue
        found.append(Token(_kind(match.lastgroup), _unquoted(match.group()), begins_line))
        begins_line = False
    return found


def statements(text: str) -> Iterator[list[Token]]:
    """One list of tokens per statement."""
    current: list[Token] = []
    depth = 0
    for token in tokens(text):
        depth += {"(": 1, ")": -1}.get(token.upper, 0)
        if depth == 0 and (token.upper == ";" or _begins_another(token, current)):
            if current:
                yield current
            current = []
        if token.upper != ";" or depth:
            current.append(token)
    if current:
        yield current


def _begins_another(token: Token, current: Sequence[Token]) -> bool:
    if not current or not token.begins_line or token.upper not in _STARTERS:
        return False
    return current[-1].upper not in _CARRY_ON and not (current[0].upper == "ALTER" and token.upper == "SET")


def _kind(group: str | None) -> Kind:
    kinds: dict[str | None, Kind] = {
        "string": "string", "name": "name", "variable": "variable", "number": "number", "word": "word",
    }  # fmt: skip
    return kinds.get(group, "sign")


def _unquoted(text: str) -> str:
    if text.startswith(("'", "N'", "n'")) and text.endswith("'") and len(text) > 1:
        return text.removeprefix("N").removeprefix("n")[1:-1].replace("''", "'")
    if text.startswith("["):
        return text[1:-1].replace("]]", "]") if len(text) > 1 else text
    if text.startswith('"') and len(text) > 1:
        return text[1:-1].replace('""', '"')
    return text
