"""T-SQL's expressions and queries written anew for SQLite.

What differs: `+` and `-` go through functions of ours, because T-SQL joins texts and moves moments with them; TOP becomes LIMIT; variables
become parameters. Invariant: tables, functions and types that are not known here are refused before SQLite sees them; so nothing works here
that only SQLite understands.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from localcloud.sqlserver.texts import text
from localcloud.tsql import functions as sqlserver_functions
from localcloud.tsql.data_types import CAST, parse
from localcloud.tsql.frame import Frame
from localcloud.tsql.tokens import Token, closing, depths, parts
from localcloud.tsql.values import stored

COLLATION: Final = "CI_AS"
_WORDS: Final = (
    "SELECT VALUES DISTINCT FROM WHERE AND OR NOT IN IS NULL LIKE BETWEEN EXISTS WHEN THEN ELSE AS ON JOIN INNER LEFT OUTER CROSS "
    "ORDER BY GROUP HAVING ASC DESC UNION ALL EXCEPT INTERSECT ESCAPE SET"
)
_KEYWORDS: Final = frozenset(_WORDS.split())
_ADDING: Final = {"+": "added", "-": "taken_away"}
_HINTS: Final = frozenset({"NOLOCK", "READUNCOMMITTED"})


class Unknown(Exception):
    """Something in a query that isn't known here."""


class _Piece(NamedTuple):
    text: str
    role: Literal["operand", "times", "plus", "suffix", "other"]


