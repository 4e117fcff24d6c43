"""Values that SQL Server answered, as text to compare and to keep: the same as PostgreSQL's where both have the type.

Facts: Microsoft Learn, "Data types"; which of them the driver gives as what: python-tds, `tds_types`.
"""

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from dbrestore.worker.base.answers import Answer

# What SET TEXTSIZE bounds, or the type itself. Not xml, sql_variant, json, vector and types of assemblies: the server sends those whole, or
# the driver doesn't know them.
COMPARABLE: Final = frozenset(
    [
        "bigint",
        "int",
        "smallint",
        "tinyint",
        "bit",
        "decimal",
        "numeric",
        "money",
        "smallmoney",
        "float",
        "real",
        "date",
        "datetime",
        "datetime2",
        "smalldatetime",
        "datetimeoffset",
        "time",
        "char",
        "varchar",
        "nchar",
        "nvarchar",
        "text",
        "ntext",
        "binary",
        "varbinary",
        "image",
        "uniqueidentifier",
    ]
)


def answer(rows: int, value: Any, kind: str) -> Answer:
    """`value` as the driver gave it, None for NULL; `kind` as the server calls its type."""
    return Answer(rows, _text(value), kind, _moment(value))


def _text(value: Any) -> str | None:
    match value:
        case None:
            return None
        case bool():
            return str(value).lower()
        case Decimal():
            return f"{value:f}"
        case datetime():
            return value.isoformat(sep=" ")
        case date() | time():
            return value.isoformat()
        case bytes():
            return f"0x{value.hex().upper()}"
        case UUID():
            return str(value).upper()
        case _:
            return str(value)


def _moment(value: Any) -> datetime | None:
    """What has no zone is taken as UTC, whatever the server's own clock shows."""
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    return None
