"""What stands between the wire and the simulated SQL Server: requests in, result sets and errors out.

The wire (`tds_server`) knows bytes and no SQL; the engine (`sqlserver_engine`) knows SQL and no bytes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

# What the simulated server works with; the wire also carries Decimal, date, datetime with a zone and UUID.
Value = None | int | float | bool | str | bytes | datetime
# "numeric" is numeric(25, 0), a whole number; "decimal" is decimal(38, 4), "datetime2" datetime2(7), "datetimeoffset" datetimeoffset(7).
ColumnType = Literal[
    "int",
    "bigint",
    "bit",
    "float",
    "datetime",
    "nvarchar",
    "nvarchar(max)",
    "varbinary",
    "numeric",
    "decimal",
    "money",
    "date",
    "datetime2",
    "datetimeoffset",
    "uniqueidentifier",
]


@dataclass(frozen=True)
class Column:
    """One column of a result set."""

    name: str
    type: ColumnType = "nvarchar"


@dataclass(frozen=True)
class ResultSet:
    """Rows in the order of the columns; every value fits its column's type or is None."""

    columns: tuple[Column, ...]
    rows: Sequence[tuple[Value, ...]] = ()


@dataclass(frozen=True)
class Message:
    """An INFO message, as PRINT sends one, or RAISERROR with a severity up to 10."""

    text: str
    number: int = 0
    severity: int = 0
    state: int = 1


class SqlError(Exception):
    """An error as the server sends it: number, state, severity (11 to 16: the statement; 20 and more: the connection ends too).
    `ends_batch`: nothing more of the batch runs."""

    def __init__(self, number: int, message: str, *, severity: int = 16, state: int = 1, ends_batch: bool = False) -> None:
        super().__init__(message)
        self.number, self.severity, self.state, self.ends_batch = number, severity, state, ends_batch


Result = ResultSet | Message | SqlError


class DropConnection(Exception):
    """Raised by the engine to end the connection without an answer: what it did stays done."""


@dataclass
class Session:
    """One login. `database` is the current one; wire and engine both know of statements that begin and end a transaction."""

    user: str
    database: str
    in_transaction: bool = False
    settings: dict[str, Any] = field(default_factory=dict)


class Engine(Protocol):
    """A simulated server. Called from one thread per connection, so it locks what it shares."""

    def login(self, user: str, password: str, database: str) -> Session:
        """Raises SqlError 18456 for a wrong password, 4060 for an unknown database."""
        ...

    def execute(self, session: Session, text: str, parameters: Mapping[str, Value]) -> Sequence[Result]:
        """Run one batch; an error is in its place among what the statements around it returned. `parameters` by name with `@`
        (`{"@P1": ...}`): those of sp_executesql, or of a procedure that was called as RPC, which arrives as
        `exec <procedure> @a=@a, @b=@b`. Raises SqlError if nothing of the batch ran, DropConnection."""
        ...

    def end_transaction(self, session: Session, *, is_committed: bool) -> None:
        """The session's transaction is committed or rolled back by a request of its own, or rolled back because the session ends."""
        ...