@dataclass
class Rewriting:
    """One statement on its way to SQLite. `table_of` gives SQLite's name of a table that is called so with these arguments, or None;
    `collation_of` gives SQLite's name of a collation."""

    frame: Frame
    table_of: Callable[[Sequence[str], Sequence[Token] | None], str | None]
    collation_of: Callable[[str], str]
    values: list[object] = field(default_factory=list)

    def statement(self, tokens: Sequence[Token]) -> str:
        """A query, behind `WITH name AS (...)` if there are such. Raises Unknown, SqlError 137, 1033."""
        if not tokens or tokens[0].upper != "WITH":
            return self.written(tokens)
        begin = next(place for place, (depth, token) in enumerate(depths(tokens)) if not depth and token.upper == "SELECT")
        return f"WITH {self._joined(self._pieces(tokens[1:begin]))} {self.written(tokens[begin:])}"

    def written(self, tokens: Sequence[Token]) -> str:
        """A query or an expression. Raises Unknown, SqlError 137, 1033."""
        rest, top = list(tokens), ""
        if len(rest) > 2 and rest[0].upper == "SELECT" and rest[1].upper == "TOP":
            in_parentheses = rest[2].upper == "("
            end = (closing(rest, 2) or 2) if in_parentheses else 2
            top = f" LIMIT {self._joined(self._pieces(rest[3:end] if in_parentheses else rest[2:3]))}"
            del rest[1 : end + 1]
        return self._joined(self._pieces(rest)) + top

    def _pieces(self, tokens: Sequence[Token]) -> list[_Piece]:
        pieces: list[_Piece] = []
        position = 0
        while position < len(tokens):
            piece, position = self._piece(tokens, position)
            pieces.append(piece)
        return pieces

    def _piece(self, tokens: Sequence[Token], position: int) -> tuple[_Piece, int]:
        token = tokens[position]
        following = tokens[position + 1].upper if position + 1 < len(tokens) else ""
        if token.upper == "COLLATE" and following:
            return _Piece(f"COLLATE {self.collation_of(tokens[position + 1].text)}", "suffix"), position + 2
        if token.upper in ("(", "CASE"):
            return self._group(tokens, position)
        if token.upper == "WITH" and following == "(":
            return self._hint(tokens, position)
        if token.upper == "NULL" or (token.upper == "LEFT" and following == "("):
            return self._operand(tokens, position) if token.upper == "LEFT" else (_Piece("NULL", "operand"), position + 1)
        if token.upper in _KEYWORDS:
            return _Piece(token.upper, "other"), position + 1
        if token.kind == "sign":
            roles: dict[str, Literal["times", "plus"]] = {
                "+": "plus",
                "-": "plus",
                "*": "times",
                "/": "times",
                "%": "times",
            }
            # Each sign stands alone: what SQLite makes of two, such as || or ->, is an error.
            return _Piece(token.text, roles.get(token.text, "other")), position + 1
        return self._operand(tokens, position)

    def _group(self, tokens: Sequence[Token], position: int) -> tuple[_Piece, int]:
        end = self._closing(tokens, position)
        inner_tokens = tokens[position + 1 : end]
        if inner_tokens and inner_tokens[0].upper == "SELECT":
            _require_no_order(inner_tokens)
        inner = self.written(inner_tokens)
        if named := _columns_named(tokens, end + 1):
            name, columns, after = named
            listed = ", ".join(map(quoted, columns))
            # SQLite names the columns of a derived table only so.
            select = f"WITH {quoted(name)} ({listed}) AS ({inner}) SELECT * FROM {quoted(name)}"  # noqa: S608 (written anew)
            return _Piece(f"({select}) AS {quoted(name)}", "operand"), after
        return _Piece(f"({inner})" if tokens[position].upper == "(" else f"CASE {inner} END", "operand"), end + 1

    def _hint(self, tokens: Sequence[Token], position: int) -> tuple[_Piece, int]:
        end = self._closing(tokens, position + 1)
        if {token.upper for token in tokens[position + 2 : end]} <= _HINTS:
            return _Piece("", "other"), end + 1
        raise Unknown("WITH")

    def _closing(self, tokens: Sequence[Token], opening: int) -> int:
        end = closing(tokens, opening)
        if end is None:
            raise Unknown(f"{tokens[opening].text} without its end")
        return end

    def _operand(self, tokens: Sequence[Token], position: int) -> tuple[_Piece, int]:
        token = tokens[position]
        if token.is_identifier:
            return self._named(tokens, position)
        if token.kind == "variable" and (table := self.table_of([token.text], None)):
            return _Piece(table, "operand"), position + 1
        if token.upper in sqlserver_functions.GLOBALS:
            return _Piece(f"{sqlserver_functions.GLOBALS[token.upper]}()", "operand"), position + 1
        if token.kind == "number" and token.text[:2].lower() != "0x":
            # As it stands: ORDER BY 1 is a place and no value.
            return _Piece(token.text, "operand"), position + 1
        given = stored(self.frame.value(token))
        self.values.append(given)
        # As the server's collation compares: without case.
        collated = f" COLLATE {self.collation_of(COLLATION)}" if isinstance(given, str) else ""
        return _Piece(f"?{len(self.values)}{collated}", "operand"), position + 1

    def _named(self, tokens: Sequence[Token], position: int) -> tuple[_Piece, int]:
        names, end = _name(tokens, position)
        is_call = end < len(tokens) and tokens[end].upper == "("
        last = self._closing(tokens, end) if is_call else end
        arguments = tokens[end + 1 : last] if is_call else None
        table = self.table_of(names, arguments)
        if table:
            return _Piece(table, "operand"), last + is_call
        if arguments is not None:
            return _Piece(self._call(names[-1].upper(), parts(arguments)), "operand"), last + 1
        return _Piece(".".join("*" if name == "*" else quoted(name) for name in names if name), "operand"), end

    def _call(self, name: str, arguments: list[list[Token]]) -> str:
        if name in ("CONVERT", "CAST"):
            return self._cast(name, arguments)
        if name in sqlserver_functions.WITH_UNITS and arguments:
            unit = Token("string", arguments[0][0].text.lower())
            arguments = [[unit], *arguments[1:]]
        if name not in sqlserver_functions.NAMES:
            raise Unknown(f"function {name}")
        return f"{sqlserver_functions.NAMES[name]}({', '.join(map(self.written, arguments))})"

    def _cast(self, name: str, arguments: list[list[Token]]) -> str:
        style = "0"
        if name == "CONVERT" and len(arguments) in (2, 3):
            kind, operand = arguments[0], arguments[1]
            style = self.written(arguments[2]) if len(arguments) == 3 else style
        elif name == "CAST" and len(arguments) == 1 and len(split := parts(arguments[0], "AS")) == 2:
            operand, kind = split
        else:
            raise Unknown(name)
        found = parse(kind, CAST)
        if found is None or found[1] != len(kind):
            raise Unknown(f"type {' '.join(token.text for token in kind)}")
        length = "NULL" if found[0].length is None else str(found[0].length)
        return f"converted({self.written(operand)}, '{found[0].name}', {length}, {style})"

    def _joined(self, pieces: Sequence[_Piece]) -> str:
        out: list[str] = []
        position = 0
        while position < len(pieces):
            text, position = _sum(pieces, position) if _begins_term(pieces, position) else (pieces[position].text, position + 1)
            out.append(text)
        return " ".join(filter(None, out))


