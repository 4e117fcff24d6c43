"""Statements about table variables and temporary tables: which one a list of tokens is."""

from collections.abc import Sequence

from localcloud.tsql.data_types import DECLARED, parse
from localcloud.tsql.frame import TableColumn
from localcloud.tsql.syntax import CreateTable, DropTable, Insert, Modify
from localcloud.tsql.tokens import Token, closing, parts


def columns_of(tokens: Sequence[Token]) -> tuple[TableColumn, ...] | None:
    """Those of `(a INT, b VARCHAR(20) NOT NULL, ...)`, all the tokens; None if anything in it isn't known."""
    if len(tokens) < 3 or tokens[0].upper != "(" or closing(tokens, 0) != len(tokens) - 1:
        return None
    columns = [_column(part) for part in parts(tokens[1:-1])]
    return tuple(one for one in columns if one) if all(columns) else None


def table_statement(tokens: Sequence[Token]) -> CreateTable | DropTable | Insert | Modify | None:
    """CREATE TABLE, DROP TABLE, INSERT, DELETE or UPDATE of a table of the batch's or the session's own."""
    words = [token.upper for token in tokens]
    if words[:2] == ["CREATE", "TABLE"] and len(tokens) > 2:
        columns = columns_of(tokens[3:])
        return CreateTable(tokens[2].text, columns) if columns and _is_own(tokens[2]) else None
    if words[:2] == ["DROP", "TABLE"]:
        if_exists = words[2:4] == ["IF", "EXISTS"]
        named = tokens[4 if if_exists else 2 :]
        return DropTable(named[0].text, if_exists) if len(named) == 1 and _is_own(named[0]) else None
    if words[0] == "INSERT":
        return _insert(tokens[2:] if words[1:2] == ["INTO"] else tokens[1:])
    rest = tokens[2:] if words[:2] == ["DELETE", "FROM"] else tokens[1:]
    if not rest or not _is_own(rest[0]) or words[0] not in ("DELETE", "UPDATE"):
        return None
    return Modify("DELETE" if words[0] == "DELETE" else "UPDATE", rest[0].text, tuple(rest[1:]))


def _column(tokens: Sequence[Token]) -> TableColumn | None:
    found = parse(tokens[1:], DECLARED) if tokens and tokens[0].is_identifier else None
    if found is None:
        return None
    type_, taken = found
    rest = [token.text.upper() for token in tokens[1 + taken :]]
    counts = rest[:1] == ["IDENTITY"]
    if counts:
        rest = rest[6:] if rest[1:6] == ["(", "1", ",", "1", ")"] else rest[1:]
    # Whether there may be NULLs and which column is the key changes nothing here.
    is_known = rest in ([], ["NULL"], ["NOT", "NULL"], ["PRIMARY", "KEY"], ["NOT", "NULL", "PRIMARY", "KEY"])
    return TableColumn(tokens[0].text, type_, counts) if is_known else None


def _is_own(token: Token) -> bool:
    return token.kind == "variable" or token.text.startswith("#")


def _insert(tokens: Sequence[Token]) -> Insert | None:
    if len(tokens) < 2 or not _is_own(tokens[0]):
        return None
    names: tuple[str, ...] = ()
    rest = tuple(tokens[1:])
    if rest[0].upper == "(" and (end := closing(rest, 0)):
        names, rest = tuple(token.text for token in rest[1:end] if token.upper != ","), rest[end + 1 :]
    verb = rest[0].upper if rest else ""
    if verb in ("EXEC", "EXECUTE", "SELECT"):
        return Insert(tokens[0].text, names, rest)
    rows = [part for part in parts(rest[1:])] if verb == "VALUES" else []
    if not rows or any(row[0].upper != "(" or closing(row, 0) != len(row) - 1 for row in rows):
        return None
    return Insert(tokens[0].text, names, rows=tuple(tuple(tuple(cell) for cell in parts(row[1:-1])) for row in rows))
