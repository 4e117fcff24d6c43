"""Values on their way through SQLite: a moment is kept as text behind a mark, so that it compares as a moment and comes back as one; so
is a number that is longer than SQLite's; a bit is an integer that its column's type tells from others."""

import sqlite3
from collections.abc import Container, Sequence
from datetime import datetime
from typing import Final

from localcloud.tds.engine import Column, ColumnType, ResultSet, Value

Stored = None | int | float | str | bytes

BIT: Final = "SQL_BIT"
# numeric(25, 0): all its values are kept with all digits, or some would compare as texts and others as numbers.
NUMERIC: Final = "SQL_NUMERIC"
# What sys.dm_exec_describe_first_result_set tells, as far as it is true here; names as SQL Server calls the types that the wire carries.
DESCRIPTION: Final = (
    ("column_ordinal", "INT"),
    ("name", "NVARCHAR"),
    ("system_type_name", "NVARCHAR"),
    ("error_number", "INT"),
    ("error_severity", "INT"),
    ("error_state", "INT"),
    ("error_message", "NVARCHAR"),
)
_TYPE_NAMES: Final = {"nvarchar": "nvarchar(4000)", "varbinary": "varbinary(8000)", "numeric": "numeric(25,0)"}
_MOMENT: Final = "\x01"
_NUMBER: Final = "\x02"
_DIGITS: Final = 25
_MOST_OF_INT: Final = (1 << 31) - 1
_MOST_OF_BIGINT: Final = (1 << 63) - 1
_LONG_TEXT: Final = 4000

sqlite3.register_converter(BIT, lambda given: given != b"0")


def stored(given: Value) -> Stored:
    """As SQLite keeps it."""
    if isinstance(given, datetime):
        return _MOMENT + given.isoformat(timespec="microseconds")
    return long_number(given) if isinstance(given, int) and abs(given) > _MOST_OF_BIGINT else given


def long_number(given: int) -> str:
    """A number of a column of type NUMERIC."""
    return f"{_NUMBER}{given:0{_DIGITS}}"


def loaded(given: object) -> Value:
    """As the border takes it."""
    if isinstance(given, str) and given.startswith(_MOMENT):
        return datetime.fromisoformat(given[1:])
    if isinstance(given, str) and given.startswith(_NUMBER):
        return int(given[1:])
    return given  # type: ignore[return-value]  # SQLite has no other types than the border


def result(names: Sequence[str], known: Container[str], rows: Sequence[tuple[object, ...]]) -> ResultSet:
    """`known` are the names of columns and aliases."""
    values = [tuple(map(loaded, row)) for row in rows]
    types = [_type([row[number] for row in values]) for number in range(len(names))]
    long = [any(isinstance(row[number], str) and str(row[number]).startswith(_NUMBER) for row in rows) for number in range(len(names))]
    # SQL Server gives an expression no name; SQLite gives it its text.
    said = [name if name in known else "" for name in names]
    return ResultSet(
        tuple(Column(name, "numeric" if is_long else kind) for name, kind, is_long in zip(said, types, long, strict=True)),
        values,
    )


def _type(values: Sequence[Value]) -> ColumnType:
    given = [one for one in values if one is not None]
    if any(isinstance(one, str) for one in given):
        return "nvarchar(max)" if any(len(str(one)) > _LONG_TEXT for one in given) else "nvarchar"
    if given and all(isinstance(one, bool) for one in given):
        return "bit"
    if any(isinstance(one, float) for one in given):
        return "float"
    if any(isinstance(one, int) and abs(one) > _MOST_OF_INT for one in given):
        return "bigint"
    kinds: dict[type, ColumnType] = {int: "int", bool: "int", datetime: "datetime", bytes: "varbinary"}
    return kinds[type(given[0])] if given else "nvarchar"


def described(found: ResultSet) -> list[tuple[Value, ...]]:
    """A row for each column, as DESCRIPTION."""
    return [
        (number, column.name or None, _TYPE_NAMES.get(column.type, column.type), None, None, None, None)
        for number, column in enumerate(found.columns, start=1)
    ]
