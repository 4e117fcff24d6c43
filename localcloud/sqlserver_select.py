"""SELECT on the simulated server: the query's tokens are written anew for SQLite, which answers it from tables that hold what the
system views show.

Invariant: tables, functions and types that are not known here are refused with 102 before SQLite sees them; so nothing works here that
only SQLite understands.
"""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from localcloud import sqlserver_functions
from localcloud.sqlserver_databases import folded
from localcloud.sqlserver_instance import Instance
from localcloud.sqlserver_statements import value, written
from localcloud.sqlserver_texts import text
from localcloud.sqlserver_tokens import Token
from localcloud.sqlserver_values import BIT, result, stored
from localcloud.sqlserver_views import VIEWS, Rows, open_database
from localcloud.tds_engine import ResultSet, Session, Value

# The tasks' status as a function takes the same arguments as the procedure.
StatusOf = Callable[[str | None, int | None], ResultSet]

_WORDS: Final = (
    "SELECT DISTINCT FROM WHERE AND OR NOT IN IS NULL LIKE BETWEEN EXISTS CASE WHEN THEN ELSE END AS ON JOIN INNER LEFT OUTER CROSS "
    "ORDER BY GROUP HAVING ASC DESC UNION ALL ESCAPE"
)
_KEYWORDS: Final = frozenset(_WORDS.split())
_TYPES: Final = {
    "INT": "INTEGER",
    "BIGINT": "INTEGER",
    "BIT": "INTEGER",
    "NVARCHAR": "TEXT",
    "VARCHAR": "TEXT",
    "SYSNAME": "TEXT",
    "FLOAT": "REAL",
}
_MOMENTS: Final = frozenset({"DATETIME", "DATETIME2"})


def select(
    instance: Instance, session: Session, tokens: Sequence[Token], parameters: Mapping[str, Value], status_of: StatusOf
) -> ResultSet:
    """Raises SqlError 102 for what isn't understood, 911 and 927 for databases that can't be read."""
    connection = sqlite3.connect(":memory:", detect_types=sqlite3.PARSE_DECLTYPES)
    try:
        query = _Query(instance, session, parameters, status_of, connection)
        sqlserver_functions.register(connection, instance, session)
        cursor = connection.execute(query.written(tokens), query.values)
        known = query.columns.union(token.text for token in tokens if token.is_identifier)
        return result([one[0] for one in cursor.description], known, cursor.fetchall())
    except (sqlite3.Error, _Unknown) as error:
        raise text("unknown-statement").error(statement=f"{written(tokens)} ({error})") from error
    finally:
        connection.close()


class _Unknown(Exception):
    """Something in the query that isn't known here."""


