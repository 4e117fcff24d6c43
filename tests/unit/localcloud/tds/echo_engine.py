"""A simulated server that answers with what it was asked: the wire is tested through it, without any SQL."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from localcloud.tds import server as tds_server
from localcloud.tds.engine import Column, ColumnType, DropConnection, Message, ResultSet, Session, SqlError, Value

USER, PASSWORD = "boss", "pa$$ wörd'\"\\"  # pragma: allowlist secret
MOMENT = datetime(2026, 11, 23, 8, 30, 42, 123000)
TYPES: dict[ColumnType, Any] = {
    "int": -(2**31),
    "bigint": 2**62,
    "bit": True,
    "float": -1.5e300,
    "datetime": MOMENT,
    "nvarchar": "O'Brien ü 🦊",
    "nvarchar(max)": "x" * 100_000 + "ü",
    "varbinary": bytes(range(256)),
}
# Of TDS 7.3 and later, and those that drivers hold in types of their own.
NEWER: dict[ColumnType, Any] = {
    "numeric": -(10**24),
    "decimal": Decimal("-12345678901234567890.1200"),
    "money": Decimal("-922337203685477.5808"),
    "date": date(2026, 11, 23),
    "datetime2": MOMENT.replace(microsecond=123456),
    "datetimeoffset": MOMENT.replace(tzinfo=timezone(timedelta(hours=-3, minutes=-30))),
    "uniqueidentifier": UUID("6F9619FF-8B86-D011-B42D-00C04FC964FF"),
}
_BY_CLASS: dict[type, ColumnType] = {
    int: "bigint",
    float: "float",
    bool: "bit",
    str: "nvarchar(max)",
    bytes: "varbinary",
    datetime: "datetime",
    type(None): "nvarchar",
}


@dataclass
class EchoEngine:
    """`echo` returns its parameters by name, `text` the text itself; the other words do what they say."""

    executed: list[str] = field(default_factory=list)

    def login(self, user: str, password: str, database: str) -> Session:
        if (user, password) != (USER, PASSWORD):
            raise SqlError(18456, f"Login failed for user '{user}'.", severity=14)
        if database == "nowhere":
            raise SqlError(4060, f'Cannot open database "{database}" requested by the login.', severity=11)
        return Session(user, database)

    def execute(self, session: Session, text: str, parameters: Mapping[str, Value]) -> Sequence[ResultSet | Message]:
        self.executed.append(text)
        word, *rest = text.lower().split()
        match word:
            case "use":
                session.database = rest[0].strip("[]")
                return []
            case "where":
                return [_single_row({"database": session.database, "in_transaction": session.in_transaction})]
            case "error":
                raise SqlError(int(rest[0]), f"error ü of severity {rest[1]}", severity=int(rest[1]), state=7)
            case "begin" | "end":
                session.in_transaction = word == "begin"
                return []
            case "drop":
                raise DropConnection
            case "bug":
                raise KeyError("no such key")
        return _answer(word, text, rest, parameters)

    def end_transaction(self, session: Session, *, is_committed: bool) -> None:
        """What was open is remembered, with how it ended."""
        if session.in_transaction:
            self.executed.append("commit" if is_committed else "rollback")


def _answer(word: str, text: str, rest: list[str], parameters: Mapping[str, Value]) -> list[ResultSet | Message]:
    match word:
        case "echo" | "exec":
            return [_single_row(parameters)]
        case "text":
            return [_single_row({"text": text})]
        case "types" | "newer":
            types = TYPES if word == "types" else NEWER
            values = tuple(types.values())
            return [ResultSet(tuple(Column(kind, kind) for kind in types), [values, (None,) * len(values)])]
        case "rows":
            rows = [(number, f"row {number}") for number in range(int(rest[0]))]
            return [ResultSet((Column("n", "int"), Column("name")), rows)]
        case "several":
            return [Message("first"), _single_row({"a": 1}), _single_row({"b": 2})]
    return []


def _single_row(values: Mapping[str, Value]) -> ResultSet:
    return ResultSet(tuple(Column(name, _BY_CLASS[type(value)]) for name, value in values.items()), [tuple(values.values())])


@contextmanager
def serving(engine: EchoEngine, certificate: Path | None = None, key: Path | None = None) -> Iterator[tds_server.TdsServer]:
    """A server for the time of the block."""
    server = tds_server.start(engine, certificate=certificate, key=key)
    try:
        yield server
    finally:
        server.stop()