def _columns_named(tokens: Sequence[Token], position: int) -> tuple[str, list[str], int] | None:
    """`[AS] name (columns)` behind a derived table: the name, the columns and where it ends."""
    position += position < len(tokens) and tokens[position].upper == "AS"
    if not (position + 1 < len(tokens) and tokens[position].is_identifier and tokens[position].upper not in _KEYWORDS):
        return None
    end = closing(tokens, position + 1) if tokens[position + 1].upper == "(" else None
    columns = parts(tokens[position + 2 : end]) if end else []
    if end is None or not all(len(one) == 1 and one[0].is_identifier for one in columns):
        return None
    return tokens[position].text, [one[0].text for one in columns], end + 1


def _require_no_order(tokens: Sequence[Token]) -> None:
    outside = [token.upper for depth, token in depths(tokens) if not depth]
    if "ORDER" in outside and not {"TOP", "OFFSET"} & set(outside):
        raise text("order-in-derived").error()


def quoted(name: str) -> str:
    """As SQLite takes a name: in double quotes it would take an unknown one for a string."""
    return "`" + name.replace("`", "``") + "`"


def _name(tokens: Sequence[Token], position: int) -> tuple[list[str], int]:
    """The parts of a name, and where it ends; `msdb..backupset` has an empty one."""
    names, end = [tokens[position].text], position + 1
    while end + 1 < len(tokens) and tokens[end].upper == ".":
        if tokens[end + 1].is_identifier or tokens[end + 1].upper == "*":
            names.append(tokens[end + 1].text)
            end += 2
        elif tokens[end + 1].upper == ".":
            names.append("")
            end += 1
        else:
            break
    return names, end


def _begins_term(pieces: Sequence[_Piece], position: int) -> bool:
    while position < len(pieces) and pieces[position].role == "plus":
        position += 1
    return position < len(pieces) and pieces[position].role == "operand"


def _sum(pieces: Sequence[_Piece], position: int) -> tuple[str, int]:
    """An operand, or several with + and - between them, from the left."""
    text, position = _term(pieces, position)
    while position < len(pieces) and pieces[position].role == "plus" and _begins_term(pieces, position + 1):
        function = _ADDING[pieces[position].text]
        right, position = _term(pieces, position + 1)
        text = f"{function}({text}, {right})"
    return text, position


def _term(pieces: Sequence[_Piece], position: int) -> tuple[str, int]:
    """An operand with its sign and its suffixes, and what it is multiplied with."""
    out: list[str] = []
    while True:
        while pieces[position].role == "plus":
            out.append(pieces[position].text)
            position += 1
        out.append(pieces[position].text)
        position += 1
        while position < len(pieces) and pieces[position].role == "suffix":
            out.append(pieces[position].text)
            position += 1
        if not (position < len(pieces) and pieces[position].role == "times" and _begins_term(pieces, position + 1)):
            return " ".join(out), position
        out.append(pieces[position].text)
        position += 1