@dataclass
class _Query:
    """One query on its way to SQLite."""

    instance: Instance
    session: Session
    parameters: Mapping[str, Value]
    status_of: StatusOf
    connection: sqlite3.Connection
    values: list[object] = field(default_factory=list)
    tables: set[str] = field(default_factory=set)
    columns: set[str] = field(default_factory=set)

    def written(self, tokens: Sequence[Token]) -> str:
        """The query for SQLite; TOP becomes LIMIT."""
        rest, top = list(tokens), ""
        if len(rest) > 2 and rest[1].upper == "TOP":
            end = next(i for i, token in enumerate(rest[2:], start=3) if token.kind == "number")
            top = f" LIMIT {rest[end - 1].text}"
            rest[1 : end + (rest[2].upper == "(")] = []
        return self._rewritten(rest) + top

    def _rewritten(self, tokens: Sequence[Token]) -> str:
        out: list[str] = []
        position = 0
        while position < len(tokens):
            piece, position = self._piece(tokens, position)
            out.append(piece)
        return " ".join(out)

    def _piece(self, tokens: Sequence[Token], position: int) -> tuple[str, int]:
        token = tokens[position]
        if token.upper == "COLLATE" and position + 1 < len(tokens):
            return f"COLLATE {self._collation(tokens[position + 1].text)}", position + 2
        if token.upper in _KEYWORDS:
            return token.upper, position + 1
        if token.is_identifier:
            return self._named(tokens, position)
        # Each sign stands alone: what SQLite makes of two, such as || or ->, is an error.
        return token.text if token.kind == "sign" else self._value(token), position + 1

    def _value(self, token: Token) -> str:
        if token.upper in sqlserver_functions.GLOBALS:
            return f"{sqlserver_functions.GLOBALS[token.upper]}()"
        found = value(token, self.parameters)
        self.values.append(stored(found))
        return "?"

    def _named(self, tokens: Sequence[Token], position: int) -> tuple[str, int]:
        end = position + 1
        while (
            end + 1 < len(tokens)
            and tokens[end].upper == "."
            and (tokens[end + 1].is_identifier or tokens[end + 1].upper == "*")
        ):
            end += 2
        parts = [token.text for token in tokens[position:end:2]]
        is_call = end < len(tokens) and tokens[end].upper == "("
        if is_call and parts[-1].lower() == "rds_fn_task_status":
            return self._tasks(tokens, end)
        if is_call:
            return self._call(parts[-1].upper(), tokens, end)
        if len(parts) > 1 and parts[-2].lower() == "sys" and parts[-1].lower() in VIEWS:
            return self._view(parts), end
        return ".".join("*" if part == "*" else _quoted(part) for part in parts), end

    def _call(self, name: str, tokens: Sequence[Token], opening: int) -> tuple[str, int]:
        closing = _closing(tokens, opening)
        arguments = _arguments(tokens[opening + 1 : closing])
        if name in ("CONVERT", "CAST"):
            return self._cast(name, arguments), closing + 1
        if name == "DATEDIFF":
            unit = Token("string", arguments[0][0].text.lower())
            arguments = [[unit], *arguments[1:]]
        if name not in sqlserver_functions.NAMES:
            raise _Unknown(f"function {name}")
        inner = ", ".join(self._rewritten(argument) for argument in arguments)
        return f"{sqlserver_functions.NAMES[name]}({inner})", closing + 1

    def _cast(self, name: str, arguments: list[list[Token]]) -> str:
        if name == "CONVERT":
            kind, operand = arguments[0], arguments[1]
        else:
            words = [token.upper for token in arguments[0]]
            split = len(words) - 1 - words[::-1].index("AS")
            operand, kind = arguments[0][:split], arguments[0][split + 1 :]
        inner = self._rewritten(operand)
        if kind[0].upper in _MOMENTS:
            return f"({inner})"
        if kind[0].upper not in _TYPES:
            raise _Unknown(f"type {kind[0].text}")
        return f"CAST({inner} AS {_TYPES[kind[0].upper]})"

    def _tasks(self, tokens: Sequence[Token], opening: int) -> tuple[str, int]:
        closing = _closing(tokens, opening)
        database, task_id = (
            value(argument[0], self.parameters) for argument in _arguments(tokens[opening + 1 : closing])
        )
        found = self.status_of(None if database is None else str(database), None if task_id is None else int(task_id))  # type: ignore[arg-type]
        columns = tuple((column.name, BIT if column.type == "bit" else "NVARCHAR" if column.type.startswith("nvarchar") else "")
                        for column in found.columns)  # fmt: skip
        self._fill("rds_fn_task_status", columns, iter(found.rows))
        return "rds_fn_task_status", closing + 1

    def _view(self, parts: Sequence[str]) -> str:
        view = VIEWS[parts[-1].lower()]
        database = open_database(self.instance, parts[-3] if len(parts) > 2 else self.session.database)
        table = ".".join((database.name, *(part.lower() for part in parts[-2:])))
        if table not in self.tables:
            self._fill(table, view.columns, view.rows(self.instance, database))
        self.tables.add(table)
        return _quoted(table)

    def _fill(self, table: str, columns: Sequence[tuple[str, str]], rows: Rows) -> None:
        said = ", ".join(
            f"{_quoted(name)} {type_}" + (f" COLLATE {self._collation('CI_AS')}" if type_ == "NVARCHAR" else "")
            for name, type_ in columns
        )
        self.columns.update(name for name, _ in columns)
        self.connection.execute(f"CREATE TABLE {_quoted(table)} ({said})")
        marks = ", ".join("?" * len(columns))
        kept = [tuple(map(stored, row)) for row in rows]
        self.connection.executemany(f"INSERT INTO {_quoted(table)} VALUES ({marks})", kept)  # noqa: S608 (our own names)

    def _collation(self, name: str) -> str:
        parts = name.upper().split("_")
        fold = folded if "AI" in parts else str.casefold if "CI" in parts else str
        known = f"fold_{fold.__name__}"
        self.connection.create_collation(
            known, lambda one, other: (fold(one) > fold(other)) - (fold(one) < fold(other))
        )
        return known


def _closing(tokens: Sequence[Token], opening: int) -> int:
    depth = 0
    for position in range(opening, len(tokens)):
        depth += {"(": 1, ")": -1}.get(tokens[position].upper, 0)
        if not depth:
            return position
    raise _Unknown("( without )")


def _arguments(tokens: Sequence[Token]) -> list[list[Token]]:
    parts: list[list[Token]] = [[]] if tokens else []
    depth = 0
    for token in tokens:
        depth += {"(": 1, ")": -1}.get(token.upper, 0)
        if token.upper == "," and not depth:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def _quoted(name: str) -> str:
    # In double quotes SQLite takes an unknown name for a string.
    return "`" + name.replace("`", "``") + "`"
